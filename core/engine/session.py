"""A copy session's identity and standing: claims, markers, stops, voids.

Standing is never stored: it follows from which objects exist. The create-only put of the
record's name is the sole arbiter between published and failed.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from core import ids
from core.engine import state
from core.errors import ConflictError, IntegrityError, NotFoundError, NotReadyError
from core.format import names
from core.ids import JobId, PointId, SessionId
from core.model import Claim, JobDefinition, SessionKind
from core.sources.repository import Repository
from core.sources.source import Source
from core.stores.store import Store

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySession:
    """A session at work: where it copies from and to, under which claim and definition."""

    target: Repository
    source: Source
    claim: Claim
    definition: JobDefinition

    @property
    def id(self) -> SessionId:
        """The session's id."""
        return self.claim.session_id


def claim_point(
    target: Repository,
    definition: JobDefinition,
    point: PointId,
    clock: Clock,
    session_id: SessionId | None = None,
) -> Claim:
    """Return the claim of the session that copies ``point``: an existing one, or ours.

    Ours has ``session_id`` (None: a new one), by which a caller can tell. The number grows only
    after a void, so a job publishes a point once however many runs there are. The open session's
    marker repeats the claim; a joiner makes it if it is missing.
    """
    ordinal = 0
    own_id = session_id or ids.new_session_id()
    while True:
        name = names.claim(definition.job_id, point, ordinal)
        claim = target.adopt_value(name, _new_claim(definition, point, ordinal, clock, own_id))
        _check_claim(claim, name)
        standing = record_size(target.store, claim.record_name)
        if standing == 0:
            ordinal += 1
            if claim.session_id == own_id:
                own_id = ids.new_session_id()
            continue
        if standing is None:
            open_session(target, claim)
        return claim


def claim_run(
    target: Repository,
    definition: JobDefinition,
    clock: Clock,
    session_id: SessionId | None = None,
) -> Claim:
    """Return the claim of a run that copies a bucket: one that is unfinished, or a new one.

    Ours has ``session_id`` (None: a new one), by which a caller can tell.

    A bucket has no points: the name is the ordinal after the last finished claim's, the same for
    all who begin at once; the content says which point the winner makes. Its time is after that
    of all points there are, whatever the clock says.
    """
    ordinal = _last_run(target, definition.job_id)
    own_id = session_id or ids.new_session_id()
    while True:
        name = names.run_claim(definition.job_id, ordinal)
        claim = _adopt_run(target, definition, ordinal, clock, own_id)
        _check_claim(claim, name)
        standing = record_size(target.store, claim.record_name)
        if standing is None:
            open_session(target, claim)
        # Ours may be over already: somebody joined it before we came to this line.
        if standing is None or claim.session_id == own_id:
            return claim
        ordinal += 1


def _last_run(target: Repository, job_id: JobId) -> int:
    listed = (names.run_ordinal(head.name) for head in target.store.list(names.claims(job_id)))
    return max((ordinal for ordinal in listed if ordinal is not None), default=0)


def _adopt_run(
    target: Repository, definition: JobDefinition, ordinal: int, clock: Clock, session_id: SessionId
) -> Claim:
    try:
        return target.read_value(Claim, names.run_claim(definition.job_id, ordinal))
    except NotFoundError:
        points = [record.point for record in target.list_records(definition.source_id)]
        time = ids.time_after(clock(), max((point[:22] for point in points), default=""))
        point = ids.point_id(time, session_id)
        claim = _new_claim(definition, point, ordinal, clock, session_id)
        return target.adopt_value(names.run_claim(definition.job_id, ordinal), claim)


def _check_claim(claim: Claim, name: str) -> None:
    """Refuse a claim that stands under another's name: its session would copy another point."""
    said = _name_of(claim, is_run=names.run_ordinal(name) is not None)
    time, _ = ids.parse_point_id(claim.source_point)
    record_name = names.record(claim.source_id, time, claim.session_id)
    if said != name or claim.record_name != record_name:
        raise IntegrityError(f"{name} holds another claim than its name says")


def claim_name(session: CopySession) -> str:
    """Return the name that a session's claim stands under in the target."""
    return _name_of(session.claim, is_run=not isinstance(session.source, Repository))


def _name_of(claim: Claim, *, is_run: bool) -> str:
    # A backup's has none, and stands under no name.
    if claim.job_id is None:
        return ""
    if is_run:
        return names.run_claim(claim.job_id, claim.ordinal)
    return names.claim(claim.job_id, claim.source_point, claim.ordinal)


