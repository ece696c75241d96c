"""The local runner: a job's session from its claim to its end, on this machine."""

import random
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from core import ids
from core.engine.attempt_log import Log
from core.engine.batches import describe_plan
from core.engine.delta import read_source_record
from core.engine.obeying import obeying, places_of
from core.engine.plan import run_plan
from core.engine.points import list_points
from core.engine.pool import StalledError, repack_all
from core.engine.publish import PublishOutcome, run_publish
from core.engine.rounds import run_round
from core.engine.runner import Runner
from core.engine.session import (
    Clock,
    CopySession,
    claim_point,
    claim_run,
    keep_attempt,
    open_session,
    read_claim,
    read_claims,
    record_size,
    refuse_stopped,
    void_session,
)
from core.engine.state import Attempt, Plan, Report, Transfer
from core.engine.sweeping import sweep_sessions
from core.engine.uploads import sweep_uploads
from core.errors import ColdhaulError, ConflictError, InputError, NotFoundError, NotReadyError
from core.format import names
from core.ids import PointId, SessionId
from core.model import Claim, JobDefinition, Record, SessionStatus
from core.plan.copy import choose_point
from core.sources.repository import Repository
from core.sources.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOutcome:
    """How a run ended. ``seconds`` is wall time; ``transfer`` is what this run moved."""

    session_id: SessionId
    source_point: PointId
    status: SessionStatus
    record: Record | None
    report: Report | None
    plan: Plan | None
    transfer: Transfer
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunSession:
    """A claimed session that has no end yet. ``is_own``: nobody else had claimed its point."""

    session: CopySession
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a run would do: the point it would take (None: nothing) and the source's record of it.

    Of a bucket a run makes a new point, whatever is in it: ``bucket_url`` says which.
    """

    point: PointId | None
    record: Record | None
    unfinished: tuple[Claim, ...]
    bucket_url: str = ""


def newest_copied(
    target: Repository, definition: JobDefinition, among: Collection[PointId]
) -> PointId | None:
    """Return the newest of these source points that this job has published, expired or not.

    A claim that stands under a record is never run again, so its point must not be chosen again.
    Claims are read from the newest on, until one is found: a run must not cost more requests
    the more runs there have been.
    """
    records = target.list_records(definition.source_id)
    published = {record.name for record in records if not record.is_void}
    claims = [head.name for head in target.store.list(names.claims(definition.job_id))]
    for name in reversed(claims):
        if names.claimed_point(name) in among and read_claim(target, name).record_name in published:
            return names.claimed_point(name)
    return None


def next_point(
    target: Repository, source: Repository, definition: JobDefinition, backfill: PointId | None
) -> PointId | None:
    """Return the source's point that a run copies now; None when there is nothing to do (R3)."""
    points = [PointId(point.point) for point in list_points(source, source.identity.id)]
    if backfill is None:
        immediate = definition.schedule == "immediate"
        new = set(points) - set(definition.present)
        last = newest_copied(target, definition, new)
        copied = [] if last is None else [last]
        return choose_point(points, definition.present, copied, is_immediate=immediate)
    found = [point for point in points if point.startswith(backfill)]
    if not found:
        raise NotFoundError(
            f"the source holds no restore point whose id starts with {backfill!r}",
            hint="'coldhaul restore-point list' on the source shows the ids.",
        )
    if len(found) > 1:
        raise ConflictError(
            f"{len(found)} restore points of the source have ids that start with {backfill!r}",
            hint="Give more of the id.",
            problems=found[:20],
        )
    if newest_copied(target, definition, found):
        raise ConflictError(f"the restore point {found[0]} has been copied already")
    return found[0]


