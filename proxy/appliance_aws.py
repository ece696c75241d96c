"""An appliance in AWS: a CloudFormation stack whose outputs say what and where it is.

Executions are those of its Step Functions state machine, named ``<session id>-<attempt>``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from typing import Any

from core.engine.check import Finding
from core.errors import ColdhaulError, ConflictError, InputError, NotFoundError, StoreError
from core.ids import JobId, SessionId
from core.limits import EXECUTION_ATTEMPTS_MAX
from core.plan.placement import Served
from core.stores.aws_service import AwsService
from core.stores.s3_answers import Answer
from core.stores.s3_errors import Request
from core.stores.settings import StoreSettings
from proxy.appliance import Deployment, Execution, Order, Standing
from proxy.appliance_table import ApplianceKind

# The outputs without which nothing can be run.
_NEEDED = ("StateMachineArn", "TargetUrl", "SourceUrl", "SourceKind", "StorageClass", "Version")
_STANDINGS = {
    "RUNNING": Standing.RUNNING,
    # Somebody has ordered that the same execution goes on.
    "PENDING_REDRIVE": Standing.RUNNING,
    "SUCCEEDED": Standing.SUCCEEDED,
    "FAILED": Standing.FAILED,
    "TIMED_OUT": Standing.TIMED_OUT,
    "ABORTED": Standing.ABORTED,
}
# In these states all that the stack has can be used.
_USABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)
_HOW_TO_DEPLOY = "'coldhaul appliance deploy' says how it is deployed."
_OF_SESSION = re.compile(r"[0-9a-f]{32}-[0-9]+")
# One page: an appliance has a few executions at a time.
_LISTED_MAX = 1000
# What Step Functions keeps of a reason to stop.
_WHY_LENGTH_MAX = 256


class AwsAppliance:
    """The appliance of a stack. boto3 is loaded when it is first asked."""

    kind = ApplianceKind.AWS.value

    def __init__(self, stack: str, region: str, settings: StoreSettings) -> None:
        """Ask nothing yet; of the settings count who asks, the way there, and the endpoint."""
        self._stack = stack
        self._region = region
        way = (region, settings)
        self._formation = AwsService("cloudformation", *way, _judge, endpoint=settings.endpoint)
        self._machine = AwsService("stepfunctions", *way, _judge, endpoint=settings.endpoint)
        self._functions = AwsService("lambda", *way, _judge, endpoint=settings.endpoint)

    @property
    def place(self) -> str:
        """The stack and its region."""
        return f"the stack {self._stack} in {self._region}"

    def describe(self) -> Mapping[str, Any]:
        """Return what CloudFormation says of the stack, or raise ``NotFoundError``."""
        request = self._request(
            "look at", self.place, "cloudformation:DescribeStacks", f"the stack {self._stack}"
        )
        answer = self._formation.call(
            request, "describe_stacks", ("Stacks",), StackName=self._stack
        )
        stack: Mapping[str, Any] = answer["Stacks"][0]
        return stack

    def deployment(self) -> Deployment:
        """Read the outputs of the stack."""
        outputs = self.outputs
        served = Served(
            source_url=outputs["SourceUrl"],
            source_kind=outputs["SourceKind"],
            target_url=outputs["TargetUrl"],
            storage_class=outputs["StorageClass"],
            metadata_class=outputs.get("MetadataClass", ""),
            retention_type=outputs.get("RetentionType", ""),
        )
        return Deployment(serves=served, version=outputs["Version"])

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack, which is refused unless it can be used."""
        stack = self.describe()
        status = str(stack["StackStatus"])
        if status not in _USABLE:
            raise StoreError(
                f"{self.place} cannot be used: its status is {status}",
                hint="The events of the stack in CloudFormation say why. Wait until it is "
                f"deployed, or deploy it again. {_HOW_TO_DEPLOY}",
            )
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}
        lacking = [name for name in _NEEDED if name not in outputs]
        if lacking:
            raise InputError(
                f"{self.place} is not an appliance of coldhaul: it has no output "
                f"{', '.join(lacking)}",
                hint=f"Correct appliance.stack in the configuration. {_HOW_TO_DEPLOY}",
            )
        return outputs

    def start(self, order: Order) -> None:
        """Start an execution; one of this name and order that runs already is the same."""
        name = _execution_name(order.session, order.attempt)
        self._machine.call(
            self._request("start", name, "states:StartExecution", self._arn),
            "start_execution",
            ("executionArn",),
            stateMachineArn=self._arn,
            name=name,
            input=json.dumps(asdict(order)),
        )

    def find(self, session_id: SessionId, attempt: int) -> Execution | None:
        """Return an execution; None when it is not there, or not to be seen yet."""
        name = _execution_name(session_id, attempt)
        request = self._on_execution("look at", name, "states:DescribeExecution")
        try:
            answer = self._machine.call(
                request, "describe_execution", ("status",), executionArn=request.resource
            )
        except NotFoundError:
            return None
        return _execution(attempt, answer)

    def find_latest(self, session_id: SessionId) -> Execution | None:
        """Count from the first on: no request of Step Functions finds executions by their names."""
        latest = None
        for attempt in range(1, EXECUTION_ATTEMPTS_MAX + 1):
            found = self.find(session_id, attempt)
            if found is None:
                break
            latest = found
        return latest

    def find_ordered(self, job_id: JobId) -> str | None:
        """Look at the input of each running execution that is not named after a session."""
        for each in self._list(_LISTED_MAX, statusFilter="RUNNING"):
            name = str(each["name"])
            if _OF_SESSION.fullmatch(name) is None and self._ordered_job(name) == job_id:
                return name
        return None

    def _ordered_job(self, name: str) -> object:
        """Return the job that an execution was ordered for, None if it names none or is gone."""
        request = self._on_execution("look at", name, "states:DescribeExecution")
        try:
            answer = self._machine.call(
                request, "describe_execution", ("status",), executionArn=request.resource
            )
            order = json.loads(answer.get("input", "null"))
        except (NotFoundError, ValueError):
            return None
        return order.get("job") if isinstance(order, dict) else None

    def stop(self, session_id: SessionId, attempt: int, why: str) -> None:
        """End an execution where it is; one that is over stays as it is."""
        name = _execution_name(session_id, attempt)
        request = self._on_execution("stop", name, "states:StopExecution")
        self._machine.call(
            request,
            "stop_execution",
            ("stopDate",),
            executionArn=request.resource,
            error="Stopped",
            cause=why[:_WHY_LENGTH_MAX],
        )

    def recent(self, count: int) -> list[Execution]:
        """Return the newest executions, whatever session they are of."""
        return [_execution(0, each) for each in self._list(count)]

    def _list(self, count: int, **which: str) -> Sequence[Mapping[str, Any]]:
        request = self._request("list", "executions", "states:ListExecutions", self._arn)
        answer = self._machine.call(
            request,
            "list_executions",
            ("executions",),
            stateMachineArn=self._arn,
            maxResults=count,
            **which,
        )
        executions: Sequence[Mapping[str, Any]] = answer["executions"]
        return executions

    def function(self, arn: str) -> Mapping[str, Any]:
        """Return what Lambda says of a function's configuration."""
        request = self._request("look at", arn, "lambda:GetFunctionConfiguration", arn)
        return self._functions.call(
            request, "get_function_configuration", ("FunctionArn",), FunctionName=arn
        )

    def inspect(self) -> Iterator[Finding]:
        """Look at the stack, the rights of whoever asks, the functions and the last failures."""
        # Only this needs the checks.
        from proxy.appliance_aws_check import inspect_stack

        return inspect_stack(self)

    @property
    def _arn(self) -> str:
        return self.outputs["StateMachineArn"]

    def _on_execution(self, doing: str, name: str, permission: str) -> Request:
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        return self._request(doing, name, permission, arn)

    def _request(self, doing: str, what: str, permission: str, resource: str) -> Request:
        return Request(
            doing=doing, location=what, permission=permission, bucket="", resource=resource
        )