def _new_claim(
    definition: JobDefinition, point: PointId, ordinal: int, clock: Clock, session_id: SessionId
) -> Claim:
    time, _ = ids.parse_point_id(point)
    return Claim(
        session_id=session_id,
        kind=SessionKind.COPY,
        job_id=definition.job_id,
        job_version=definition.version,
        source_id=definition.source_id,
        source_point=point,
        record_name=names.record(definition.source_id, time, session_id),
        ordinal=ordinal,
        claimed=ids.format_time(clock()),
    )


def record_size(store: Store, record_name: str) -> int | None:
    """Return the stored size of a record: None while it does not exist, 0 when it is void."""
    try:
        return store.head(record_name).size
    except NotFoundError:
        return None


def open_session(target: Repository, claim: Claim) -> None:
    """Make the marker that keeps a session's packs from being pruned, if it is missing."""
    # Not read when it is there: whoever publishes at this moment removes it.
    with suppress(ConflictError):
        target.write_value(names.open_session(claim.session_id), claim)


def close_session(target: Repository, session_id: SessionId) -> None:
    """Remove the marker, once the record exists or is void."""
    target.store.delete([names.open_session(session_id)])


def void_session(target: Repository, claim: Claim, report: state.Report) -> bool:
    """Fail a session for ever; False when its point was published first."""
    _keep_report(target, claim.session_id, report)
    try:
        target.store.put(claim.record_name, b"")
    except ConflictError:
        if record_size(target.store, claim.record_name):
            close_session(target, claim.session_id)
            return False
    close_session(target, claim.session_id)
    return True


def _keep_report(target: Repository, session_id: SessionId, report: state.Report) -> None:
    """Store a report beside those of others who were stopped before they made the session void."""
    number = 0
    while target.adopt_value(state.report_name(session_id, number), report) != report:
        number += 1


def keep_attempt(session: CopySession, attempt: state.Attempt) -> None:
    """Store the report of one run of a session, which several may do at the same moment."""
    prefix = state.attempts_prefix(session.id)
    name = f"{prefix}{attempt.ended}-{secrets.token_hex(4)}.json"
    session.target.adopt_value(name, attempt)


def read_report(target: Repository, session_id: SessionId) -> state.Report | None:
    """Return why a session failed, by all who said so; None when nothing is kept of it."""
    heads = list(target.store.list(state.reports_prefix(session_id)))
    reports = [target.read_value(state.Report, head.name) for head in heads]
    if not reports:
        return None
    reasons = (reason for report in reports for reason in report.reasons)
    items = (item for report in reports for item in report.items)
    return state.Report(reasons=tuple(dict.fromkeys(reasons)), items=tuple(dict.fromkeys(items)))


def read_claim(target: Repository, name: str) -> Claim:
    """Read a claim and check that it is the one its name says."""
    claim = target.read_value(Claim, name)
    _check_claim(claim, name)
    return claim


def read_claims(target: Repository, job_id: JobId) -> list[Claim]:
    """Read all claims of a job, oldest point first."""
    heads = list(target.store.list(names.claims(job_id)))
    claims = [read_claim(target, head.name) for head in heads]
    return sorted(claims, key=lambda claim: (claim.source_point, claim.ordinal))


def is_stopped(store: Store, session_id: SessionId) -> bool:
    """Say whether an order to stop stands."""
    return _stop_count(store, session_id) > _resume_count(store, session_id)


def refuse_stopped(session: CopySession) -> None:
    """Raise ``NotReadyError`` while an order to stop a session stands."""
    if is_stopped(session.target.store, session.id):
        raise NotReadyError(
            f"the session {session.id} has been stopped",
            hint=f"'coldhaul session resume {session.id}' goes on with it, "
            f"'coldhaul session abandon {session.id}' gives it up.",
        )


def stop(store: Store, session_id: SessionId) -> None:
    """Order a session to stop; whoever runs it notices between packs."""
    _order(store, state.stop_name(session_id, _resume_count(store, session_id)))


def resume(store: Store, session_id: SessionId) -> None:
    """Lift the orders to stop."""
    for number in range(_resume_count(store, session_id), _stop_count(store, session_id)):
        _order(store, state.resume_name(session_id, number))


def _order(store: Store, name: str) -> None:
    try:
        store.put(name, b"")
    except ConflictError:
        # Somebody else gave the same order at the same moment.
        return


def _stop_count(store: Store, session_id: SessionId) -> int:
    return sum(1 for _ in store.list(names.session(session_id, "stops/")))


def _resume_count(store: Store, session_id: SessionId) -> int:
    return sum(1 for _ in store.list(names.session(session_id, "resumes/")))
