"""What LocalStack's Step Functions is told to do as Amazon's does."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.emulators.services import S3Service

ROLE = "arn:aws:iam::000000000000:role/tests"
PATIENCE_SECONDS = 60
STOP_COUNT = 20
TASK_COUNT = 10
# Nearly always between two states.
MACHINE = {
    "StartAt": "One",
    "States": {"One": {"Type": "Pass", "Next": "Two"}, "Two": {"Type": "Pass", "Next": "One"}},
}


@pytest.fixture(scope="module")
def machine(localstack: S3Service) -> Iterator[str]:
    """A machine that never ends."""
    client = localstack.client("stepfunctions")
    found = client.create_state_machine(
        name=f"endless-{secrets.token_hex(4)}", definition=json.dumps(MACHINE), roleArn=ROLE
    )
    yield found["stateMachineArn"]
    client.delete_state_machine(stateMachineArn=found["stateMachineArn"])


def ended(localstack: S3Service, execution: str) -> str:
    client = localstack.client("stepfunctions")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        status = str(client.describe_execution(executionArn=execution)["status"])
        if status != "RUNNING":
            return status
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.05)


def test_what_is_stopped_between_two_states_has_not_failed(
    localstack: S3Service, machine: str
) -> None:
    client = localstack.client("stepfunctions")
    statuses = []
    for _ in range(STOP_COUNT):
        execution = client.start_execution(stateMachineArn=machine)["executionArn"]
        time.sleep(0.05)
        client.stop_execution(executionArn=execution)
        statuses.append(ended(localstack, execution))
    assert statuses == ["ABORTED"] * STOP_COUNT


def test_no_task_is_lost_while_other_executions_begin(localstack: S3Service) -> None:
    client = localstack.client("stepfunctions")
    name = f"tasks-{secrets.token_hex(4)}"
    tasks = client.create_activity(name=name)["activityArn"]
    machines = [
        client.create_state_machine(
            name=f"{name}-{kind}",
            definition=json.dumps({"StartAt": "S", "States": {"S": {**state, "End": True}}}),
            roleArn=ROLE,
        )["stateMachineArn"]
        for kind, state in (
            ("waiting", {"Type": "Task", "Resource": tasks}),
            ("passing", {"Type": "Pass"}),
        )
    ]
    is_over = threading.Event()

    def begin_others() -> None:
        while not is_over.is_set():
            client.start_execution(stateMachineArn=machines[1])

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(begin_others) for _ in range(2)]
        try:
            for _ in range(TASK_COUNT):
                execution = client.start_execution(stateMachineArn=machines[0])["executionArn"]
                token = client.get_activity_task(activityArn=tasks)["taskToken"]
                client.send_task_success(taskToken=token, output="{}")
                assert ended(localstack, execution) == "SUCCEEDED"
        finally:
            is_over.set()
    for other in others:
        other.result()
    for machine in machines:
        client.delete_state_machine(stateMachineArn=machine)
    client.delete_activity(activityArn=tasks)
