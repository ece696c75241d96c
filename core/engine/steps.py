"""A session in an appliance: plan, repack and publish as a workflow service calls them.

Each step takes a document, works until its deadline and answers with one; the session itself is in
the store alone. So a step may be stopped anywhere, called twice, or run in two places at once (I3),
and any number of executions may work on one session.
"""

import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from core import ids, limits
from core.engine import state
from core.engine.jobs import load_definition
from core.engine.plan import run_plan
from core.engine.publish import PublishOutcome, run_publish
from core.engine.repack import Call, run_repack
from core.engine.rounds import run_round
from core.engine.run import begin_as
from core.engine.session import (
    Clock,
    CopySession,
    claim_name,
    is_stopped,
    open_session,
    read_claim,
    record_size,
    system_clock,
    void_session,
)
from core.engine.standing import last_moved
from core.engine.state import Report
from core.engine.step_documents import (
    End,
    PlanAnswer,
    PlanCall,
    PlanState,
    PublishAnswer,
    PublishCall,
    RepackAnswer,
    RepackCall,
    RepackState,
    read_call,
)
from core.engine.step_report import ORDERED_HERE, Reporter, keep_report
from core.errors import ConflictError, InputError, NotFoundError, NotReadyError
from core.format import names
from core.ids import JobId, SessionId
from core.model import SessionKind, SessionStatus
from core.plan.calls import CallsMade
from core.sources.repository import Repository
from core.sources.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """Where steps run: an opened target and source, and who runs them.

    ``runner`` stands in reports. ``root`` is what stands before our names in the target's bucket.
    ``core_count`` is how many cores a call on a batch has for itself.
    """

    target: Repository
    source: Source
    runner: str
    version: str
    root: str
    core_count: int = 1
    clock: Clock = system_clock


def plan_step(appliance: Appliance, given: object, deadline: float) -> PlanAnswer:
    """Claim and plan, or look again after a round, and say what is to be done next.

    ``deadline`` is a ``time.monotonic`` moment, here and below.
    """
    call = read_call(PlanCall, given)
    check_version(call.version, appliance.version)
    if call.job is not None:
        answer, session = _claim_for(appliance, call, JobId(call.job))
        if session is None:
            return answer
    else:
        assert call.session is not None, "a call names a session or a job"
        assert call.claim is not None, "a session is named with its claim"
        session = _find_session(appliance, call.session, call.claim)
        answer = PlanAnswer(
            state=PlanState.AGAIN,
            session=call.session,
            claim=call.claim,
            attempt=call.attempt,
            reason=call.reason,
            round=call.round,
            started=call.started or appliance.clock().isoformat(),
        )
    return _Planning(appliance, session, answer, deadline).run()


def repack_step(appliance: Appliance, given: object, deadline: float) -> RepackAnswer:
    """Repack a batch, or go on with it."""
    call = read_call(RepackCall, given)
    number = _batch_number(appliance, call)
    session = _find_session(appliance, call.session, call.claim)
    terms = Call(deadline=deadline, core_count=appliance.core_count)
    outcome = run_repack(session, number, terms)
    made = CallsMade(part_count=call.part_count, stalled_calls=call.stalled_calls)
    if outcome.is_done:
        next_state = RepackState.DONE
    elif outcome.is_stopped:
        next_state = RepackState.STOPPED
    else:
        made = made.then(outcome.part_count)
        next_state = RepackState.STALLED if made.is_stalled else RepackState.AGAIN
    return RepackAnswer(
        state=next_state,
        call=call,
        part_count=max(made.part_count, outcome.part_count),
        stalled_calls=made.stalled_calls,
        transfer=outcome.transfer,
    )


def publish_step(appliance: Appliance, given: object, deadline: float) -> PublishAnswer:
    """End an execution: publish, fail the session, or leave it to be resumed; report it always.

    However the execution ends, a session that is over already keeps the end that it has.
    """
    call = read_call(PublishCall, given)
    session = _find_session(appliance, call.session, call.claim)
    outcome = _settle(session, call, deadline)
    attempt = keep_report(Reporter(appliance.runner, appliance.clock), session, call, outcome)
    record = session.claim.record_name if outcome.record is not None else ""
    if outcome.record is not None:
        reasons = outcome.record.warnings
    elif outcome.report is not None:
        reasons = outcome.report.reasons
    else:
        reasons = (attempt.outcome,) if call.end is End.FAILED else ()
    return PublishAnswer(status=outcome.status.value, record=record, reasons=reasons)


