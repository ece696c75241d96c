"""How a job stands, for whoever keeps its schedule: what it did last, and what it left open.

All of it is derived from what the target holds, in a few listings however many runs there have
been.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from core import ids
from core.engine import state
from core.engine.session import is_stopped, record_size
from core.engine.state import Attempt
from core.errors import NotFoundError
from core.format import names
from core.ids import JobId, PointId
from core.model import Claim, JobDefinition, SessionKind, SessionStatus
from core.sources.repository import Repository
from core.stores.store import ObjectHead

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session that has neither published nor failed.

    ``is_stopped``: an order to stop it stands. ``was_left``: its last run was stopped where it
    ran, and nobody has worked on it since. ``trace`` changes with all that anybody writes for it.
    """

    claim: Claim
    is_stopped: bool
    was_left: bool
    trace: str


def last_begun(target: Repository, job_id: JobId) -> datetime:
    """Return when a job's newest session was claimed, or its definition stored if that is later.

    It is the store's time. A job that was created, changed or enabled since its last run has
    missed nothing before that.
    """
    heads = target.store.list(names.job_definitions(job_id))
    return max((head.modified for head in heads), default=NEVER)


def last_claimed(target: Repository, job_id: JobId) -> datetime | None:
    """Return when a job's newest session was claimed, by the store's time; None: never."""
    heads = target.store.list(names.claims(job_id))
    return max((head.modified for head in heads), default=None)


def open_sessions(target: Repository, definition: JobDefinition) -> list[OpenSession]:
    """Return a job's open sessions, oldest point first.

    One whose point is older than what has been published since is left to its operator
    (``docs/decisions``, 12), and not returned.
    """
    newest = _newest_published(target, definition)
    claims = [
        claim
        for head in list(target.store.list(names.OPEN_SESSIONS))
        if (claim := _read_marker(target, head.name)) is not None
        and (claim.kind, claim.job_id) == (SessionKind.COPY, definition.job_id)
        and names.parse_record(claim.record_name)[1] > newest
        # A marker may outlive its session for a moment, or for ever when its run was killed.
        and record_size(target.store, claim.record_name) is None
    ]
    return [_look_at(target, claim) for claim in sorted(claims, key=lambda c: c.record_name)]


def last_moved(target: Repository, claim: Claim) -> datetime:
    """Return when anything was last written for a session, by the store's time.

    The claim itself counts, by the clock of whoever made it.
    """
    session = target.store.list(names.session(claim.session_id, ""))
    marker = target.store.list(names.open_session(claim.session_id))
    moments = [head.modified for heads in (session, marker) for head in heads]
    return max([*moments, ids.parse_time(claim.claimed)])


def _newest_published(target: Repository, definition: JobDefinition) -> PointId:
    records = target.list_records(definition.source_id)
    return max((record.point for record in records if not record.is_void), default=PointId(""))


def _read_marker(target: Repository, name: str) -> Claim | None:
    try:
        return target.read_value(Claim, name)
    except NotFoundError:
        # The session ended between the listing and the reading.
        return None


def _look_at(target: Repository, claim: Claim) -> OpenSession:
    heads = list(target.store.list(names.session(claim.session_id, "")))
    # Of what a store dates to the same second the first by its name: a report, which comes last.
    newest = max(heads, key=lambda head: head.modified, default=None)
    return OpenSession(
        claim=claim,
        is_stopped=is_stopped(target.store, claim.session_id),
        was_left=newest is not None and _was_left(target, claim, newest),
        trace=f"{len(heads)} {newest.name if newest else ''}",
    )


def _was_left(target: Repository, claim: Claim, newest: ObjectHead) -> bool:
    if not newest.name.startswith(state.attempts_prefix(claim.session_id)):
        return False
    return target.read_value(Attempt, newest.name).outcome == SessionStatus.STOPPED.value
