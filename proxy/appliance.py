"""What every kind of appliance is to the proxy: deployed for something, started, watched, stopped.

A session is run by *executions*, numbered attempts at it, one after the other. Each client talks
to one vendor; its errors are those of ``core.errors`` and say which permission is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.engine.check import Finding
from core.ids import JobId, SessionId
from core.plan.placement import Served


class Standing(StrEnum):
    """How an execution stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    ABORTED = "aborted"
    REPLACED = "replaced"
    """It is over, and all that is known of it is that a later attempt was begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an execution is started with: a session that has been claimed, and why it runs there.

    ``claim`` is the name of the session's claim in the target.
    """

    session: SessionId
    claim: str
    attempt: int
    version: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One attempt at a session. ``name`` is what the vendor's console finds it by.

    ``error`` and ``cause`` are what it failed with, as the vendor tells it.
    """

    attempt: int
    name: str
    standing: Standing
    started: datetime
    ended: datetime | None = None
    error: str = ""
    cause: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.standing is not Standing.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What an appliance was deployed for, and by which version of coldhaul."""

    serves: Served
    version: str


class Appliance(Protocol):
    """An appliance in its cloud. Safe to use from several threads."""

    kind: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    def deployment(self) -> Deployment:
        """Ask what it was deployed for; raise when it is not there or cannot be used."""

    def inspect(self) -> Iterable[Finding]:
        """Look at all that only its own cloud knows: status, rights, functions, failures."""

    def start(self, order: Order) -> None:
        """Start an execution. ``ConflictError`` when there is, or was, another of this number.

        One whose answer was lost on the way, and that runs, is no other.
        """

    def find(self, session_id: SessionId, attempt: int) -> Execution | None:
        """Return an execution; None when there is none of this number, or not to be seen yet."""

    def find_latest(self, session_id: SessionId) -> Execution | None:
        """Return the session's execution with the highest number; None when it had none yet."""

    def find_ordered(self, job_id: JobId) -> str | None:
        """Return what a running execution is called that an event or schedule ordered for a job.

        It is not named after a session, and works at whatever session of the job is open.
        """

    def stop(self, session_id: SessionId, attempt: int, why: str) -> None:
        """End an execution where it is. What its functions are just doing they finish."""
