"""One test, both kinds: where appliances are deployed, and what each looks like to its own cloud.

Amazon's are stacks in LocalStack; Azure's are stand-ins of a function app, since what stands in
front of it runs nowhere but in Azure. What the tests say of a machine and of a failure is the same.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Protocol, Self

import pytest

from core.engine.run import run_session
from core.engine.runner import Runner
from core.engine.session import CopySession
from core.engine.standing import open_sessions
from core.model import JobDefinition
from core.sources.repository import Repository
from core.sources.source import Source
from core.stores.settings import StoreSettings
from proxy.appliance import Appliance
from tests.emulators.fault_proxy import FaultProxy
from tests.emulators.faults import Refusal, Rule
from tests.emulators.identity import found_identity
from tests.emulators.services import S3Service
from tests.support.appliances import Stack, deploy
from tests.support.function_apps import AUDIENCE, NOT_THERE, Fault, Said, StandInApp, refused
from tests.support.waiting import wait_until

# What goes wrong, by the words of the tests: the error of Step Functions, and the app's answer.
_TROUBLES = {
    "denied": ("AccessDeniedException", Said(status=403)),
    "not there": ("ExecutionDoesNotExist", NOT_THERE),
    "conflict": ("ExecutionAlreadyExists", refused(409, "conflict", "it is another")),
}
_OPERATIONS = {"look": ("DescribeExecution", "GET", ""), "stop": ("StopExecution", "POST", "/term")}


class Deployed(Protocol):
    """An appliance that was deployed, and what looks behind the proxy's back."""

    @property
    def kind(self) -> str:
        """Which kind it is."""

    @property
    def table(self) -> str:
        """What the configuration says of it, but for a store."""

    def client(self) -> Appliance:
        """Return a client of the proxy's."""

    def executions(self) -> list[dict[str, Any]]:
        """Return what was started, newest first; each has its name."""

    def orders(self) -> list[dict[str, Any]]:
        """Return what executions were started with, newest first."""

    def runs(self, name: str) -> bool:
        """Say whether an execution is at work."""

    def end(self, name: str) -> None:
        """End an execution from outside."""

    def succeed(self) -> None:
        """Have an execution that ends when told do so, once one is at work."""

    def begin_by_event(self, job: str) -> str:
        """Have something else than a proxy order a job; return what runs it."""

    def end_ordered(self, name: str) -> None:
        """End what an event has begun."""

    def troubled(self, operation: str, trouble: str, times: int = -1) -> Any:  # noqa: ANN401
        """Have an operation go wrong so often, and in the end say whether it did: a context."""


def wait_for_end(deployed: Deployed, name: str) -> None:
    """Wait until an execution that was told to end has: Step Functions takes a moment."""
    wait_until(lambda: not deployed.runs(name))


class Functions:
    """Works at every session that an execution was ordered for, as an appliance's functions do.

    The execution is one that ends when told, ``seconds`` after the session has at the least.
    """

    def __init__(
        self,
        deployed: Deployed,
        target: Repository,
        source: Source,
        definition: JobDefinition,
        *,
        seconds: float = 0,
    ) -> None:
        """Do nothing yet."""
        self._deployed = deployed
        self._pair = (target, source, definition)
        self._seconds = seconds
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
        target, source, definition = self._pair
        while not self._is_over.wait(0.1):
            for opened in open_sessions(target, definition):
                session = CopySession(
                    target=target, source=source, claim=opened.claim, definition=definition
                )
                # What was done before does not count as work of the execution.
                if self._deployed.runs(f"{session.id}-1"):
                    runner = Runner(name=self._deployed.kind, reason="it was ordered", workers=1)
                    run_session(session, runner)
                    time.sleep(self._seconds)
                    self._deployed.succeed()