def check_version(version: str, own: str) -> None:
    """Refuse an order of a proxy that has another version than the appliance; empty is any."""
    if version and version != own:
        raise InputError(
            f"the proxy has version {version}, the appliance {own}",
            hint="Bring both to one version: 'coldhaul appliance deploy' says how the appliance is "
            "deployed again.",
        )


def _find_session(appliance: Appliance, session_id: str, claim_name: str) -> CopySession:
    """Return a claimed session, checked against what the appliance was deployed for."""
    claim = read_claim(appliance.target, claim_name)
    if claim.session_id != session_id:
        raise InputError(f"{claim_name} is not the claim of the session {session_id}")
    if claim.kind is not SessionKind.COPY or claim.job_id is None:
        raise InputError(f"the session {session_id} copies nothing")
    if claim.source_id != appliance.source.id:
        raise InputError(
            f"the session {session_id} copies {claim.source_id}; the appliance was deployed for "
            f"{appliance.source.id} at {appliance.source.url}",
            hint="An appliance serves one source and one target.",
        )
    definition = load_definition(appliance.target, claim.job_id)
    return CopySession(
        target=appliance.target, source=appliance.source, claim=claim, definition=definition
    )


# Claiming for a job that an event or a schedule has named.


def _claim_for(
    appliance: Appliance, call: PlanCall, job_id: JobId
) -> tuple[PlanAnswer, CopySession | None]:
    """Claim what a job copies now, or say why there is nothing to do for this execution."""
    started = call.started or appliance.clock().isoformat()
    nothing = PlanAnswer(state=PlanState.NOTHING, started=started)
    definition = load_definition(appliance.target, job_id)
    if not definition.is_enabled:
        return replace(nothing, reason=f"the job {job_id} is disabled"), None
    own_id = _own_id(call)
    begun = begin_as(own_id, appliance.target, appliance.source, definition, appliance.clock)
    if begun is None:
        return replace(nothing, reason=f"the job {job_id} has nothing to copy"), None
    claim = begun.session.claim
    answer = replace(
        nothing,
        state=PlanState.AGAIN,
        session=claim.session_id,
        claim=claim_name(begun.session),
        attempt=call.attempt,
        reason=call.reason or ORDERED_HERE,
    )
    if begun.is_own or _has_joined(appliance, begun.session, own_id):
        return answer, begun.session
    why = _why_not_joined(appliance, begun.session)
    if why is not None:
        return replace(answer, state=why[0], reason=why[1]), None
    _join(appliance, begun.session, own_id)
    return answer, begun.session


def _own_id(call: PlanCall) -> SessionId:
    """Return the id for a claim of an execution's own: the same when it is called again.

    So a call that was cut after its claim finds it to be its own, and goes on with it.
    """
    if not call.execution:
        return ids.new_session_id()
    return session_id_of(call.execution, call.started)


def session_id_of(execution: str, started: str) -> SessionId:
    """Return the id of the session that an execution claims for a job, if it claims one."""
    digest = hashlib.sha256(f"{execution} {started}".encode())
    return SessionId(digest.hexdigest()[:32])


def _has_joined(appliance: Appliance, session: CopySession, own_id: SessionId) -> bool:
    try:
        appliance.target.store.head(state.join_name(session.id, own_id))
    except NotFoundError:
        return False
    return True


def _join(appliance: Appliance, session: CopySession, own_id: SessionId) -> None:
    """Leave a mark by which the call that is made again after this one failed goes on.

    Without it what this one wrote would look like somebody else's work: the execution would end
    well, as if nothing were wrong, and so would every one after it.
    """
    with suppress(ConflictError):
        appliance.target.store.put(state.join_name(session.id, own_id), b"")


def _why_not_joined(appliance: Appliance, session: CopySession) -> tuple[PlanState, str] | None:
    """Say why somebody else's session is left alone; None: nobody seems to work on it any more.

    Its age is this clock's time since the store's newest object of it. To join too early costs a
    few packs that are made twice, no more, so clocks need not agree better than services' do; an
    object from the future was written just now.
    """
    if is_stopped(appliance.target.store, session.id):
        return PlanState.NOTHING, f"the session {session.id} has been stopped"
    idle = (appliance.clock() - last_moved(appliance.target, session.claim)).total_seconds()
    if idle < limits.POOL_JOIN_AFTER_SECONDS:
        return PlanState.BUSY, f"somebody else works on the session {session.id}"
    return None


def _copies_each_point(session: CopySession) -> bool:
    # A bucket has no points: every run makes one, so that there always are more.
    is_repository = isinstance(session.source, Repository)
    return is_repository and session.definition.schedule == "immediate"