def _execution_name(session_id: SessionId, attempt: int) -> str:
    return f"{session_id}-{attempt}"


def _execution(attempt: int, answer: Mapping[str, Any]) -> Execution:
    ended: datetime | None = answer.get("stopDate")
    return Execution(
        attempt=attempt,
        name=str(answer["executionArn"]),
        standing=_STANDINGS[answer["status"]],
        started=answer["startDate"],
        ended=ended,
        error=str(answer.get("error", "")),
        cause=str(answer.get("cause", "")),
    )


def _judge(answer: Answer, request: Request) -> ColdhaulError | None:
    """Return what the codes of the two services mean."""
    cannot, code = f"cannot {request.doing} {request.location}", answer.code
    if code == "ValidationError" and "does not exist" in answer.message:
        return NotFoundError(
            f"{cannot}: it is not there",
            hint="Check appliance.stack and appliance.region in the configuration, and the account "
            f"of the credentials. {_HOW_TO_DEPLOY}",
        )
    if code == "ResourceNotFoundException":
        return NotFoundError(
            f"{cannot}: it is not there any more",
            hint=f"Deploy the appliance again. {_HOW_TO_DEPLOY}",
        )
    if code == "ExecutionDoesNotExist":
        return NotFoundError(f"{cannot}: it is not there")
    if code == "ExecutionAlreadyExists":
        return ConflictError(f"{cannot}: there is an execution of this name")
    if code in {"StateMachineDoesNotExist", "StateMachineDeleting"}:
        return NotFoundError(
            f"{cannot}: its state machine is not there any more",
            hint=f"Deploy the appliance again. {_HOW_TO_DEPLOY}",
        )
    if code == "ExecutionLimitExceeded":
        return StoreError(
            f"{cannot}: Step Functions runs as many executions as it allows this account",
            hint="Wait until others have ended, or ask Amazon for a larger quota.",
        )
    return None