def plan_run(
    target: Repository,
    source: Source,
    definition: JobDefinition,
    backfill: PointId | None = None,
) -> DryRun:
    """Say what a run would do, without writing anything."""
    if not isinstance(source, Repository):
        _refuse_backfill(source, backfill)
        unfinished = unfinished_claims(target, definition)
        return DryRun(point=None, record=None, unfinished=unfinished, bucket_url=source.url)
    point = next_point(target, source, definition, backfill)
    record = None if point is None else read_source_record(source, point)
    return DryRun(point=point, record=record, unfinished=unfinished_claims(target, definition))


def _refuse_backfill(source: Source, backfill: PointId | None) -> None:
    if backfill is not None:
        raise InputError(
            f"{source.url} is a bucket and has no older restore points to copy",
            hint="Every run copies what is in it at that moment: run the job without --backfill.",
        )


def unfinished_claims(target: Repository, definition: JobDefinition) -> tuple[Claim, ...]:
    """Return the claims whose session neither published nor failed yet."""
    return tuple(
        claim
        for claim in read_claims(target, definition.job_id)
        if record_size(target.store, claim.record_name) is None
    )


def run_job(
    target: Repository,
    source: Source,
    definition: JobDefinition,
    runner: Runner,
    *,
    backfill: PointId | None = None,
) -> SessionOutcome | None:
    """Run a job once: claim its point, or join whoever has claimed it; None: nothing to do."""
    begun = begin_session(target, source, definition, runner.clock, backfill=backfill)
    return None if begun is None else run_session(begun.session, runner)


def begin_session(
    target: Repository,
    source: Source,
    definition: JobDefinition,
    clock: Clock,
    *,
    backfill: PointId | None = None,
) -> BegunSession | None:
    """Claim the point that a job copies now, or find who has; None: there is nothing to do."""
    _check_begin(source, definition)
    return _begin(target, source, definition, _Claimant(clock, ids.new_session_id()), backfill)


def _check_begin(source: Source, definition: JobDefinition) -> None:
    if not definition.is_enabled:
        raise NotReadyError(
            f"the job {definition.job_id} is disabled",
            hint=f"Enable it with 'coldhaul job enable {definition.job_id}'.",
        )
    if source.id != definition.source_id:
        raise InputError(
            f"the job {definition.job_id} copies {definition.source_id} at "
            f"{definition.source_url}; the source in the configuration is {source.id}"
        )


def begin_as(
    session_id: SessionId,
    target: Repository,
    source: Source,
    definition: JobDefinition,
    clock: Clock,
) -> BegunSession | None:
    """Do as ``begin_session``; a claim of one's own is for this session.

    Whoever derives the id from what he does knows his own claim again when he is called twice.
    """
    _check_begin(source, definition)
    return _begin(target, source, definition, _Claimant(clock, session_id), None)


@dataclass(frozen=True, slots=True)
class _Claimant:
    """Who claims: by which clock, and for which session if nobody was first."""

    clock: Clock
    session_id: SessionId


def _begin(
    target: Repository,
    source: Source,
    definition: JobDefinition,
    claimant: _Claimant,
    backfill: PointId | None,
) -> BegunSession | None:
    sweep_sessions(target, claimant.clock)
    terms = (claimant.clock, claimant.session_id)
    if isinstance(source, Repository):
        point = next_point(target, source, definition, backfill)
        if point is None:
            return None
        claim = claim_point(target, definition, point, *terms)
    else:
        _refuse_backfill(source, backfill)
        claim = claim_run(target, definition, *terms)
    session = CopySession(target=target, source=source, claim=claim, definition=definition)
    return BegunSession(session=session, is_own=claim.session_id == claimant.session_id)


def run_session(session: CopySession, runner: Runner) -> SessionOutcome:
    """Run a claimed session from where it stands to its end, or until it is stopped."""
    with obeying(runner.stop, *places_of(session)):
        refuse_stopped(session)
        return _Run(session, runner).run()


