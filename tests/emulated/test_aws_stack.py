"""The template as it is deployed: ``sam deploy``, and what came of it."""

import json

import pytest

from tests.architecture.tree import ROOT
from tests.emulated.stack import NAME, ROLES, AwsStack


def test_its_outputs_say_what_and_where_it_is(aws_stack: AwsStack) -> None:
    outputs = aws_stack.outputs
    assert outputs["SourceUrl"] == f"s3://{aws_stack.source_bucket}"
    assert outputs["TargetUrl"] == f"s3://{aws_stack.target_bucket}"
    assert (outputs["SourceKind"], outputs["StorageClass"]) == ("repository", "DEEP_ARCHIVE")
    assert f'version = "{outputs["Version"]}"' in (ROOT / "pyproject.toml").read_text()
    assert outputs["StateMachineArn"].endswith(f":stateMachine:{NAME}")
    for role in ROLES:
        assert outputs[f"{role}FunctionArn"].endswith(f":function:{NAME}-{role.lower()}")


def name_of(stack: AwsStack, resource: str) -> str:
    """Return what a resource of the template is called; other stacks have such resources too."""
    client = stack.service.client("cloudformation")
    found = client.describe_stack_resource(StackName=NAME, LogicalResourceId=resource)
    name: str = found["StackResourceDetail"]["PhysicalResourceId"]
    return name.rpartition("/")[2]


def arn_of_unstarted(stack: AwsStack) -> str:
    """Return the ARN of the queue that holds what could not start a session."""
    url, wanted = stack.outputs["UnstartedQueueUrl"], ["QueueArn", "MessageRetentionPeriod"]
    client = stack.service.client("sqs")
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
    assert found["MessageRetentionPeriod"] == str(14 * 86_400)
    return str(found["QueueArn"])


def test_events_and_schedule_start_sessions_of_the_job(aws_stack: AwsStack) -> None:
    """The emulator fires no schedule: its target and input are looked at."""
    machine = aws_stack.outputs["StateMachineArn"]
    events = aws_stack.service.client("events")
    rule = events.describe_rule(Name=name_of(aws_stack, "NewPointRule"))
    assert json.loads(rule["EventPattern"]) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [aws_stack.source_bucket]},
            "object": {"key": [{"prefix": "restore-points/"}]},
        },
    }
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    scheduler = aws_stack.service.client("scheduler")
    found = scheduler.get_schedule(Name=name_of(aws_stack, "SessionSchedule"))
    assert found["ScheduleExpression"] == "cron(0 22 * * ? *)"
    for each in (target, found["Target"]):
        assert each["Arn"] == machine
        assert json.loads(each["Input"]) == {"job": "nightly"}
        assert each["RoleArn"] == target["RoleArn"]
        assert each["DeadLetterConfig"]["Arn"] == arn_of_unstarted(aws_stack)


def test_a_changed_function_is_as_deployed_again(aws_stack: AwsStack) -> None:
    client = aws_stack.service.client("lambda")
    function = aws_stack.outputs["RepackFunctionArn"]
    before = client.get_function_configuration(FunctionName=function)
    aws_stack.serve(target_url=f"s3://{aws_stack.target_bucket}/other", storage_class="GLACIER")
    aws_stack.configure("Repack", Timeout=77)
    changed = client.get_function_configuration(FunctionName=function)
    assert changed["Timeout"] == 77
    assert changed["Environment"]["Variables"]["COLDHAUL_STORAGE_CLASS"] == "GLACIER"
    aws_stack.reset()
    after = client.get_function_configuration(FunctionName=function)
    for name in ("Timeout", "MemorySize", "Environment"):
        assert after[name] == before[name]


@pytest.mark.parametrize("role", ROLES)
def test_each_function_loads_and_refuses_what_is_no_call_of_it(
    aws_stack: AwsStack, role: str
) -> None:
    """Under the real runtime, from the package as it was built."""
    target = f"s3://{aws_stack.target_bucket}/nothing-there"
    aws_stack.serve(target_url=target)
    answer = aws_stack.call(role, {"nobody": "knows this"})
    assert answer["errorType"] in {"InputError", "NotFoundError"}
    assert "nothing-there" in answer["errorMessage"] or "call" in answer["errorMessage"]
