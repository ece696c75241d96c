"""A session run by an appliance: started, watched as a local run is shown, and how it ended.

Nothing of it is decided here: the appliance works by what the target holds, and how it ended is
read from there. Whoever watches may leave at any time, and come back.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core import ids
from core.engine import state
from core.engine.batches import read_plan
from core.engine.packed import read_packed
from core.engine.progress import Progress
from core.engine.publish import status_of
from core.engine.run import SessionOutcome
from core.engine.session import (
    CopySession,
    claim_name,
    is_stopped,
    keep_attempt,
    read_report,
    record_size,
    refuse_stopped,
)
from core.engine.state import Attempt, Report, Transfer
from core.errors import (
    ColdhaulError,
    ConflictError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.limits import (
    EXECUTION_ATTEMPTS_MAX,
    EXECUTION_HIDDEN_SECONDS_MAX,
    WATCH_LISTED_EACH,
    WATCH_SECONDS,
    WATCH_SECONDS_MAX,
    WATCH_SHARE,
)
from core.model import Record, SessionStatus
from proxy.appliance import Appliance, Execution, Order, Standing
from proxy.appliance_failure import execution_failure
from proxy.appliance_progress import StoredProgress
from proxy.version import own_version

_TICK_SECONDS = 0.2


class LostSightError(StoreError):
    """An appliance runs a session and cannot be watched: no reason to run it elsewhere as well."""


def _never() -> bool:
    return False


def _goes_on() -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who watches, and how it ends early.

    ``leave`` says that whoever watches goes, and the appliance works on; ``end`` says why the
    execution has to end where it is, empty while it may work. ``go_on`` and ``again`` say how to
    go on with the session and how to watch it again.
    """

    progress: Progress
    leave: Callable[[], bool] = _never
    end: Callable[[], str] = _goes_on
    go_on: str = ""
    again: str = ""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = field(default=time.sleep)


def run_by_appliance(
    session: CopySession, appliance: Appliance, reason: str, watch: Watch
) -> SessionOutcome | None:
    """Have a claimed session run to its end; None when whoever watched has left before."""
    refuse_stopped(session)
    watch.progress.note(f"session {session.id} copies {session.claim.source_point}")
    watch.progress.note(f"runner: {appliance.kind}, because {reason}")
    attempt = begin_execution(session, appliance, reason, watch.progress)
    return watch_execution(session, appliance, attempt, watch, reason)


def watch_execution(
    session: CopySession, appliance: Appliance, attempt: int, watch: Watch, reason: str = ""
) -> SessionOutcome | None:
    """Watch an execution to its end; None when whoever watched has left before.

    ``reason`` is why it runs there, for the report of one that is ended from here.
    """
    return _Watcher(session, appliance, attempt, watch, reason).run()


def begin_execution(
    session: CopySession, appliance: Appliance, reason: str, progress: Progress
) -> int:
    """Start the session's next execution, or find the one that runs; return its number."""
    attempt, where = 0, f"of {appliance.place}"
    while True:
        latest = appliance.find_latest(session.id)
        if latest is None or latest.is_over:
            attempt = max(attempt, latest.attempt if latest else 0) + 1
            if attempt > EXECUTION_ATTEMPTS_MAX:
                break
            if _start(session, appliance, attempt, reason):
                progress.note(f"started as execution {session.id}-{attempt} {where}")
                return attempt
            # Somebody else was first with this number, and it may not be to be seen yet.
            latest = appliance.find(session.id, attempt)
        if latest is None or not latest.is_over:
            attempt = latest.attempt if latest else attempt
            progress.note(f"watches execution {session.id}-{attempt} {where}")
            return attempt
    # Nobody is at work: said as what it is, so that the service does not wait for it in silence.
    raise StoreError(
        f"{appliance.place} has begun the session {session.id} {EXECUTION_ATTEMPTS_MAX} times, "
        "and it is not over",
        hint=f"'coldhaul session abandon {session.id}' gives it up; its packs are used again.",
    )


def seconds_to_next_look(watched: float) -> float:
    """Return after how long an execution is asked for again that was watched so long."""
    return max(WATCH_SECONDS, min(watched * WATCH_SHARE, WATCH_SECONDS_MAX))


def find_running(session_id: ids.SessionId, appliance: Appliance) -> int | None:
    """Return the number of the session's execution that runs now; None when there is none."""
    latest = appliance.find_latest(session_id)
    return None if latest is None or latest.is_over else latest.attempt


def refuse_doubled(session: CopySession, appliance: Appliance) -> None:
    """Refuse to start an execution beside one that an event or the schedule has started.

    Both would go through the same batches in the same order, and every pack be paid for twice.
    """
    job_id = session.claim.job_id
    if job_id is None or find_running(session.id, appliance) is not None:
        return
    name = appliance.find_ordered(job_id)
    if name is not None:
        raise NotReadyError(
            f"{appliance.place} works at the job {job_id} already: an event or its schedule has "
            f"started the execution {name}",
            hint=f"'coldhaul session show {session.id}' says how far it is, and 'coldhaul session "
            f"stop {session.id}' ends it.",
        )


def _start(session: CopySession, appliance: Appliance, attempt: int, reason: str) -> bool:
    """Start an execution; False when somebody else was first with this number."""
    order = Order(
        session=session.id,
        claim=claim_name(session),
        attempt=attempt,
        version=own_version(),
        reason=reason,
    )
    try:
        appliance.start(order)
    except ConflictError:
        return False
    return True


