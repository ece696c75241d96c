"""Which calls of activities failed, when they are made again, and how an instance fails.

An activity answers what is foreseen as a value, ``{"error": {"class": ..., "message": ...}}``. One
that fails by itself has died, or came to its time limit; what Durable Functions says of it may hold
anything, and goes nowhere (I5).
"""

import hashlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from appliance_azure.log import FAILED_SESSIONS, write_line
from core import limits
from core.appliance.calls import describe_failure

Document = dict[str, Any]

DIED = "TaskFailed"
NO_ANSWER = "NoAnswer"
SESSION_FAILED = "SessionFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailure:
    """Why a call failed: the class of the error, and its message."""

    kind: str
    message: str = ""

    def document(self) -> Document:
        """Return it as a call of publish carries it."""
        return {"Error": self.kind, "Cause": json.dumps({"errorMessage": self.message})}

    @classmethod
    def of(cls, document: Document) -> "CallFailure":
        """Return what such a document says."""
        return cls(kind=document["Error"], message=json.loads(document["Cause"])["errorMessage"])


def failure_in(result: object) -> CallFailure | None:
    """Return why a call failed by what came of it; None: it did not."""
    if isinstance(result, Exception):
        return CallFailure(kind=DIED, message="a function died, or came to its time limit")
    if not isinstance(result, dict):
        return CallFailure(kind=NO_ANSWER, message="a function ended without an answer")
    if result.keys() != {"error"}:
        return None
    error = result["error"]
    if not isinstance(error, dict) or not isinstance(error.get("class"), str):
        return CallFailure(kind=NO_ANSWER, message="a function failed and did not say by what")
    return CallFailure(kind=error["class"], message=str(error.get("message", "")))


def not_understood(name: str) -> CallFailure:
    """Return the failure that an answer is that lacks something: of another version, most often."""
    return CallFailure(kind=NO_ANSWER, message=f"{name} answered what is not understood here")


def failure_in_group(result: Any) -> CallFailure | None:  # noqa: ANN401  # JSON, or an error.
    """Return why a group failed, by itself or by a batch of it."""
    failure = failure_in(result)
    if failure is None and result["failure"]:
        return CallFailure.of(result["failure"])
    return failure


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """How calls that failed by one class are made again, as Step Functions has it."""

    retries_max: int
    delay_seconds: int
    delay_seconds_max: int

    def delay(self, tried: int, chance: float) -> float:
        """Return the wait after the failure of this number, drawn from zero up by a chance."""
        longest: int = self.delay_seconds * limits.STEP_RETRY_RATE ** (tried - 1)
        return chance * min(longest, self.delay_seconds_max)


_RULES = {
    DIED: _Rule(
        retries_max=limits.STEP_DEATH_RETRIES_MAX,
        delay_seconds=limits.STEP_DEATH_DELAY_SECONDS,
        delay_seconds_max=limits.STEP_DEATH_DELAY_SECONDS_MAX,
    ),
    "StoreError": _Rule(
        retries_max=limits.STEP_STORE_RETRIES_MAX,
        delay_seconds=limits.STEP_STORE_DELAY_SECONDS,
        delay_seconds_max=limits.STEP_STORE_DELAY_SECONDS_MAX,
    ),
}


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a call has failed, by class: each has tries of its own."""

    failed: dict[str, int] = field(default_factory=dict)

    def then(self, failure: CallFailure) -> "Tries":
        """Add a failure."""
        return Tries({**self.failed, failure.kind: self.failed.get(failure.kind, 0) + 1})

    def delay(self, failure: CallFailure, work: str) -> float | None:
        """Return the wait before the call is made again after its last failure; None: it is not.

        The wait is drawn by a hash of what the call is for: a replay draws the same.
        """
        rule, tried = _RULES.get(failure.kind), self.failed[failure.kind]
        if rule is None or tried > rule.retries_max:
            return None
        return rule.delay(tried, _chance(f"{work} {failure.kind} {tried}"))


def _chance(seed: str) -> float:
    """Return a number from 0 up to 1, the same for the same seed."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32


class InstanceFailedError(Exception):
    """An instance of an orchestrator failed; its text is what ``read_failure`` reads."""

    def __init__(self, error: str, cause: str) -> None:
        """Say by what class, and why."""
        super().__init__(json.dumps({"error": error, "cause": cause}))
        self.error, self.cause = error, cause


def log_failed_session(instance: str, error: Exception, session: str = "") -> None:
    """Write the line that an alert looks for: nobody works on what was ordered any more.

    ``session`` is which one that was, by which a proxy finds it; before one is claimed it is
    called as the instance is.
    """
    if isinstance(error, InstanceFailedError):
        told: Document = {"error": error.error, "cause": error.cause}
    else:
        failure = describe_failure(error)
        told = {"error": failure.line, **failure.keys}
    keys = {"session": session or instance, "instance": instance}
    write_line(logging.ERROR, "session", {**keys, FAILED_SESSIONS: 1, **told})


def session_failed(published: Document) -> InstanceFailedError:
    """Return the failure of an instance whose session failed, with the reasons that fit in."""
    return InstanceFailedError(SESSION_FAILED, json.dumps(shortened(published)))


def shortened(published: Document) -> Document:
    """Return what publish answered with as many of its reasons as the output of an instance has."""
    reasons = list(published.get("reasons") or ())
    while reasons and len(json.dumps(reasons)) > limits.INSTANCE_REASONS_LENGTH_MAX:
        reasons.pop()
    return {**published, "reasons": reasons}


def read_failure(output: str) -> tuple[str, str]:
    """Return error and cause out of the text that a failed instance has for an output.

    Durable Functions puts words of its own before it. Any other text is that of an instance that
    failed in a way nobody foresaw: of it only that is told.
    """
    start = output.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(output, max(start, 0))
    except ValueError:
        found = None
    if isinstance(found, dict) and {"error", "cause"} <= found.keys():
        return str(found["error"]), str(found["cause"])
    return "InstanceFailed", "the log of the functions tells more"
