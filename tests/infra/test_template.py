"""The template: judged by ``sam`` and cfn-lint, and held against the project."""

import tomllib

import pytest

from tests.architecture.tree import ROOT
from tests.infra.judges import judge
from tests.infra.template import PATH, holds, resolve, resources, template

SERVED = {"SourceBucket": "backups", "TargetBucket": "copies", "JobId": "nightly"}


@pytest.mark.parametrize(
    ("name", "arguments"), [("cfn-lint", []), ("sam", ["validate", "--lint", "--template-file"])]
)
def test_its_judges_find_nothing(name: str, arguments: list[str]) -> None:
    assert judge(name, *arguments, PATH) == ""


def test_its_version_is_that_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert template()["Outputs"]["Version"]["Value"] == version
    machine = resources("AWS::Serverless::StateMachine")["StateMachine"]
    assert machine["DefinitionSubstitutions"]["Version"] == version
    assert f"Coldhaul {version}:" in template()["Description"]


def test_the_outputs_are_what_the_proxy_reads() -> None:
    assert set(template()["Outputs"]) >= {
        *("StateMachineArn", "PlanFunctionArn", "RepackFunctionArn", "PublishFunctionArn"),
        *("TargetUrl", "SourceUrl", "SourceKind", "StorageClass", "Version", "ProxyPolicyArn"),
        *("MetadataClass", "RetentionType"),
    }


@pytest.mark.parametrize(
    ("prefixes", "source", "target"),
    [
        ({}, "s3://backups", "s3://copies"),
        (
            {"SourcePrefix": "a/b", "TargetPrefix": "vault"},
            "s3://backups/a/b",
            "s3://copies/vault",
        ),
    ],
)
def test_functions_are_told_the_urls_that_the_stack_says(
    prefixes: dict[str, str], source: str, target: str
) -> None:
    parameters = {**SERVED, **prefixes}
    variables = resolve(template()["Globals"]["Function"]["Environment"]["Variables"], parameters)
    outputs = resolve(template()["Outputs"], parameters)
    assert variables["COLDHAUL_SOURCE_URL"] == outputs["SourceUrl"]["Value"] == source
    assert variables["COLDHAUL_TARGET_URL"] == outputs["TargetUrl"]["Value"] == target


def test_a_repository_says_its_retention_type_itself() -> None:
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    for kind, expected in (("repository", ""), ("bucket", "snapshot-based")):
        found = resolve(variables, {**SERVED, "SourceKind": kind})
        assert found["COLDHAUL_RETENTION_TYPE"] == expected
        outputs = {
            name: each
            for name, each in template()["Outputs"].items()
            if "Condition" not in each or holds(each["Condition"], {**SERVED, "SourceKind": kind})
        }
        told = resolve(outputs, {**SERVED, "SourceKind": kind})
        assert told.get("RetentionType", {}).get("Value", "") == expected
        assert "MetadataClass" not in told


def test_event_and_schedule_start_the_job_and_nothing_does_unless_asked() -> None:
    rule = resources("AWS::Events::Rule")["NewPointRule"]
    schedule = resources("AWS::Scheduler::Schedule")["SessionSchedule"]
    parameters = {**SERVED, "SourcePrefix": "primary"}
    assert resolve(rule["EventPattern"], parameters) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["backups"]},
            "object": {"key": [{"prefix": "primary/restore-points/"}]},
        },
    }
    for target in (*resolve(rule["Targets"], parameters), resolve(schedule["Target"], parameters)):
        assert target["Arn"] == "StateMachine"
        assert target["Input"] == '{"job": "nightly"}'
        assert target["RoleArn"] == "StartRole.Arn"
        assert target["DeadLetterConfig"] == {"Arn": "UnstartedQueue.Arn"}
    for name in ("HasEvent", "HasSchedule", "HasJob"):
        assert not holds(name, SERVED)
    assert holds("HasJob", {**SERVED, "Schedule": "rate(1 day)"})


def test_every_alarm_may_tell_and_what_could_not_start_rings_one() -> None:
    alarms = resources("AWS::CloudWatch::Alarm")
    (topic,) = resources("AWS::SNS::TopicPolicy").values()
    (statement,) = resolve(topic["PolicyDocument"], SERVED)["Statement"]
    told = {arn.rpartition(":")[2] for arn in statement["Condition"]["ArnEquals"]["aws:SourceArn"]}
    assert told == {resolve(each["AlarmName"], SERVED) for each in alarms.values()}
    assert all(each["AlarmActions"] == [{"Ref": "FailureTopic"}] for each in alarms.values())
    unstarted = resolve(alarms["UnstartedAlarm"], SERVED)
    assert unstarted["Dimensions"] == [{"Name": "QueueName", "Value": "UnstartedQueue.QueueName"}]
    for name in ("UnstartedQueue", "UnstartedAlarm"):
        assert template()["Resources"][name]["Condition"] == "HasJob"


def test_no_function_has_a_door_to_the_internet_of_ours() -> None:
    kinds = {each["Type"] for each in template()["Resources"].values()}
    assert not kinds & {"AWS::EC2::NatGateway", "AWS::Lambda::Url", "AWS::Lambda::Permission"}
    globals_ = template()["Globals"]["Function"]
    assert "VpcConfig" not in resolve(globals_, SERVED)
    inside = resolve(globals_, {**SERVED, "SubnetIds": "subnet-1"})
    assert inside["VpcConfig"]["SubnetIds"] == "subnet-1"
