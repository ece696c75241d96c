"""What the functions of an appliance are called with and answer: JSON of names and counts.

These documents are all that a workflow service carries from one function to the next. Every field
of what arrives is checked, and one that is not known is refused: whoever calls is somebody else.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from core import limits
from core.engine.state import Transfer
from core.errors import (
    KINDS,
    ColdhaulError,
    InputError,
)
from core.format import names
from core.ids import is_hex_id, is_job_id
from core.stores.store import is_name

CallKind = TypeVar("CallKind", bound="_Call")

_PROBLEMS_MAX = 20
_FIELD_NAME_MAX = 40


# Our errors by the names of their classes, which is how they cross.
_CATEGORIES = {kind.__name__: kind.category for kind in KINDS}
_FOREIGN = {
    "Lambda.Unknown": "a function died, or came to its time limit",
    "Runtime.ExitError": "a function died, most often for want of memory",
    "Runtime.OutOfMemory": "a function died for want of memory",
    "Sandbox.Timedout": "a function came to its time limit",
    "States.ExceedToleratedFailureThreshold": "a batch could not be repacked",
    "States.Timeout": "a function came to its time limit",
    "TaskFailed": "a function died, or came to its time limit",
}
_CLASS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,79}")


class PlanState(StrEnum):
    """What follows a call of plan."""

    AGAIN = "again"
    REPACK = "repack"
    PUBLISH = "publish"
    STOPPED = "stopped"
    NOTHING = "nothing"
    BUSY = "busy"


class RepackState(StrEnum):
    """What follows a call of repack."""

    DONE = "done"
    AGAIN = "again"
    STOPPED = "stopped"
    STALLED = "stalled"


class End(StrEnum):
    """How an execution ends its work on a session."""

    PUBLISH = "publish"
    STALLED = "stalled"
    STOPPED = "stopped"
    FAILED = "failed"


def _session_id(text: str) -> str:
    if not is_hex_id(text):
        raise ValueError("is not the id of a session")
    return text


def _claim_name(text: str) -> str:
    if not (is_name(text) and text.startswith(names.JOBS) and "/claims/" in text):
        raise ValueError("is not the name of a claim")
    return text


def _job_id(text: str) -> str:
    if not is_job_id(text):
        raise ValueError("is not the name of a job")
    return text


def _moment(text: str) -> str:
    if text:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("has no time zone")
    return text


_SessionText = Annotated[str, AfterValidator(_session_id)]
_ClaimText = Annotated[str, AfterValidator(_claim_name)]
_JobText = Annotated[str, AfterValidator(_job_id)]
_MomentText = Annotated[str, StringConstraints(max_length=40), AfterValidator(_moment)]
_Word = Annotated[str, StringConstraints(max_length=256, pattern=r"^[\x20-\x7e]*$")]
_Reason = Annotated[str, StringConstraints(max_length=limits.STEP_TEXT_LENGTH_MAX)]
_Attempt = Annotated[int, Field(ge=1, le=limits.STEP_COUNT_MAX)]
_Count = Annotated[int, Field(ge=0, le=limits.STEP_COUNT_MAX)]


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PlanCall(_Call):
    """An order and how far it is: a session that was claimed for us, or a job to claim for.

    ``round`` is the last round whose batches have been repacked, 0 before the first. ``execution``
    and ``started`` tell executions apart and say when this one began.
    """

    session: _SessionText | None = None
    claim: _ClaimText | None = None
    job: _JobText | None = None
    attempt: _Attempt = 1
    version: _Word = ""
    reason: _Reason = ""
    round: Annotated[int, Field(ge=0, le=limits.ROUNDS_MAX)] = 0
    execution: _Word = ""
    started: _MomentText = ""

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if (self.session is None) != (self.claim is None):
            raise ValueError("session and claim go together")
        if (self.session is None) == (self.job is None):
            raise ValueError("it names either a session and its claim or a job")
        if self.job is not None and self.round:
            raise ValueError("a job has no rounds before its session is claimed")
        return self


class RepackCall(_Call):
    """A batch by its full name in the bucket, and what its calls have come to so far."""

    session: _SessionText
    claim: _ClaimText
    batch: Annotated[str, StringConstraints(min_length=1, max_length=2048)]
    part_count: _Count = 0
    stalled_calls: _Count = 0


class CaughtError(_Call):
    """An error as a workflow service hands it on: a class, and a text that is mostly JSON."""

    kind: str = Field(default="", alias="Error")
    cause: str = Field(default="", alias="Cause")

    def outcome(self) -> str:
        """Say why an execution failed: category and message.

        Of errors that are not ours only the class is told: their texts may hold anything (I5).
        """
        category = _CATEGORIES.get(self.kind)
        if category is not None:
            return f"{category}: {_message(self.cause)}"[: limits.STEP_TEXT_LENGTH_MAX]
        known = _FOREIGN.get(self.kind)
        if known is not None:
            return f"error: {known}"
        name = self.kind if _CLASS_NAME.fullmatch(self.kind) else "an unknown one"
        return f"error: {name}; the log of the functions tells more"


def _message(cause: str) -> str:
    """Return the message of one of our errors out of what the functions' runtime made of it."""
    try:
        value = json.loads(cause)
    except (ValueError, RecursionError):
        value = None
    message = value.get("errorMessage") if isinstance(value, dict) else None
    return message if isinstance(message, str) else "the log of the functions tells more"


