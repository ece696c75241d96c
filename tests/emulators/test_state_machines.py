"""What LocalStack's Step Functions is told to do as Amazon's does."""

import json
import secrets
import time
from collections.abc import Iterator

import pytest

from tests.emulators.services import S3Service

ROLE = "arn:aws:iam::000000000000:role/tests"
PATIENCE_SECONDS = 60
STOP_COUNT = 20
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
