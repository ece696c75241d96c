"""What looks to the proxy like an appliance of either kind, with a state machine of one's own.

In AWS it is a stack in LocalStack, in Azure a stand-in that replays the routes' documents. What the
machine would do the tests do with the engine, so that client, watching and end are tried without
functions.
"""

import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from core.engine.run import run_session
from core.engine.runner import Runner
from core.engine.session import CopySession
from core.engine.standing import open_sessions
from core.model import JobDefinition
from core.sources.repository import Repository
from core.sources.source import Source
from proxy.version import own_version
from tests.emulators.services import S3Service, amazon_client

_PATIENCE_SECONDS = 60
_ROLE = "arn:aws:iam::000000000000:role/machine"
WAITS_FOREVER = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
SUCCEEDS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


def waits(seconds: int) -> dict[str, Any]:
    """Return a machine that succeeds after so long."""
    return {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": seconds, "End": True}}}


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
                "Properties": {"DefinitionString": json.dumps(machine), "RoleArn": _ROLE},
            }
        },
        "Outputs": {
            "StateMachineArn": {"Value": {"Ref": "Machine"}},
            **{key: {"Value": value} for key, value in said.items() if value},
        },
    }
    client = Stack(name=name, service=service).client("cloudformation")
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
    return Stack(name=name, service=service, outputs=found)


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


class Functions:
    """Works at every session that is opened in a repository, as an appliance's functions would."""

    def __init__(
        self, target: Repository, source: Source, definition: JobDefinition, kind: str
    ) -> None:
        """Begin to look at once."""
        self._kind = kind
        self._session = (target, source, definition)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        """Look from now on."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is under way."""
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        target, source, definition = self._session
        while not self._is_over.wait(0.2):
            for opened in open_sessions(target, definition):
                session = CopySession(
                    target=target, source=source, claim=opened.claim, definition=definition
                )
                run_session(session, Runner(name=self._kind, reason="it was ordered", workers=1))
