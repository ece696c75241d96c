"""Policies: judged by parliament, and held to what they must never allow."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.infra.judges import judge
from tests.infra.template import holds, resolve, resources, template

KEY = "arn:aws:kms:eu-central-1:123456789012:key/"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
SERVED = {
    "SourceBucket": "backups",
    "SourcePrefix": "primary",
    "TargetBucket": "copies",
    "TargetPrefix": "vault",
    "JobId": "nightly",
}
EVERYTHING = {
    **SERVED,
    "SourceKind": "bucket",
    "TargetSecretArn": f"{SECRET}target-AbCdEf",
    "SourceSecretArn": f"{SECRET}source-AbCdEf",
    "SecretsKeyArn": f"{KEY}secrets",
    "TargetKeyArn": f"{KEY}target",
    "SourceKeyArn": f"{KEY}source",
    "TargetSseKeyArn": f"{KEY}target-sse",
    "SourceSseKeyArn": f"{KEY}source-sse",
    "Schedule": "rate(1 day)",
    "SubnetIds": "subnet-1",
}
FUNCTIONS = ("PlanRole", "RepackRole", "PublishRole")
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:archive-unstarted"
ARNS = {
    "UnstartedQueue.Arn": QUEUE,
    "StateMachine": "arn:aws:states:eu-central-1:123456789012:stateMachine:archive",
    **{
        f"{role}Function.Arn": f"arn:aws:lambda:eu-central-1:123456789012:function:{role}"
        for role in ("Plan", "Repack", "Publish")
    },
    **{
        f"{role}Log.Arn": f"arn:aws:logs:eu-central-1:123456789012:log-group:{role}"
        for role in ("Plan", "Repack", "Publish")
    },
}


def documents(parameters: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every policy document that the stack has, as it is deployed."""
    for name, each in template()["Resources"].items():
        if "Condition" in each and not holds(each["Condition"], parameters):
            continue
        properties = each.get("Properties", {})
        if each["Type"] == "AWS::IAM::ManagedPolicy":
            yield name, with_arns(resolve(properties["PolicyDocument"], parameters))
        for policy in properties.get("Policies", []) if each["Type"] == "AWS::IAM::Role" else []:
            yield name, with_arns(resolve(policy["PolicyDocument"], parameters))


def with_arns(document: dict[str, Any]) -> dict[str, Any]:
    """Put ARNs where a resource of the template is only named."""
    text = json.dumps(document)
    for name, arn in ARNS.items():
        text = text.replace(f'"{name}"', f'"{arn}"').replace(f'"{name}:*"', f'"{arn}:*"')
        text = text.replace(f'"{name}:', f'"{arn}:')
    found: dict[str, Any] = json.loads(text)
    return found


def statements(name: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
    return [
        statement
        for policy, document in documents(parameters)
        if policy == name
        for statement in document["Statement"]
    ]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def granted(name: str, parameters: dict[str, str]) -> dict[str, set[str]]:
    """Return the resources of each action that a policy allows."""
    found: dict[str, set[str]] = {}
    for statement in statements(name, parameters):
        for action in listed(statement["Action"]):
            found.setdefault(action, set()).update(listed(statement["Resource"]))
    return found


@pytest.mark.parametrize("parameters", [SERVED, EVERYTHING], ids=["least", "everything"])
def test_their_judge_finds_nothing(parameters: dict[str, str], tmp_path: Path) -> None:
    for name, document in documents(parameters):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    assert findings(tmp_path) == []


def test_their_judge_finds_an_action_on_the_wrong_resource(tmp_path: Path) -> None:
    bucket = "arn:aws:s3:::backups"
    wrong = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": bucket}
    (tmp_path / "wrong.json").write_text(
        json.dumps({"Version": "2012-10-17", "Statement": [wrong]})
    )
    (found,) = findings(tmp_path)
    assert found["issue"] == "RESOURCE_MISMATCH"


def findings(folder: Path) -> list[dict[str, Any]]:
    """Return what parliament finds in the policies of a folder, but for what it is wrong about.

    It takes executions of one kind, and of their lists those of map runs, for the only ones.
    """
    said = judge(
        "parliament", "--json", "--directory", folder, "--include_policy_extension", "json"
    )
    found: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines()]
    return [each for each in found if not is_wrong(each)]


def is_wrong(finding: dict[str, Any]) -> bool:
    if finding["issue"] != "RESOURCE_MISMATCH":
        return False
    wrong = {
        ("states:DescribeExecution", "arn:*:states:*:*:express:*:*:*"),
        ("states:ListExecutions", "arn:*:states:*:*:mapRun:*/*:*"),
    }
    return all((each["action"], each["required_format"]) in wrong for each in finding["detail"])


def test_nothing_allows_everything() -> None:
    for name, document in documents(EVERYTHING):
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow", name
            assert not any("*" in action for action in listed(statement["Action"])), name
            assert "*" not in listed(statement["Resource"]), name


def test_the_source_is_only_read() -> None:
    """I7, kept by Amazon as well: no permission on the source's bucket changes anything."""
    for name, document in documents(EVERYTHING):
        for statement in document["Statement"]:
            if any("backups" in resource for resource in listed(statement["Resource"])):
                actions = {action.partition(":")[2] for action in listed(statement["Action"])}
                assert actions <= {"ListBucket", "GetObject", "GetObjectTagging"}, name


