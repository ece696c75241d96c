"""A job's standing order, as stored in its target."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.engine.overlap import overlap_problem
from core.engine.points import list_points
from core.errors import ConflictError, InputError, IntegrityError, NotFoundError
from core.format import names
from core.ids import JobId, PointId, is_job_id
from core.model import JobDefinition
from core.sources.bucket import BucketSource
from core.sources.repository import Repository
from core.sources.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a configuration says of a job and its definition repeats."""

    schedule: str
    allow_damaged: bool = False


def list_jobs(target: Repository) -> list[JobId]:
    """Return the ids of the jobs whose target this is."""
    found = {head.name.split("/")[1] for head in target.store.list(names.JOBS)}
    return [JobId(job_id) for job_id in sorted(found)]


def load_definition(target: Repository, job_id: JobId) -> JobDefinition:
    """Return the newest version of a job's definition."""
    newest = _newest_version(target, job_id)
    if newest == 0:
        raise NotFoundError(
            f"{target.store.url} has no job {job_id}",
            hint=f"Create it with 'coldhaul job create {job_id}'.",
        )
    name = names.job_definition(job_id, newest)
    definition = target.read_value(JobDefinition, name)
    if (definition.job_id, definition.version) != (job_id, newest):
        raise IntegrityError(f"{name} holds another definition than its name says")
    return definition


def _newest_version(target: Repository, job_id: JobId) -> int:
    prefix = names.job_definitions(job_id)
    texts = (head.name.removeprefix(prefix) for head in target.store.list(prefix))
    return max(
        (int(text.removesuffix(".json")) for text in texts if text[:-5].isdigit()), default=0
    )


def create_job(
    target: Repository,
    source: Source,
    job_id: JobId,
    terms: Terms,
    *,
    include_newest: bool,
) -> JobDefinition:
    """Store a new job's definition with the points that the source has now (R3).

    With ``include_newest`` the newest of them counts as new. A bucket has none.
    """
    problems = [*_problems(target, source, job_id)]
    if include_newest and not isinstance(source, Repository):
        problems.append("a bucket has no restore points: its first run copies all there is anyway")
    if problems:
        raise InputError(f"the job {job_id} cannot be created", problems=problems)
    present = _points_of(source)
    if include_newest:
        present = present[:-1]
    definition = JobDefinition(
        job_id=job_id,
        version=1,
        source_id=source.id,
        source_url=source.url,
        target_url=target.store.url,
        schedule=terms.schedule,
        is_enabled=True,
        allow_damaged=terms.allow_damaged,
        present=tuple(present),
    )
    name = names.job_definition(job_id, 1)
    # What is found only when writing may be our own: the answer to a write can be lost.
    if _newest_version(target, job_id) or target.adopt_value(name, definition) != definition:
        raise ConflictError(
            f"the job {job_id} exists already",
            hint=f"Change it with 'coldhaul job update {job_id}'.",
        )
    return definition


def _points_of(source: Source) -> list[PointId]:
    if not isinstance(source, Repository):
        return []
    return [point.point for point in list_points(source, source.id)]


def _problems(target: Repository, source: Source, job_id: JobId) -> Sequence[str]:
    """Return every reason why these two cannot be a job's source and target."""
    problems = []
    if not is_job_id(job_id):
        problems.append(f"{job_id!r} cannot name a job: letters, digits, '_' and '-', at most 64")
    if source.id == target.id:
        problems.append("source and target are the same repository")
    if isinstance(source, BucketSource) and (
        overlap := overlap_problem(target.store, source.bucket)
    ):
        problems.append(overlap)
    kinds = (source.retention_type, target.retention_type)
    if kinds[0] is not kinds[1]:
        problems.append(
            f"the source's retention type is {kinds[0].value}, the target's {kinds[1].value}"
        )
    if isinstance(source, Repository) and any(
        record.source_id != source.id for record in source.list_records()
    ):
        problems.append("the source holds copies; a copy's target cannot be a source")
    if any(record.source_id == target.identity.id for record in target.list_records()):
        problems.append("the target holds backups of its own; copies need a repository for them")
    for other in list_jobs(target):
        same = load_definition(target, other).source_id == source.id
        if same and other != job_id:
            problems.append(f"the job {other} copies this source into this target already")
    return problems


def update_job(
    target: Repository,
    source: Source,
    job_id: JobId,
    terms: Terms,
) -> JobDefinition:
    """Store the next version with what the configuration says now; the source cannot change."""
    current = load_definition(target, job_id)
    if current.source_id != source.id:
        raise InputError(
            f"the job {job_id} copies {current.source_id} at {current.source_url}, not {source.id}",
            hint="A job keeps its source. Create another job for the other source.",
        )
    return _store_next(
        target,
        replace(
            current,
            source_url=source.url,
            target_url=target.store.url,
            schedule=terms.schedule,
            allow_damaged=terms.allow_damaged,
        ),
    )


def enable_job(target: Repository, job_id: JobId, *, is_enabled: bool) -> JobDefinition:
    """Store the next version of a job, enabled or disabled."""
    return _store_next(target, replace(load_definition(target, job_id), is_enabled=is_enabled))


def _store_next(target: Repository, changed: JobDefinition) -> JobDefinition:
    definition = replace(changed, version=changed.version + 1)
    name = names.job_definition(definition.job_id, definition.version)
    if target.adopt_value(name, definition) != definition:
        raise ConflictError(
            f"somebody else changed the job {definition.job_id} at this moment",
            hint="Look at the job and say it again.",
        )
    return definition