class _Watcher:
    """One stay at an execution."""

    def __init__(
        self, session: CopySession, appliance: Appliance, attempt: int, watch: Watch, reason: str
    ) -> None:
        self._session = session
        self._appliance = appliance
        self._attempt = attempt
        self._reason = reason
        self._watch = watch
        self._shown = StoredProgress(session, watch.progress)
        self._begun = watch.clock()
        self._ended_because = ""

    def run(self) -> SessionOutcome | None:
        try:
            execution = self._stay()
        except IntegrityError:
            raise
        except ColdhaulError as error:
            # Of whatever kind: as anything else it would be a reason to run the session here too.
            raise LostSightError(
                f"{error.message}; the appliance goes on with the session {self._session.id}",
                hint=f"{error.hint} To watch it again: {self._watch.again}".strip(),
                problems=error.problems,
                items=error.items,
            ) from error
        return None if execution is None else self._outcome(execution)

    def _stay(self) -> Execution | None:
        """Watch until the execution is over; None when left before."""
        clock = self._watch.clock
        look_at = list_at = clock()
        while not self._watch.leave():
            self._end_in_time()
            if clock() >= look_at:
                execution = self._look()
                if execution is not None and execution.is_over:
                    self._shown.update()
                    return execution
                look_at = clock() + seconds_to_next_look(clock() - self._begun)
            if clock() >= list_at:
                listed = self._shown.update()
                # A page of a listing each so many seconds, however long it has become.
                list_at = clock() + WATCH_SECONDS * (1 + listed // WATCH_LISTED_EACH)
            self._watch.sleep(_TICK_SECONDS)
        return None

    def _look(self) -> Execution | None:
        execution = self._appliance.find(self._session.id, self._attempt)
        if execution is None and self._watch.clock() - self._begun > EXECUTION_HIDDEN_SECONDS_MAX:
            raise StoreError(
                f"{self._appliance.place} does not show the execution that was started",
                hint="Look for it among the executions in the appliance's own console.",
            )
        return execution

    def _end_in_time(self) -> None:
        why = "" if self._ended_because else self._watch.end()
        if not why:
            return
        try:
            self._appliance.stop(self._session.id, self._attempt, why)
        except NotFoundError:
            # Its cloud does not know it yet, and would let it work on: it is tried again.
            return
        self._ended_because = why
        self._watch.progress.note(f"ends the execution: {why}")

    def _outcome(self, execution: Execution) -> SessionOutcome:
        session = self._session
        size = record_size(session.target.store, session.claim.record_name)
        if size:
            record = session.target.read_record(session.claim.record_name)
            return self._ended(execution, status_of(record), record=record)
        if size == 0:
            report = read_report(session.target, session.id)
            return self._ended(execution, SessionStatus.FAILED, report=report)
        if self._ended_because and execution.standing is Standing.ABORTED:
            self._report_end(execution)
            return self._ended(execution, SessionStatus.STOPPED)
        last = self._last_outcome(execution)
        is_ordered = is_stopped(session.target.store, session.id)
        is_well = execution.standing is Standing.SUCCEEDED
        if is_well and (is_ordered or last == SessionStatus.STOPPED.value):
            return self._ended(execution, SessionStatus.STOPPED)
        raise execution_failure(execution, last, self._watch.go_on)

    def _last_outcome(self, execution: Execution) -> str:
        """Return what the newest report of this execution says; empty when there is none."""
        target, began = self._session.target, ids.format_time(execution.started)
        heads = target.store.list(state.attempts_prefix(self._session.id))
        reports = [target.read_value(Attempt, head.name) for head in heads]
        own = [
            report
            for report in reports
            if report.runner == self._appliance.kind and report.ended >= began
        ]
        return own[-1].outcome if own else ""

    def _report_end(self, execution: Execution) -> None:
        """Report a run that was ended from here: nothing in the appliance is left to do it."""
        ended = execution.ended or datetime.now(UTC)
        attempt = Attempt(
            runner=self._appliance.kind,
            runner_reason=self._reason,
            started=ids.format_time(execution.started),
            ended=ids.format_time(ended),
            seconds=_seconds(execution),
            outcome=SessionStatus.STOPPED.value,
            transfer=self._moved(execution),
            log=(f"{ids.format_time(ended)} ended: {self._ended_because}",),
        )
        keep_attempt(self._session, attempt)

    def _ended(
        self,
        execution: Execution,
        status: SessionStatus,
        *,
        record: Record | None = None,
        report: Report | None = None,
    ) -> SessionOutcome:
        return SessionOutcome(
            session_id=self._session.id,
            source_point=self._session.claim.source_point,
            status=status,
            record=record,
            report=report,
            plan=read_plan(self._session.target, self._session.id),
            transfer=self._moved(execution),
            seconds=_seconds(execution),
        )

    def _moved(self, execution: Execution) -> Transfer:
        # The store tells times in whole seconds.
        since = execution.started.replace(microsecond=0)
        return read_packed(self._session.target.store, self._session.id, since)


def _seconds(execution: Execution) -> float:
    ended = execution.ended or datetime.now(UTC)
    return max(0.0, (ended - execution.started).total_seconds())