class PublishCall(_Call):
    """How an execution ends; ``error`` is why where it failed."""

    session: _SessionText
    claim: _ClaimText
    attempt: _Attempt = 1
    reason: _Reason = ""
    end: Annotated[End, Field(strict=False)]
    error: CaughtError = CaughtError()
    started: _MomentText = ""


def read_call(kind: type[CallKind], given: object) -> CallKind:
    """Check what a function is called with; all that is wrong with it is one ``InputError``."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise InputError(
            f"this is no call of {kind.__name__.removesuffix('Call').lower()}",
            hint="The appliance and whoever calls it have to be of one version.",
            problems=[_problem(each) for each in found[:_PROBLEMS_MAX]],
        ) from None


def _problem(found: Mapping[str, Any]) -> str:
    where = ".".join(str(part)[:_FIELD_NAME_MAX] for part in found["loc"]) or "the whole"
    if found["type"] == "extra_forbidden":
        return f"{where}: this field is not known"
    return f"{where}: {str(found['msg']).removeprefix('Value error, ')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """What is to be done next with a session.

    ``batches`` is the full prefix of the batches of round ``round`` that are to be repacked, and
    ``numbers`` are theirs, as their names have them. ``more`` says that the job copies point after
    point, so that whoever has published one looks for the next.
    """

    state: PlanState
    session: str = ""
    claim: str = ""
    attempt: int = 1
    reason: str = ""
    round: int = 0
    batches: str = ""
    batch_count: int = 0
    numbers: tuple[str, ...] = ()
    more: bool = False
    started: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON carries it."""
        return {**asdict(self), "state": self.state.value, "numbers": list(self.numbers)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RepackAnswer:
    """How a call on a batch ended; ``transfer`` is what it moved, for whoever measures."""

    state: RepackState
    call: RepackCall
    part_count: int
    stalled_calls: int
    transfer: Transfer = field(default_factory=Transfer)

    def document(self) -> dict[str, Any]:
        """Return what the next call is made with, and the state."""
        counts = {"part_count": self.part_count, "stalled_calls": self.stalled_calls}
        return {**self.call.model_dump(), **counts, "state": self.state.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishAnswer:
    """How a session stands at the end of an execution; ``record`` names what was published."""

    status: str
    record: str = ""
    reasons: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON carries it, bounded: reasons may be as many as packs."""
        told = [text[: limits.STEP_TEXT_LENGTH_MAX] for text in self.reasons]
        shown = told[: limits.STEP_REASONS_MAX]
        if len(told) > len(shown):
            shown.append(f"and {len(told) - len(shown)} more")
        return {"state": "done", "status": self.status, "record": self.record, "reasons": shown}


def error_text(error: ColdhaulError) -> str:
    """Write an error in one line, with its findings and what to do; no names of items (I5)."""
    findings = "".join(f"; {problem}" for problem in error.problems[:_PROBLEMS_MAX])
    hint = f" ({error.hint})" if error.hint else ""
    return f"{error.message}{findings}{hint}"[: limits.STEP_TEXT_LENGTH_MAX]
