"""Finding sessions: of jobs by their claims, of backups by what they leave in their repository."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.engine.history import SessionView, list_sessions, view_session
from core.engine.session import read_claims
from core.errors import ColdhaulError, ConflictError, NotFoundError
from core.format import names
from core.ids import JobId, parse_point_id
from core.model import Claim, SessionKind
from core.sources.repository import Repository
from proxy.invocation import Invocation
from proxy.opening import open_named


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSession:
    """A session, and the repository it works on under its name in the configuration."""

    repository_name: str
    repository: Repository
    claim: Claim


def list_job_sessions(invocation: Invocation, job: str) -> list[SessionView]:
    """Return the sessions of a job, oldest first."""
    target = open_named(invocation, invocation.config.job(job).target)
    return list_sessions(target, JobId(job))


def list_backup_sessions(invocation: Invocation, repository: str) -> list[SessionView]:
    """Return the sessions that backed up into a repository, oldest first."""
    opened = open_named(invocation, repository)
    return [view_session(opened, claim) for claim in _backup_claims(opened)]


def _backup_claims(repository: Repository) -> list[Claim]:
    """Make the claims of backups, which store none: from records, and from open sessions."""
    own = repository.identity.id
    claims = []
    for record in repository.list_records(own):
        time, session_id = parse_point_id(record.point)
        claims.append(
            Claim(
                session_id=session_id,
                kind=SessionKind.BACKUP,
                job_id=None,
                job_version=0,
                source_id=own,
                source_point=record.point,
                record_name=record.name,
                ordinal=0,
                claimed=time,
            )
        )
    known = {claim.session_id for claim in claims}
    claims += [claim for claim in _open_claims(repository) if claim.session_id not in known]
    return sorted(claims, key=lambda claim: claim.claimed)


def _open_claims(repository: Repository) -> Iterator[Claim]:
    for head in repository.store.list(names.OPEN_SESSIONS):
        try:
            claim = repository.read_value(Claim, head.name)
        except NotFoundError:
            # It ended between the listing and the reading.
            continue
        if claim.kind is SessionKind.BACKUP:
            yield claim


def find_session(invocation: Invocation, text: str) -> FoundSession:
    """Return the session whose id starts with ``text``, wherever in the configuration it is."""
    found: list[FoundSession] = []
    errors: dict[str, ColdhaulError] = {}
    for name in invocation.config.repositories:
        try:
            repository = open_named(invocation, name)
            claims = _claims(repository)
        except ColdhaulError as error:
            # A repository that is out of reach must not hide the sessions of the others.
            errors[name] = error
            continue
        found += [
            FoundSession(repository_name=name, repository=repository, claim=claim)
            for claim in claims
            if claim.session_id.startswith(text)
        ]
    if not found:
        raise _unknown(invocation, text, errors)
    if len(found) > 1:
        raise ConflictError(
            f"{len(found)} sessions have ids that start with {text!r}",
            hint="Give more of the id.",
            problems=[f"{each.claim.session_id} in {each.repository_name}" for each in found],
        )
    return found[0]


def _unknown(
    invocation: Invocation, text: str, errors: Mapping[str, ColdhaulError]
) -> ColdhaulError:
    """Say that a session is not there, or rather why that cannot be known."""
    kind = next((type(error) for error in errors.values()), NotFoundError)
    reached = "that can be opened " if errors else ""
    return kind(
        f"no repository of {invocation.config_path} {reached}knows a session whose id starts "
        f"with {text!r}",
        hint="'coldhaul session list' with a job or repository shows the ids.",
        problems=[f"{name}: {error.message}" for name, error in errors.items()],
    )


def _claims(repository: Repository) -> list[Claim]:
    jobs = {head.name.split("/")[1] for head in repository.store.list(names.JOBS)}
    claims = [claim for job in sorted(jobs) for claim in read_claims(repository, JobId(job))]
    return claims + _backup_claims(repository)
