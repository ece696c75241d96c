"""LocalStack runs functions as processes, and Step Functions sees of them what Amazon's sees."""

import io
import json
import secrets
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.services import S3Service

ROLE = "arn:aws:iam::000000000000:role/tests"
PATIENCE_SECONDS = 60
CODE = """
import os, time

class IntegrityError(Exception):
    pass

def handler(event, context):
    print("was asked to", event["do"])
    if event["do"] == "wait":
        time.sleep(600)
    if event["do"] == "meet":
        here = os.path.join(event["folder"], str(os.getpid()))
        open(here, "w").close()
        while len(os.listdir(event["folder"])) < event["count"]:
            time.sleep(0.05)
    if event["do"] == "die":
        os._exit(1)
    if event["do"] == "raise":
        raise IntegrityError("a blob is not what it was")
    return {**event, "process": os.getpid(), "greeting": os.environ["GREETING"]}
"""
# What the state machine of an appliance tells apart.
MACHINE = {
    "StartAt": "Call",
    "States": {
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName.$": "$.function", "Payload.$": "$"},
            "OutputPath": "$.Payload",
            "Retry": [
                {
                    "ErrorEquals": ["Sandbox.Timedout", "Runtime.ExitError"],
                    "IntervalSeconds": 1,
                    "MaxAttempts": 1,
                }
            ],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
            "End": True,
        },
        "Caught": {"Type": "Pass", "End": True},
    },
}


@pytest.fixture(scope="module")
def function(localstack: S3Service) -> Iterator[str]:
    """A function that does what it is asked to; its name."""
    with created(localstack, 60) as name:
        yield name


@pytest.fixture
def hasty(localstack: S3Service) -> Iterator[str]:
    """The same, with two seconds for each call."""
    with created(localstack, 2) as name:
        yield name


@contextmanager
def created(localstack: S3Service, seconds: int) -> Iterator[str]:
    name = f"coldhaul-{secrets.token_hex(4)}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("one.py", CODE)
    client = localstack.client("lambda")
    client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=ROLE,
        Handler="one.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=seconds,
        Environment={"Variables": {"GREETING": "hello"}},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    yield name
    client.delete_function(FunctionName=name)


@pytest.fixture(scope="module")
def machine(localstack: S3Service) -> Iterator[str]:
    client = localstack.client("stepfunctions")
    arn: str = client.create_state_machine(
        name=f"coldhaul-{secrets.token_hex(4)}", definition=json.dumps(MACHINE), roleArn=ROLE
    )["stateMachineArn"]
    yield arn
    client.delete_state_machine(stateMachineArn=arn)


def call(localstack: S3Service, function: str, event: dict[str, Any]) -> dict[str, Any]:
    answer = localstack.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    found: dict[str, Any] = json.load(answer["Payload"])
    return found


def execute(localstack: S3Service, machine: str, event: dict[str, Any]) -> dict[str, Any]:
    client = localstack.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=machine, input=json.dumps(event))["executionArn"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the execution goes on and on"
        time.sleep(0.2)
    assert found["status"] == "SUCCEEDED", found
    output: dict[str, Any] = json.loads(found["output"])
    return output


def test_a_function_answers_with_its_environment(localstack: S3Service, function: str) -> None:
    answer = call(localstack, function, {"do": "nothing"})
    assert (answer["do"], answer["greeting"]) == ("nothing", "hello")


def test_calls_at_the_same_time_have_an_environment_each(
    localstack: S3Service, function: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(3) as pool:
        event = {"do": "meet", "folder": str(tmp_path), "count": 3}
        answers = list(pool.map(lambda _: call(localstack, function, event), range(3)))
    assert len({answer["process"] for answer in answers}) == 3


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"do": "raise"}, "IntegrityError"),
        ({"do": "die"}, "Runtime.ExitError"),
    ],
)
def test_a_state_machine_sees_why_a_function_failed(
    localstack: S3Service, function: str, machine: str, event: dict[str, Any], error: str
) -> None:
    assert execute(localstack, machine, {"function": function, **event})["Error"] == error


def test_a_state_machine_sees_that_a_functions_time_was_up(
    localstack: S3Service, hasty: str, machine: str
) -> None:
    event = {"function": hasty, "do": "wait"}
    assert execute(localstack, machine, event)["Error"] == "Sandbox.Timedout"


def test_what_a_function_prints_is_in_its_log_group(localstack: S3Service, function: str) -> None:
    call(localstack, function, {"do": "be logged"})
    client = localstack.client("logs")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = client.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
        if any("was asked to be logged" in event["message"] for event in found):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