def test_tags_are_read_where_objects_have_them() -> None:
    objects = {"arn:aws:s3:::backups/primary/*"}
    assert granted("SourcePolicy", SERVED) == {
        "s3:ListBucket": {"arn:aws:s3:::backups"},
        "s3:GetObject": objects,
    }
    assert granted("SourcePolicy", EVERYTHING)["s3:GetObjectTagging"] == objects


def test_nothing_deletes_in_the_target_but_below_sessions_and_who_prunes() -> None:
    """I6, kept by Amazon as well."""
    for name, document in documents(EVERYTHING):
        if name == "PrunePolicy":
            continue
        for statement in document["Statement"]:
            deleting = [each for each in listed(statement["Action"]) if "Delete" in each]
            if deleting:
                assert (name, deleting) == ("TargetPolicy", ["s3:DeleteObject"])
                assert statement["Resource"] == "arn:aws:s3:::copies/vault/sessions/*"
    pruning = granted("PrunePolicy", EVERYTHING)
    assert pruning["s3:DeleteObjectVersion"] == {"arn:aws:s3:::copies/vault/*"}


def test_a_repository_at_the_root_of_a_bucket_has_the_same_bounds() -> None:
    root = {**SERVED, "TargetPrefix": "", "SourcePrefix": ""}
    assert granted("TargetPolicy", root)["s3:DeleteObject"] == {"arn:aws:s3:::copies/sessions/*"}
    assert granted("SourcePolicy", root)["s3:GetObject"] == {"arn:aws:s3:::backups/*"}


def test_listing_is_bound_to_the_prefix() -> None:
    for name in ("SourcePolicy", "TargetPolicy", "PrunePolicy"):
        (listing,) = (s for s in statements(name, SERVED) if "s3:ListBucket" in s["Action"])
        prefix = "primary/*" if name == "SourcePolicy" else "vault/*"
        assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": prefix}}


def test_the_state_machine_calls_and_starts_and_sees_no_bucket() -> None:
    """So that the target may be in another account or region, which a listing Map cannot see."""
    actions = {action.partition(":")[0] for action in granted("StateMachineRole", EVERYTHING)}
    assert actions == {"lambda", "states"}


def test_the_executions_of_batches_may_take_the_role_as_well() -> None:
    """Those of a distributed Map belong to a state machine named NAME/LABEL."""
    trust = resources("AWS::IAM::Role")["StateMachineRole"]["AssumeRolePolicyDocument"]
    (statement,) = resolve(trust, SERVED)["Statement"]
    whole, labelled = statement["Condition"]["ArnLike"]["aws:SourceArn"]
    assert labelled == f"{whole}/*"


def test_keys_are_used_for_one_thing_each() -> None:
    assert not [name for name, _ in documents(SERVED) if name == "KeysPolicy"]
    found = {each["Sid"]: each for each in statements("KeysPolicy", EVERYTHING)}
    slots = found["OpenKeySlots"]
    assert slots["Action"] == "kms:Decrypt"
    assert slots["Condition"] == {
        "Null": {"kms:EncryptionContext:coldhaul:repository": "false"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["coldhaul:repository"]},
    }
    for name in ("ReadEncryptedSource", "UseEncryptedTarget"):
        condition = found[name]["Condition"]["StringLike"]
        assert condition["kms:ViaService"] == "s3.*.amazonaws.com"
        assert len(condition["kms:EncryptionContext:aws:s3:arn"]) == 2
    assert found["ReadEncryptedSource"]["Action"] == "kms:Decrypt"
    assert found["ReadPassphrases"]["Resource"] == [
        EVERYTHING["TargetSecretArn"],
        EVERYTHING["SourceSecretArn"],
    ]


def test_functions_share_the_policies_and_log_for_themselves() -> None:
    for role in FUNCTIONS:
        shared = resolve(resources("AWS::IAM::Role")[role]["ManagedPolicyArns"], SERVED)
        assert shared == ["SourcePolicy", "TargetPolicy"]
        log = role.removesuffix("Role")
        assert granted(role, SERVED) == {
            "logs:CreateLogStream": {f"{ARNS[f'{log}Log.Arn']}:*"},
            "logs:PutLogEvents": {f"{ARNS[f'{log}Log.Arn']}:*"},
        }


def test_the_proxy_finds_the_stack_by_its_name() -> None:
    """Who asks by name is judged by ``stack/NAME/*``, which no id of a stack is."""
    (stack,) = granted("ProxyPolicy", SERVED)["cloudformation:DescribeStacks"]
    assert stack.endswith(":stack/archive/*")


def test_each_permission_is_explained() -> None:
    text = (ROOT / "infra/aws/README.md").read_text()
    actions = {
        action
        for _, document in documents(EVERYTHING)
        for statement in document["Statement"]
        for action in listed(statement["Action"])
    }
    assert {action for action in actions if f"`{action}`" not in text} == set()


def test_event_and_schedule_start_executions_and_keep_what_could_not() -> None:
    found = granted("StartRole", EVERYTHING)
    assert found == {"states:StartExecution": {ARNS["StateMachine"]}, "sqs:SendMessage": {QUEUE}}
    (policy,) = (each for each in resources("AWS::SQS::QueuePolicy").values())
    (statement,) = resolve(policy["PolicyDocument"], EVERYTHING)["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": "NewPointRule.Arn"}}
