"""What the service knows of a job, and when it turns to it again. No IO; time is given."""

import math
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from core import limits
from core.engine.run import SessionOutcome
from core.engine.standing import NEVER
from core.errors import ColdhaulError, InputError, IntegrityError, NotFoundError, NotReadyError
from core.ids import PointId, SessionId
from core.model import SessionStatus
from proxy.due import next_run
from proxy.service.decision import Decision, Step, plan_look
from proxy.service.job_runner import JobRunner, Look, Run


class Doing(StrEnum):
    """What a job does at this moment."""

    IDLE = "idle"
    LOOKING = "looking"
    WAITING = "waiting"
    RUNNING = "running"
    HELD = "held"


@dataclass(slots=True, kw_only=True)
class JobState:
    """One job in the service.

    ``look_at`` is a moment of the steady clock, ``run_at`` one of the calendar: at the earlier of
    them the job is looked at. ``skipped`` is a point whose session failed by damage, which is not
    begun again. A job that is ``HELD`` waits for a human. ``is_error_told`` says that people know
    of an error since the last time that all was well.
    """

    runner: JobRunner
    receivers: tuple[str, ...]
    look_seconds: int
    is_shared: bool
    doing: Doing = Doing.IDLE
    future: "Future[Any] | None" = None
    decision: Decision | None = None
    session: SessionId | None = None
    last: datetime = NEVER
    own_last: datetime = NEVER
    look_at: float = 0.0
    run_at: datetime | None = None
    is_enabled: bool = True
    is_removed: bool = False
    skipped: PointId | None = None
    failures: int = 0
    is_error_told: bool = False
    refusals: list[str] = field(default_factory=list)
    session_faults: list[str] = field(default_factory=list)
    waits_for: str = ""
    last_outcome: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The job's name."""
        return self.runner.name

    @property
    def problems(self) -> list[str]:
        """What somebody has to look at."""
        return [*self.refusals, *self.session_faults]

    def inherit(self, earlier: "JobState") -> None:
        """Take over from the state that this replaces: what runs goes on, what is held is freed."""
        # The same set: what runs may begin its session only now.
        self.runner.own = earlier.runner.own
        self.last, self.own_last = earlier.last, earlier.own_last
        self.last_outcome = earlier.last_outcome
        if earlier.future is not None:
            self.future, self.doing, self.session = earlier.future, earlier.doing, earlier.session

    def is_time(self, steady: float, now: datetime) -> bool:
        """Say whether to look at the job now."""
        if self.doing is not Doing.IDLE:
            return False
        return steady >= self.look_at or (self.run_at is not None and now >= self.run_at)

    def next_run(self, now: datetime) -> datetime | None:
        """Return when it may run next; None when only a human can make it run."""
        if self.doing is Doing.HELD or not self.is_enabled:
            return None
        terms = self.runner.terms
        return next_run(terms.schedule, terms.windows, terms.zone, self.last, now)

    def lag_seconds(self, now: datetime) -> float:
        """Return for how long it has been due."""
        if self.doing is Doing.RUNNING or not self.is_enabled or self.last == NEVER:
            return 0.0
        return self.runner.terms.lag_seconds(self.last, now)

    def take_look(self, look: Look, steady: float, now: datetime) -> None:
        """Take what a look found."""
        self.last = max(self.last, look.last)
        self.is_enabled = look.is_enabled
        self.waits_for = look.decision.why
        self.refusals = []
        if look.decision.step is not Step.WAIT:
            self.decision, self.doing = look.decision, Doing.WAITING
            return
        self._take_success()
        self._rest(steady, now, looks_often=self.is_shared or not look.is_enabled)

    def take_run(self, run: Run, steady: float, now: datetime) -> None:
        """Take how a run ended."""
        outcome, self.session, self.decision = run.outcome, None, None
        self.waits_for = run.why
        if run.is_counted and (outcome is None or outcome.status is not SessionStatus.STOPPED):
            self.own_last = self.last = max(self.last, run.began)
        if outcome is not None and outcome.status is SessionStatus.FAILED:
            self._take_failure(outcome, steady)
            return
        self._take_success()
        is_over = outcome is not None and outcome.status is not SessionStatus.STOPPED
        if is_over:
            self.skipped, self.session_faults = None, []
        self._rest(steady, now, looks_often=outcome is not None or self.is_shared)
        if is_over and self.runner.terms.is_immediate:
            # The next point may be there already.
            self.look_at = steady

    def _take_failure(self, outcome: SessionOutcome, steady: float) -> None:
        reasons = outcome.report.reasons if outcome.report else ()
        self.session_faults = [f"session {outcome.session_id} failed: {'; '.join(reasons)}"]
        if outcome.report and outcome.report.items:
            self.skipped = outcome.source_point
            self.session_faults.append("its point is not copied again before a human has acted")
        self._retry(steady)

    def take_error(self, error: ColdhaulError, steady: float) -> bool:
        """Take an error of a look or a run; say whether people are to be told of it."""
        self.session, self.decision = None, None
        self.runner.forget()
        self.waits_for = error.message
        if isinstance(error, NotReadyError):
            # Somebody has ordered it, or works on it: no problem.
            self._retry(steady)
            return False
        self.refusals = [error.message, *error.problems]
        is_first, self.is_error_told = not self.is_error_told, True
        if isinstance(error, IntegrityError):
            self.hold()
            return True
        self._retry(steady)
        if isinstance(error, InputError | NotFoundError):
            # A human mends it, and it costs little to see that.
            self.look_at = steady + self.look_seconds
        return is_first

    def hold(self, *problems: str) -> None:
        """Do nothing with the job before the configuration is read again or the service begins."""
        self.refusals = [*self.refusals, *problems]
        self.refusals.append("the job is held until the configuration is read again (SIGHUP)")
        self.doing = Doing.HELD

    def _take_success(self) -> None:
        self.failures, self.is_error_told = 0, False

    def _retry(self, steady: float) -> None:
        delay = min(self.look_seconds * 2.0 ** min(self.failures, 20), limits.RETRY_SECONDS_MAX)
        self.failures += 1
        self.doing, self.run_at = Doing.IDLE, None
        self.look_at = steady + max(delay, self.look_seconds)

    def _rest(self, steady: float, now: datetime, *, looks_often: bool) -> None:
        self.doing = Doing.IDLE
        plan = plan_look(
            self.runner.terms, self.last, now, self.look_seconds, looks_often=looks_often
        )
        self.run_at = plan.at
        self.look_at = math.inf if plan.after_seconds is None else steady + plan.after_seconds