class _Planning:
    """One call's work on what is to be done next."""

    def __init__(
        self, appliance: Appliance, session: CopySession, answer: PlanAnswer, deadline: float
    ) -> None:
        self._appliance = appliance
        self._session = session
        self._answer = replace(answer, more=_copies_each_point(session))
        self._deadline = deadline
        self._stop = _OrderToStop(session)

    def run(self) -> PlanAnswer:
        target, claim = self._session.target, self._session.claim
        if record_size(target.store, claim.record_name) is not None:
            # Over, and publish says how: a call that comes late does no harm.
            return self._then(PlanState.PUBLISH)
        if self._stop.is_given():
            return self._then(PlanState.STOPPED)
        open_session(target, claim)
        return self._look_again() if self._answer.round else self._plan()

    def _then(self, next_state: PlanState) -> PlanAnswer:
        return replace(self._answer, state=next_state)

    def _unfinished(self) -> PlanAnswer:
        stopped = self._stop.is_given()
        return self._then(PlanState.STOPPED if stopped else PlanState.AGAIN)

    def _plan(self) -> PlanAnswer:
        plan = run_plan(self._session, self._deadline, self._stop)
        if plan is None:
            return self._unfinished()
        if not plan.batches:
            return self._then(PlanState.PUBLISH)
        return self._repack(1, range(len(plan.batches)))

    def _look_again(self) -> PlanAnswer:
        outcome = run_round(self._session, self._deadline, self._stop)
        if not outcome.is_done:
            return self._unfinished()
        if not outcome.batches:
            return self._then(PlanState.PUBLISH)
        return self._repack(outcome.number, outcome.batches)

    def _repack(self, number: int, batches: Sequence[int]) -> PlanAnswer:
        return replace(
            self._answer,
            state=PlanState.REPACK,
            round=number,
            batches=self._appliance.root + names.batches_of(self._session.id, number),
            batch_count=len(batches),
            numbers=tuple(names.batch_digits(each) for each in batches),
        )


class _OrderToStop:
    """Whether a session has been ordered to stop, looked at now and then."""

    def __init__(self, session: CopySession) -> None:
        self._session = session
        self._looked = time.monotonic()
        self._was_given = False

    def __call__(self) -> bool:
        if time.monotonic() - self._looked >= limits.STEP_STOP_CHECK_SECONDS:
            return self.is_given()
        return self._was_given

    def is_given(self) -> bool:
        """Look at once."""
        self._was_given = is_stopped(self._session.target.store, self._session.id)
        self._looked = time.monotonic()
        return self._was_given


def _batch_number(appliance: Appliance, call: RepackCall) -> int:
    """Return the number of the batch that an object of the bucket is."""
    if not call.batch.startswith(appliance.root):
        raise InputError("the batch to repack is not in the target of this appliance")
    session_id, _, number = names.parse_batch(call.batch.removeprefix(appliance.root))
    if session_id != call.session:
        raise InputError(f"the batch to repack is not of the session {call.session}")
    return number


# Publishing, and every other end.


def _settle(session: CopySession, call: PublishCall, deadline: float) -> PublishOutcome:
    """Bring a session to the end that its execution comes to, unless it has one."""
    if record_size(session.target.store, session.claim.record_name) is not None:
        return run_publish(session)
    if call.end is End.STOPPED:
        return PublishOutcome(is_done=False, status=SessionStatus.STOPPED)
    if call.end is End.FAILED:
        return PublishOutcome(is_done=False)
    if call.end is End.STALLED:
        report = Report(reasons=(_stalled(session),))
        if void_session(session.target, session.claim, report):
            return PublishOutcome(is_done=True, status=SessionStatus.FAILED, report=report)
        return run_publish(session)
    return _publish(session, deadline)


def _publish(session: CopySession, deadline: float) -> PublishOutcome:
    outcome = run_publish(session, deadline)
    if outcome.is_done:
        return outcome
    if time.monotonic() >= deadline:
        # To begin anew would take as long again, for ever.
        raise NotReadyError(
            f"there was no time left to publish the session {session.id}",
            hint="Give the publish function more memory, and so more of a processor, or more time.",
        )
    raise NotReadyError(
        f"the session {session.id} is not repacked to its end",
        hint=f"'coldhaul session resume {session.id}' goes on with it.",
    )


def _stalled(session: CopySession) -> str:
    calls = limits.BATCH_CALLS_WITHOUT_PROGRESS_MAX
    return f"a batch of the session {session.id} makes no progress: {calls} calls added no part"