class _Run:
    """One attempt at a session, and its report."""

    def __init__(self, session: CopySession, runner: Runner) -> None:
        self._session = session
        self._runner = runner
        self._log = Log(runner.progress)
        self._plan: Plan | None = None
        self._transfer = Transfer()
        self._begun = time.monotonic()
        self._started = ids.format_time(runner.clock())

    def run(self) -> SessionOutcome:
        try:
            outcome = self._work()
        except ColdhaulError as error:
            self._report(f"{error.category}: {error.message}")
            raise
        self._report(outcome.status.value)
        return outcome

    def _work(self) -> SessionOutcome:
        session = self._session
        self._log.note(f"session {session.id} copies {session.claim.source_point}")
        self._log.note(f"runner: {self._runner.name}, because {self._runner.reason}")
        self._sweep_uploads()
        if not self._has_record():
            open_session(session.target, session.claim)
            is_over = self._repack() or self._has_record()
            if not is_over:
                return self._outcome(PublishOutcome(is_done=False, status=SessionStatus.STOPPED))
        self._log.start("Publishing", None, None)
        published = run_publish(session)
        if not published.is_done:
            raise NotReadyError(
                f"the session {session.id} is not repacked to its end",
                hint="Another process works on it; run the job again to join it.",
            )
        return self._outcome(published)

    def _sweep_uploads(self) -> None:
        """Give up what killed runs were writing."""
        swept = sweep_uploads(self._session.target.store, self._runner.clock)
        if swept.discarded:
            self._log.note(f"gave up {len(swept.discarded)} uploads that were never ended")
        if swept.problem:
            self._log.warn(swept.problem)

    def _has_record(self) -> bool:
        """Say whether the session is over: published, or void."""
        return record_size(self._session.target.store, self._session.claim.record_name) is not None

    def _repack(self) -> bool:
        """Plan and repack; False when it was stopped."""
        self._log.start("Planning", None, None)
        plan = None
        while plan is None:
            if self._runner.stop():
                return False
            plan = run_plan(self._session, stop=self._runner.stop)
        self._plan = plan
        self._log.note(describe_plan(plan))
        self._log.start("Repacking", plan.new_content_size, plan.new_blob_count)
        # Two processes on one session begin at different ends and so seldom repeat each other.
        batches = list(range(len(plan.batches)))
        random.shuffle(batches)
        try:
            return self._repack_batches(batches) and self._repack_rounds()
        except StalledError as error:
            void_session(self._session.target, self._session.claim, Report(reasons=(str(error),)))
            return True

    def _repack_batches(self, batches: Sequence[int]) -> bool:
        transfer, stopped = repack_all(
            self._session, batches, replace(self._runner, progress=self._log)
        )
        self._transfer = self._transfer.plus(transfer)
        return not stopped

    def _repack_rounds(self) -> bool:
        """Look again at what changed under the reader, and copy it; False when stopped."""
        while not self._runner.stop():
            outcome = run_round(self._session, stop=self._runner.stop)
            if outcome.batches:
                self._log.start(f"Looking again, round {outcome.number}", None, None)
                if not self._repack_batches(outcome.batches):
                    return False
            elif outcome.is_done:
                return True
        return False

    def _outcome(self, published: PublishOutcome) -> SessionOutcome:
        return SessionOutcome(
            session_id=self._session.id,
            source_point=self._session.claim.source_point,
            status=published.status,
            record=published.record,
            report=published.report,
            plan=self._plan,
            transfer=self._transfer,
            seconds=time.monotonic() - self._begun,
        )

    def _report(self, outcome: str) -> None:
        ended = ids.format_time(self._runner.clock())
        attempt = Attempt(
            runner=self._runner.name,
            runner_reason=self._runner.reason,
            started=self._started,
            ended=ended,
            seconds=time.monotonic() - self._begun,
            outcome=outcome,
            transfer=self._transfer,
            log=tuple(self._log.lines),
        )
        try:
            keep_attempt(self._session, attempt)
        except ColdhaulError as error:
            # How the run ended matters more than that the report of it cannot be kept.
            self._log.warn(f"the report of this run could not be kept: {error.message}")
