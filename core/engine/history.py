"""Sessions as people ask for them: how each stands, who ran it, what it moved, and orders to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.engine import state
from core.engine.batches import read_plan
from core.engine.publish import status_of
from core.engine.session import (
    is_stopped,
    read_claims,
    read_report,
    record_size,
    resume,
    stop,
    void_session,
)
from core.engine.state import Attempt, Report, Transfer
from core.errors import ConflictError, NotFoundError
from core.format import names
from core.ids import JobId, SessionId
from core.model import Claim, Record, SessionStatus
from core.sources.repository import Repository
from core.stores.store import ObjectHead


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as it stands now.

    ``last_seen`` is the moment of its newest part or attempt: a Running session that has not
    been seen for long was killed, and any run goes on with it. Stopped is a session with an
    order to stop, and one whose last run was ended by whoever ran it. ``transfer`` adds up its
    attempts; ``planned_blobs`` and ``planned_size`` are 0 before the plan is made.
    """

    claim: Claim
    status: SessionStatus
    reasons: tuple[str, ...]
    report: Report | None
    record: Record | None
    attempts: tuple[Attempt, ...]
    transfer: Transfer
    planned_blobs: int
    planned_size: int
    last_seen: str

    @property
    def seconds(self) -> float:
        """The wall time of all attempts together."""
        return sum(attempt.seconds for attempt in self.attempts)


def list_sessions(target: Repository, job_id: JobId) -> list[SessionView]:
    """Return a job's sessions, oldest claim first."""
    claims = sorted(read_claims(target, job_id), key=lambda claim: claim.claimed)
    return [view_session(target, claim) for claim in claims]


def find_claim(target: Repository, text: str) -> Claim:
    """Return the claim of the copy session whose id starts with ``text``."""
    jobs = {head.name.split("/")[1] for head in target.store.list(names.JOBS)}
    claims = [claim for job in sorted(jobs) for claim in read_claims(target, JobId(job))]
    found = [claim for claim in claims if claim.session_id.startswith(text)]
    if not found:
        raise NotFoundError(
            f"{target.store.url} knows no session whose id starts with {text!r}",
            hint="'coldhaul session list JOB' shows the ids.",
        )
    if len(found) > 1:
        raise ConflictError(
            f"{len(found)} sessions have ids that start with {text!r}",
            hint="Give more of the id.",
            problems=[claim.session_id for claim in found],
        )
    return found[0]


def view_session(target: Repository, claim: Claim) -> SessionView:
    """Gather what is stored about a session."""
    heads = list(target.store.list(names.session(claim.session_id, "")))
    attempts = _attempts(target, claim.session_id)
    record, report, status = _standing(target, claim)
    if status is SessionStatus.RUNNING and attempts and _was_left(attempts[-1], heads):
        status = SessionStatus.STOPPED
    transfer = Transfer()
    for attempt in attempts:
        transfer = transfer.plus(attempt.transfer)
    plan = read_plan(target, claim.session_id)
    return SessionView(
        claim=claim,
        status=status,
        reasons=_reasons(record, report, attempts, status),
        report=report,
        record=record,
        attempts=attempts,
        transfer=transfer,
        planned_blobs=plan.new_blob_count if plan else 0,
        planned_size=plan.new_content_size if plan else 0,
        last_seen=_last_seen(heads, claim),
    )


def _standing(
    target: Repository, claim: Claim
) -> tuple[Record | None, Report | None, SessionStatus]:
    size = record_size(target.store, claim.record_name)
    if size:
        record = target.read_record(claim.record_name)
        return record, None, status_of(record)
    if size == 0:
        # No report: given up by a prune, or swept long after it failed.
        return None, read_report(target, claim.session_id), SessionStatus.FAILED
    stopped = is_stopped(target.store, claim.session_id)
    return None, None, SessionStatus.STOPPED if stopped else SessionStatus.RUNNING


def _reasons(
    record: Record | None,
    report: Report | None,
    attempts: Sequence[Attempt],
    status: SessionStatus,
) -> tuple[str, ...]:
    if record is not None:
        return record.warnings
    if report is not None:
        return report.reasons
    if status is SessionStatus.RUNNING and attempts:
        return (f"last attempt: {attempts[-1].outcome}",)
    return ()


def _attempts(target: Repository, session_id: SessionId) -> tuple[Attempt, ...]:
    heads = target.store.list(state.attempts_prefix(session_id))
    return tuple(target.read_value(Attempt, head.name) for head in heads)


def _was_left(last: Attempt, heads: Sequence[ObjectHead]) -> bool:
    """Say whether the last run was ended by whoever ran it, and no other has worked since."""
    newest = max(heads, key=lambda head: head.modified)
    return last.outcome == SessionStatus.STOPPED.value and "/attempts/" in newest.name


def _last_seen(heads: Sequence[ObjectHead], claim: Claim) -> str:
    moments = [head.modified for head in heads]
    return max(moments).isoformat(timespec="seconds") if moments else claim.claimed


def stop_session(target: Repository, claim: Claim) -> None:
    """Order a session to stop; it keeps its finished packs and can be resumed."""
    _require_open(target, claim)
    stop(target.store, claim.session_id)


def resume_session(target: Repository, claim: Claim) -> None:
    """Lift the orders to stop a session, so that a run goes on with it."""
    _require_open(target, claim)
    resume(target.store, claim.session_id)


def abandon_session(target: Repository, claim: Claim, reason: str) -> None:
    """Fail a session for ever; its packs stay for other sessions until they are pruned."""
    _require_open(target, claim)
    if not void_session(target, claim, Report(reasons=(reason,))):
        raise ConflictError(f"the session {claim.session_id} published its point at this moment")


def _require_open(target: Repository, claim: Claim) -> None:
    size = record_size(target.store, claim.record_name)
    if size is not None:
        how = "failed" if size == 0 else "published its point"
        raise ConflictError(
            f"the session {claim.session_id} has {how} already",
            hint=f"'coldhaul session show {claim.session_id}' tells more.",
        )
