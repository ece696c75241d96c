"""One job at work: its repositories, what is seen in them, and its runs.

Used by one thread at a time. Its errors are those of ``core.errors``; whoever calls decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from core import limits
from core.engine.run import SessionOutcome, begin_session, next_point
from core.engine.runner import Runner
from core.engine.session import Clock, CopySession
from core.engine.standing import NEVER, last_begun, last_claimed, open_sessions
from core.errors import ColdhaulError
from core.ids import PointId, SessionId
from core.model import JobDefinition
from core.sources.repository import Repository
from proxy.appliance_opening import open_appliance
from proxy.appliance_run import Watch, find_running
from proxy.definition import load_equal_definition
from proxy.invocation import Invocation
from proxy.opened_job import OpenedJob, open_job
from proxy.placed_run import Terms as RunTerms
from proxy.placed_run import run_placed
from proxy.placing import place_job
from proxy.service.decision import Decision, SeenSession, Step, Terms, decide, pack_seconds
from proxy.service.observer import Observer
from proxy.service.run_progress import RunProgress
from proxy.store_settings import store_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at a job's repositories found. ``last`` is when its last run began."""

    decision: Decision
    last: datetime
    is_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a run ended. Without an outcome there was nothing to do here, and ``why`` says so.

    One that is not counted did not come to look whether there was, or goes on without being
    watched. ``runner`` and ``reason`` say who ran the session and why.
    """

    began: datetime
    outcome: SessionOutcome | None
    why: str = ""
    is_counted: bool = True
    runner: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a run works: who watches, when it ends early, how many workers it has.

    ``stop`` ends a run here. One in an appliance is watched until ``leave``, and ended where it is
    when ``end`` says why. ``skipped`` is a point that must not be begun again: it failed, and a
    human has to act.
    """

    progress: RunProgress
    stop: Callable[[], bool]
    workers: int
    leave: Callable[[], bool] = lambda: False
    end: Callable[[], str] = lambda: ""
    skipped: PointId | None = None


class JobRunner:
    """Looks at one job and runs it."""

    def __init__(
        self, invocation: Invocation, name: str, terms: Terms, clock: Clock, *, is_shared: bool
    ) -> None:
        """Open nothing yet."""
        self.name = name
        self.terms = terms
        self._invocation = invocation
        self._clock = clock
        self._is_shared = is_shared
        self._observer = Observer()
        self.own: set[SessionId] = set()
        self._opened: OpenedJob | None = None

    def forget(self) -> None:
        """Open the repositories anew next time: an error may have come from what is kept."""
        self._opened = None

    def look(self, own_last: datetime) -> Look:
        """See how the job stands and decide; ``own_last`` is when this process ran it last."""
        job = self._open()
        target, definition = job.target, job.definition
        claimed = last_claimed(target, definition.job_id) or NEVER
        last = max(last_begun(target, definition.job_id), claimed, own_last)
        if not definition.is_enabled:
            waits = Decision(step=Step.WAIT, why="it is disabled")
            return Look(decision=waits, last=last, is_enabled=False)
        seen = self._see(target, definition)
        now = self._clock()
        after = self._join_after(target) if self._is_shared else None
        decision = decide(self.terms, seen, last, now, join_after=after)
        return Look(decision=decision, last=last, is_enabled=True)

    def _open(self) -> OpenedJob:
        """Return the job with its newest definition.

        The repositories are opened once, because to derive a key takes a second.
        """
        if self._opened is None:
            self._opened = open_job(self._invocation, self.name)
        else:
            target = self._opened.target
            definition = load_equal_definition(self._invocation, self.name, target)
            self._opened = replace(self._opened, definition=definition)
        return self._opened

    def _join_after(self, target: Repository) -> float:
        """Return how long another member may write nothing; all are taken to have our limits."""
        config = self._invocation.config
        job = config.job(self.name)
        source, into = (
            store_settings(config, config.repository(name)) for name in (job.source, job.target)
        )
        pack_size = target.identity.parameters.pack_size
        slow = pack_seconds(pack_size, source.read_bandwidth, into.write_bandwidth)
        return limits.POOL_JOIN_AFTER_SECONDS + slow

    def _see(self, target: Repository, definition: JobDefinition) -> list[SeenSession]:
        sessions = open_sessions(target, definition)
        self._observer.forget_others(each.claim.session_id for each in sessions)
        return [
            SeenSession(
                session=each,
                is_own=self._is_own(each.claim.session_id),
                idle_seconds=self._observer.idle_seconds(each.claim.session_id, each.trace),
            )
            for each in sessions
        ]

    def _is_own(self, session_id: SessionId) -> bool:
        """Say whether this process has run a session, or a proxy of its name has it run."""
        if session_id in self.own:
            return True
        config = self._invocation.config
        table = config.repository(config.job(self.name).target)
        is_pool = config.proxy is not None and config.proxy.pool is not None
        # All members of a pool see the same execution: whoever watches it is not known.
        if table.appliance is None or is_pool:
            return False
        try:
            return find_running(session_id, open_appliance(config, table)) is not None
        except ColdhaulError:
            # Nothing depends on it yet: the run that follows asks again, and tells what is wrong.
            return False

    def run(self, decision: Decision, order: Order, tell: Callable[[SessionId], None]) -> Run:
        """Do what was decided; ``tell`` learns which session it is before it is run."""
        began = self._clock()
        job = self._open()
        if order.stop():
            return Run(began=began, outcome=None, why="its time is over", is_counted=False)
        if self._is_shared and decision.step is Step.RESUME:
            # It may have waited for other runs, and the session's owner have come back meanwhile.
            again = self.look(NEVER).decision
            if (again.step, again.claim) != (decision.step, decision.claim):
                return Run(began=began, outcome=None, why=again.why, is_counted=False)
        # Before anything is claimed: an appliance that should run it and cannot is found out here.
        placed = place_job(self._invocation, self.name)
        session = self._session(job, decision, order)
        if isinstance(session, str):
            return Run(began=began, outcome=None, why=session)
        self.own.add(session.id)
        tell(session.id)
        try:
            ran = run_placed(session, placed, self._terms(session, order))
        finally:
            order.progress.finish()
        return Run(
            began=began,
            outcome=ran.outcome,
            why="" if ran.outcome else "the appliance works on",
            is_counted=ran.outcome is not None,
            runner=ran.runner,
            reason=ran.reason,
        )

    def _terms(self, session: CopySession, order: Order) -> RunTerms:
        invocation = self._invocation
        return RunTerms(
            local=Runner(
                progress=order.progress, stop=order.stop, workers=order.workers, clock=self._clock
            ),
            watch=Watch(
                progress=order.progress,
                leave=order.leave,
                end=order.end,
                go_on=invocation.command_line("session", "resume", session.id),
                again=invocation.command_line("session", "watch", session.id),
            ),
            fallback=invocation.config.job(self.name).fallback,
        )

    def _session(self, job: OpenedJob, decision: Decision, order: Order) -> CopySession | str:
        """Return the session to run, or why there is none."""
        target, source, definition = job.target, job.source, job.definition
        if decision.claim is not None:
            return CopySession(
                target=target, source=source, claim=decision.claim, definition=definition
            )
        # Every run of a bucket makes a point of its own, also after one that failed.
        if (
            order.skipped
            and isinstance(source, Repository)
            and order.skipped == next_point(target, source, definition, None)
        ):
            return "the point that failed is still the next one"
        begun = begin_session(target, source, definition, self._clock)
        if begun is None:
            return "nothing to copy"
        if self._is_shared and not begun.is_own:
            return "somebody else was first"
        return begun.session
