"""What a job does now: begin a session, go on with one, or wait. Pure, as ``proxy.due`` is.

A job is *shared* when others begin sessions of it too: members of a pool, or an event beside its
appliance. What another has claimed is joined only when this process has itself seen nothing written
for it for ``POOL_JOIN_AFTER_SECONDS``, by its own clock, or when whoever ran it left it.
Limits of bandwidth make that longer by what they make of a pack: nothing is written before it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from core import limits
from core.engine.standing import OpenSession
from core.model import Claim
from proxy.due import closing, is_due, next_moment, opening
from proxy.schedule import Schedule, ScheduleKind
from proxy.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """When a job may run."""

    schedule: Schedule
    windows: Sequence[Window]
    zone: tzinfo

    @property
    def is_immediate(self) -> bool:
        """Whether it follows each new point."""
        return self.schedule.kind is ScheduleKind.IMMEDIATE

    def is_open(self, now: datetime) -> bool:
        """Say whether a window is open."""
        return closing(self.windows, self.zone, now) is not None

    def is_due(self, last: datetime, now: datetime) -> bool:
        """Say whether a moment of the schedule has come since the last run began."""
        return is_due(self.schedule, self.zone, last, now)

    def lag_seconds(self, last: datetime, now: datetime) -> float:
        """Return for how long the job has been due."""
        if self.is_immediate or not self.is_due(last, now):
            return 0.0
        # Before the first year there is no local time; so long ago nothing was due.
        since = max(last, now - timedelta(days=366))
        return (now - next_moment(self.schedule, self.zone, since)).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSession:
    """An open session, and what this process has seen of it.

    ``is_own``: this process has run it. ``idle_seconds``: since it has seen anything written.
    """

    session: OpenSession
    is_own: bool
    idle_seconds: float


class Step(StrEnum):
    """What to do."""

    WAIT = "wait"
    BEGIN = "begin"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, with which session, and why."""

    step: Step
    why: str
    claim: Claim | None = None


def pack_seconds(pack_size: int, read_bandwidth: int, write_bandwidth: int) -> float:
    """Return how long one pack takes at most where limits of bandwidth alone count; 0 is none.

    What is read for it is at most a batch: it may compress to next to nothing.
    """
    reading = limits.BATCH_SIZE_MAX / read_bandwidth if read_bandwidth else 0.0
    writing = pack_size / write_bandwidth if write_bandwidth else 0.0
    return reading + writing


def decide(
    terms: Terms,
    sessions: Sequence[SeenSession],
    last: datetime,
    now: datetime,
    *,
    join_after: float | None = None,
) -> Decision:
    """Decide what a job does now; ``sessions`` are its open ones, oldest point first.

    A member of a pool joins what others left idle for ``join_after`` seconds; None: it has no
    others.
    """
    if not terms.is_open(now):
        return Decision(step=Step.WAIT, why="no window is open")
    waiting = [seen for seen in sessions if not seen.session.is_stopped]
    if waiting:
        return _go_on(waiting[-1], join_after)
    if terms.is_due(last, now) or terms.is_immediate:
        return Decision(step=Step.BEGIN, why="it is due")
    return Decision(step=Step.WAIT, why="nothing is due")


def _go_on(seen: SeenSession, join_after: float | None) -> Decision:
    claim = seen.session.claim
    if seen.is_own or join_after is None:
        why = "its session was interrupted"
    elif seen.session.was_left:
        why = "whoever ran its session has left it"
    elif seen.idle_seconds >= join_after:
        why = f"nothing was written for its session for {seen.idle_seconds:.0f} s"
    else:
        return Decision(step=Step.WAIT, why="somebody else works on it", claim=claim)
    return Decision(step=Step.RESUME, why=why, claim=claim)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLook:
    """When to look at a job again: at a moment (None: none is known), and after so long."""

    at: datetime | None
    after_seconds: float | None


def plan_look(
    terms: Terms, last: datetime, now: datetime, look_seconds: float, *, looks_often: bool
) -> NextLook:
    """Say when to look at a job that has nothing to do now.

    ``looks_often``: something may happen at any time that no schedule tells.
    """
    opens = opening(terms.windows, terms.zone, now)
    if opens > now:
        return NextLook(at=opens, after_seconds=None)
    after = look_seconds if looks_often or terms.is_immediate or terms.is_due(last, now) else None
    at = None if terms.is_immediate else next_moment(terms.schedule, terms.zone, now)
    return NextLook(at=at, after_seconds=after)
