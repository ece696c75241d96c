"""What looks to the proxy like an appliance of either kind, with a state machine of one's own.

In AWS it is a stack in LocalStack, in Azure a stand-in that replays the routes' documents. What the
machine would do the tests do with the engine, so that client, watching and end are tried without
functions.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.version import own_version
from tests.emulators.services import S3Service, amazon_client

_PATIENCE_SECONDS = 60
_ACCOUNT = "000000000000"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/machine"
WAITS_FOREVER = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
# Which activity it is says the stack.
_TASKS = "the tasks of the stack"
ENDS_WHEN_TOLD = {
    "StartAt": "T",
    "States": {"T": {"Type": "Task", "Resource": _TASKS, "End": True}},
}
SUCCEEDS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


def fails(error: str, cause: str) -> dict[str, Any]:
    """Return a machine that fails at once."""
    return {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": error, "Cause": cause}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack that was deployed, and the clients that look behind the proxy's back."""

    name: str
    service: S3Service
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def region(self) -> str:
        """Where it is."""
        return self.service.settings.region

    @property
    def tasks(self) -> str:
        """Where executions that end when told wait for somebody to do their task."""
        return f"arn:aws:states:{self.region}:{_ACCOUNT}:activity:{self.name}"

    def client(self, name: str) -> Any:  # noqa: ANN401  # boto3 makes its classes as it runs.
        """Return a client of Amazon's own library."""
        return amazon_client(name, self.service.endpoint, self.region)

    def executions(self) -> list[dict[str, Any]]:
        """Return what Step Functions knows of the machine's executions, newest first."""
        machine = self.outputs["StateMachineArn"]
        answer = self.client("stepfunctions").list_executions(stateMachineArn=machine)
        found: list[dict[str, Any]] = answer["executions"]
        return found

    def orders(self) -> list[dict[str, Any]]:
        """Return the inputs of the executions, newest first."""
        client = self.client("stepfunctions")
        return [
            json.loads(client.describe_execution(executionArn=each["executionArn"])["input"])
            for each in self.executions()
        ]


def deploy(service: S3Service, machine: Mapping[str, Any], outputs: Mapping[str, str]) -> Stack:
    """Deploy a stack with a state machine and the outputs of an appliance; ``outputs`` win."""
    name = f"coldhaul-{secrets.token_hex(6)}"
    plain = Stack(name=name, service=service)
    text = json.dumps(machine)
    if machine == ENDS_WHEN_TOLD:
        plain.client("stepfunctions").create_activity(name=name)
        text = text.replace(_TASKS, plain.tasks)
    said = {
        "TargetUrl": "s3://copies/vault",
        "SourceUrl": "s3://backups/primary",
        "SourceKind": "repository",
        "StorageClass": "STANDARD",
        "Version": own_version(),
        **outputs,
    }
    template = {
        "Resources": {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"DefinitionString": text, "RoleArn": _ROLE},
            }
        },
        "Outputs": {
            "StateMachineArn": {"Value": {"Ref": "Machine"}},
            **{key: {"Value": value} for key, value in said.items() if value},
        },
    }
    client = plain.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps(template))
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            break
        assert stack["StackStatus"] == "CREATE_IN_PROGRESS", stack
        assert time.monotonic() < deadline, stack
        time.sleep(0.1)
    found = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    return replace(plain, outputs=found)


class Heard:
    """A progress that keeps all it is told, and the sums of each phase."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self.phases: list[tuple[str, int | None, int | None]] = []
        self.done: dict[str, tuple[int, int]] = {}
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        """Keep a phase."""
        self.phases.append((label, total_size, total_count))
        self.done[label] = (0, 0)

    def advance(self, size: int = 0, count: int = 0) -> None:
        """Count."""
        label = self.phases[-1][0]
        before = self.done[label]
        self.done[label] = (before[0] + size, before[1] + count)

    def note(self, text: str) -> None:
        """Keep a line."""
        self.notes.append(text)

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)