class AwsDeployed:
    """A stack in LocalStack."""

    kind = "aws"

    def __init__(self, stack: Stack) -> None:
        """Look at a stack."""
        self.stack = stack

    @property
    def table(self) -> str:
        """Its keys."""
        return f'kind = "aws", stack = "{self.stack.name}", region = "{self.stack.region}"'

    def client(self) -> Appliance:
        """Return a client of its own."""
        return self._client(self.stack.service.settings)

    def _client(self, settings: StoreSettings) -> Appliance:
        from proxy.appliance_aws import AwsAppliance

        return AwsAppliance(self.stack.name, self.stack.region, settings)

    def executions(self) -> list[dict[str, Any]]:
        """Ask Step Functions."""
        return self.stack.executions()

    def orders(self) -> list[dict[str, Any]]:
        """Ask Step Functions."""
        return self.stack.orders()

    def runs(self, name: str) -> bool:
        """Ask Step Functions."""
        return any(
            each["name"] == name and each["status"] == "RUNNING" for each in self.executions()
        )

    def end(self, name: str) -> None:
        """Stop it in Step Functions."""
        arn = self.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
        self.stack.client("stepfunctions").stop_execution(executionArn=f"{arn}:{name}")
        wait_for_end(self, name)

    end_ordered = end

    def succeed(self) -> None:
        """Do its task."""
        client = self.stack.client("stepfunctions")
        task: list[str] = []

        def take() -> bool:
            task[:] = [client.get_activity_task(activityArn=self.stack.tasks).get("taskToken", "")]
            return bool(task[0])

        wait_until(take)
        client.send_task_success(taskToken=task[0], output="{}")

    def begin_by_event(self, job: str) -> str:
        """Start an execution as the rule of the stack does."""
        machine = self.stack.outputs["StateMachineArn"]
        self.stack.client("stepfunctions").start_execution(
            stateMachineArn=machine, name="event", input=json.dumps({"job": job})
        )
        return "event"

    @contextmanager
    def troubled(self, operation: str, trouble: str, times: int = -1) -> Iterator[Appliance]:
        """Have Step Functions refuse it, seen by whoever goes through a proxy."""
        fault = Refusal(name=_TROUBLES[trouble][0], status=400)
        operations = frozenset({_OPERATIONS[operation][0]})
        rule = Rule(fault=fault, operations=operations, count=None if times < 0 else times)
        with FaultProxy(self.stack.service.endpoint, "aws", [rule]) as proxy:
            yield self._client(replace(self.stack.service.settings, endpoint=proxy.endpoint))
            assert times < 0 or rule.count == 0


class AzureDeployed:
    """A stand-in of a function app."""

    kind = "azure"

    def __init__(self, app: StandInApp) -> None:
        """Look at an app."""
        self.app = app

    @property
    def table(self) -> str:
        """Its keys."""
        return f'kind = "azure", url = "{self.app.url}", audience = "{AUDIENCE}"'

    def client(self) -> Appliance:
        """Return a client of its own."""
        from proxy.appliance_azure import AzureAppliance

        return AzureAppliance(self.app.url, AUDIENCE, StoreSettings())

    def executions(self) -> list[dict[str, Any]]:
        """Return what the stand-in has started."""
        return self.app.executions()

    def orders(self) -> list[dict[str, Any]]:
        """Return what the stand-in was told."""
        return self.app.orders()

    def runs(self, name: str) -> bool:
        """Look whether it is at work."""
        return any(
            each["name"] == name and each["standing"] == "running" for each in self.executions()
        )

    def end(self, name: str) -> None:
        """Terminate it."""
        session, _, attempt = name.partition("-")
        self.app.terminate(session, int(attempt))

    def succeed(self) -> None:
        """Let the newest one end."""
        wait_until(lambda: any(each["standing"] == "running" for each in self.executions()))
        self.app.succeed()

    def begin_by_event(self, job: str) -> str:
        """Have an instance run for a job."""
        self.app.ordered[job] = "0e" * 16
        return self.app.ordered[job]

    def end_ordered(self, name: str) -> None:
        """Have it run no longer."""
        self.app.ordered = {job: each for job, each in self.app.ordered.items() if each != name}

    @contextmanager
    def troubled(self, operation: str, trouble: str, times: int = -1) -> Iterator[Appliance]:
        """Have the app, or what is before it, refuse it."""
        _, method, where = _OPERATIONS[operation]
        fault = Fault(answer=_TROUBLES[trouble][1], method=method, where=where, count=times)
        self.app.faults.append(fault)
        try:
            yield self.client()
        finally:
            self.app.faults.remove(fault)
        assert times < 0 or fault.count == 0


class Cloud(Protocol):
    """Where appliances of one kind are deployed."""

    kind: str

    def deploy(self, machine: Mapping[str, Any], **told: str) -> Deployed:
        """Deploy one that runs such a machine; ``told`` is what it was deployed for."""


class AwsCloud:
    """LocalStack."""

    kind = "aws"

    def __init__(self, service: S3Service) -> None:
        """Deploy there."""
        self.service = service

    def deploy(self, machine: Mapping[str, Any], **told: str) -> Deployed:
        """Deploy a stack; what it was told are its outputs."""
        outputs = {name.title().replace("_", ""): value for name, value in told.items()}
        return AwsDeployed(deploy(self.service, machine, outputs))


class AzureCloud:
    """This machine, with a managed identity; what was deployed ends with it."""

    kind = "azure"

    def __init__(self) -> None:
        """Deploy nothing yet."""
        self._end = ExitStack()

    def __enter__(self) -> "AzureCloud":
        """Have azure-identity find the identity, in this and in every child process."""
        self._end.enter_context(found_identity())
        return self

    def __exit__(self, *_: object) -> None:
        """End all of it."""
        self._end.close()

    def deploy(self, machine: Mapping[str, Any], **told: str) -> Deployed:
        """Serve one more app."""
        return AzureDeployed(self._end.enter_context(StandInApp(machine, told)))


@contextmanager
def cloud_of(kind: str, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Return where appliances of a kind are deployed; what it needs starts only then."""
    if kind == "aws":
        yield AwsCloud(request.getfixturevalue("localstack"))
        return
    with AzureCloud() as cloud:
        yield cloud
