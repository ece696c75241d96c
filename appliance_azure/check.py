"""What the app finds wrong with itself: its environment, its identity, what it copies.

Target and source are opened and read; in the target an object of our own is written and deleted
again. Every check runs whatever the others found.
"""

from collections.abc import Callable, Iterator, Mapping

from appliance_azure.opening import ways_of
from appliance_azure.settings import Settings, read_settings
from core.appliance.opening import check_retention, open_source, open_target
from core.engine.check import Finding, Level, failed, passed
from core.engine.jobs import load_definition
from core.engine.probe import PREFIX, try_store
from core.errors import ColdhaulError, InputError
from core.sources.repository import Repository
from core.sources.source import Source


def inspect(environment: Mapping[str, str]) -> list[Finding]:
    """Return all findings."""
    try:
        settings = read_settings(environment)
    except InputError as error:
        return [
            Finding(level=Level.ERROR, what="environment", detail=problem, hint=error.hint)
            for problem in error.problems
        ]
    found = [passed("environment", f"{settings.memory_mb} MB of memory, as {settings.client_id}")]
    return [*found, *_inspect_ends(settings)]


def _inspect_ends(settings: Settings) -> Iterator[Finding]:
    ways = ways_of(settings)
    opened: list[tuple[str, Repository | Source]] = []

    def look(what: str, open_end: Callable[[], Repository | Source]) -> Iterator[Finding]:
        try:
            end = open_end()
        except ColdhaulError as error:
            yield failed(what, error)
            return
        opened.append((what, end))
        yield passed(what, f"{end.url} can be read, and what is sealed there be opened")

    yield from look("target", lambda: open_target(settings.ends, ways))
    yield from look("source", lambda: open_source(settings.ends, ways))
    by_name = dict(opened)
    target, source = by_name.get("target"), by_name.get("source")
    if isinstance(target, Repository):
        yield from _inspect_target(settings, target, source)


def _inspect_target(
    settings: Settings, target: Repository, source: Source | None
) -> Iterator[Finding]:
    yield _inspect_permissions(target)
    if source is not None:
        try:
            check_retention(target, source)
        except InputError as error:
            yield failed("retention", error)
    yield from _inspect_job(settings, target, source)


def _inspect_permissions(target: Repository) -> Finding:
    """Do all that a session does with objects of a target, to one that is gone again afterwards."""
    what = "permissions"
    try:
        try_store(target.store)
    except ColdhaulError as error:
        return failed(what, error)
    return passed(what, f"tried below {PREFIX.rpartition('/')[0]}/: write once, read, list, delete")


def _inspect_job(
    settings: Settings, target: Repository, source: Source | None
) -> Iterator[Finding]:
    job = settings.triggers.job
    if not job:
        yield passed("job", "sessions are started by a proxy alone")
        return
    try:
        definition = load_definition(target, job)
    except ColdhaulError as error:
        yield failed("job", error)
        return
    if source is not None and definition.source_id != source.id:
        yield Finding(
            level=Level.ERROR,
            what="job",
            detail=f"the job {job} copies another source than the one of this app",
            hint="Deploy the appliance again, with the name of a job of this source.",
        )
    else:
        yield passed("job", f"events or the timer start sessions of the job {job}")
