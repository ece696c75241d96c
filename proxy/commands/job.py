"""``coldhaul job``: standing orders. What they say is stored in the target, beside the data."""

from datetime import datetime
from typing import Annotated

import typer

from core.engine.history import SessionView, list_sessions
from core.engine.jobs import Terms, create_job, enable_job, load_definition, update_job
from core.engine.session import system_clock
from core.errors import ColdhaulError, NotFoundError
from core.ids import JobId
from core.model import JobDefinition
from proxy.commands.arguments import JobName
from proxy.commands.job_run import run
from proxy.definition import find_differences
from proxy.documents import Document, definition_document
from proxy.exits import DONE, WARNINGS
from proxy.invocation import Invocation, command, new_group
from proxy.job_times import JobTimes, job_times, show_moment, zone_of
from proxy.opening import open_named, open_source
from proxy.output import add_row, make_table
from proxy.tables import JobTable
from proxy.wording import show_count

IncludeNewestOption = Annotated[
    bool,
    typer.Option(
        "--include-newest", metavar="", help="Copy the newest point that is there now, too."
    ),
]

_COLUMNS = (
    "job",
    "source",
    "target",
    "schedule",
    "state",
    "next run",
    "last run",
    "last session",
    "status",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = new_group("Define and run copy jobs.")
    command(group, "create")(create)
    command(group, "update")(update)
    command(group, "enable")(enable)
    command(group, "disable")(disable)
    command(group, "run")(run)
    command(group, "list")(list_)
    app.add_typer(group, name="job")


def create(
    invocation: Invocation, name: JobName, include_newest: IncludeNewestOption = False
) -> int:
    """Store a job's definition in its target, with the restore points that are there now.

    The job copies points that appear from now on. Those present now are copied only when asked
    for: the newest with --include-newest here, any of them with 'job run --backfill' later.

    Example: coldhaul job create nightly --include-newest
    """
    job = invocation.config.job(name)
    definition = create_job(
        open_named(invocation, job.target),
        open_source(invocation, job.source),
        JobId(name),
        _terms(job),
        include_newest=include_newest,
    )
    present = show_count(len(definition.present), "restore point")
    what = f"{present} present now will not be copied unless asked for."
    if invocation.config.repository(job.source).is_bucket:
        what = "Each run copies what is in the bucket then."
    run_it = invocation.command_line("job", "run", name)
    return _show(
        invocation,
        name,
        definition,
        f"Created job {name!r}: {job.source} to {job.target}, {job.schedule}.",
        f"{what} To run it: {run_it}",
    )


def _terms(job: JobTable) -> Terms:
    return Terms(schedule=str(job.schedule), allow_damaged=job.allow_damaged)


def update(invocation: Invocation, name: JobName) -> int:
    """Store what the configuration says of a job now. What was copied stays copied.

    Example: coldhaul job update nightly
    """
    job = invocation.config.job(name)
    target = open_named(invocation, job.target)
    definition = load_definition(target, JobId(name))
    differences = find_differences(invocation, name, definition)
    if not differences:
        return _show(invocation, name, definition, f"Job {name!r} is up to date.")
    definition = update_job(
        target,
        open_source(invocation, job.source),
        JobId(name),
        _terms(job),
    )
    return _show(invocation, name, definition, f"Updated job {name!r}:", *differences)


def enable(invocation: Invocation, name: JobName) -> int:
    """Let a job run again.

    Example: coldhaul job enable nightly
    """
    return _set_enabled(invocation, name, is_enabled=True)


def disable(invocation: Invocation, name: JobName) -> int:
    """Keep a job from running until it is enabled. Nothing is lost: new points wait.

    Example: coldhaul job disable nightly
    """
    return _set_enabled(invocation, name, is_enabled=False)


def _set_enabled(invocation: Invocation, name: str, *, is_enabled: bool) -> int:
    target = open_named(invocation, invocation.config.job(name).target)
    definition = load_definition(target, JobId(name))
    if definition.is_enabled is not is_enabled:
        definition = enable_job(target, JobId(name), is_enabled=is_enabled)
    state = "enabled" if is_enabled else "disabled"
    return _show(invocation, name, definition, f"Job {name!r} is {state}.")


def _show(invocation: Invocation, name: str, definition: JobDefinition, *lines: str) -> int:
    job = invocation.config.job(name)
    document = {
        "job": name,
        "source": job.source,
        "target": job.target,
        "definition": definition_document(definition),
    }
    invocation.output.show(document, *lines)
    return DONE


def list_(invocation: Invocation) -> int:
    """List the jobs of the configuration: how they are defined, when they run, how they ended.

    Example: coldhaul job list
    """
    table = make_table(*_COLUMNS)
    now, zone = system_clock(), zone_of(invocation.config)
    rows = []
    for name in invocation.config.jobs:
        row, times = _describe(invocation, name, now)
        rows.append(row)
        last = row["last_session"] or {}
        add_row(
            table,
            *(row[key] for key in ("name", "source", "target", "schedule", "state")),
            show_moment(times.next, zone, now),
            show_moment(times.last, zone, now),
            last.get("id", ""),
            last.get("status", ""),
        )
    invocation.output.show({"jobs": rows}, table)
    for row in rows:
        for problem in row["problems"]:
            invocation.output.warn(problem)
    return WARNINGS if any(row["problems"] for row in rows) else DONE


def _describe(invocation: Invocation, name: str, now: datetime) -> tuple[Document, JobTimes]:
    job = invocation.config.job(name)
    document: Document = {
        "name": name,
        "source": job.source,
        "target": job.target,
        "schedule": str(job.schedule),
        "state": "unknown",
        "definition": None,
        "next_run": None,
        "last_run": None,
        "last_session": None,
        "problems": [],
    }
    unknown = JobTimes(last=None, next=None)
    try:
        target = open_named(invocation, job.target)
        definition = load_definition(target, JobId(name))
        sessions = list_sessions(target, JobId(name))
        times = job_times(job, zone_of(invocation.config), target, definition, now)
    except NotFoundError as error:
        problems = [f"{name}: {error.message}"]
        return {**document, "state": "not created", "problems": problems}, unknown
    except ColdhaulError as error:
        # One target that cannot be reached must not hide the other jobs.
        return {**document, "problems": [f"{name}: {error.message}"]}, unknown
    document |= {
        "state": "enabled" if definition.is_enabled else "disabled",
        "definition": definition_document(definition),
        "next_run": _iso(times.next),
        "last_run": _iso(times.last),
        "last_session": _last(sessions),
        "problems": find_differences(invocation, name, definition),
    }
    return document, times


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _last(sessions: list[SessionView]) -> Document | None:
    if not sessions:
        return None
    view = sessions[-1]
    return {
        "id": view.claim.session_id,
        "status": view.status,
        "source_point": view.claim.source_point,
    }
