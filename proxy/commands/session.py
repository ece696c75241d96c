"""``coldhaul session``: what jobs and backups did, and orders to those that are under way."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from core.engine.history import (
    SessionView,
    abandon_session,
    resume_session,
    stop_session,
    view_session,
)
from core.engine.session import CopySession
from core.engine.skipped import read_skipped
from core.errors import InputError, NotReadyError
from core.model import SessionKind
from proxy.appliance_opening import open_appliance
from proxy.appliance_run import find_running, refuse_doubled, watch_execution
from proxy.commands.arguments import SessionText
from proxy.commands.job_run import show_end, show_run, watch_terms
from proxy.definition import load_equal_definition
from proxy.documents import (
    attempt_document,
    damaged_documents,
    moved_by,
    session_document,
    skipped_documents,
)
from proxy.exits import DONE
from proxy.interrupt import LEAVING, stoppable
from proxy.invocation import Invocation, command, new_group
from proxy.opening import open_source
from proxy.output import add_row, make_table
from proxy.placed_run import Ran
from proxy.placing import place_job
from proxy.progress import shown_progress
from proxy.sessions import (
    FoundSession,
    find_session,
    list_backup_sessions,
    list_job_sessions,
)
from proxy.wording import show_count, show_duration, show_path, show_rate, show_size

_COLUMNS = ("session", "claimed", "status", "bytes", "objects", "rate", "bottleneck", "runner")
_ITEMS_SHOWN_MAX = 20

JobOrRepository = Annotated[
    str, typer.Argument(metavar="NAME", help="A job, or a repository for its backups.")
]
LogOption = Annotated[bool, typer.Option("--log", metavar="", help="Show what each run said.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = new_group("Show sessions; stop, resume and abandon them.")
    command(group, "list")(list_)
    command(group, "show")(show)
    command(group, "watch")(watch)
    command(group, "stop")(stop)
    command(group, "resume")(resume)
    command(group, "abandon")(abandon)
    app.add_typer(group, name="session")


def list_(invocation: Invocation, name: JobOrRepository) -> int:
    """List the sessions of a job, or the backups into a repository, oldest first.

    Example: coldhaul session list nightly
    """
    config = invocation.config
    if name in config.jobs or name not in config.repositories:
        config.job(name)
        views = list_job_sessions(invocation, name)
    else:
        views = list_backup_sessions(invocation, name)
    table = make_table(*_COLUMNS, right=("bytes", "objects", "rate"))
    for view in views:
        _add_row(table, view)
    rows = [session_document(view) for view in views]
    invocation.output.show({"name": name, "sessions": rows}, table)
    return DONE


def _add_row(table: Table, view: SessionView) -> None:
    document = session_document(view)
    add_row(
        table,
        view.claim.session_id,
        document["claimed"][:19].replace("T", " "),
        view.status,
        show_size(document["content_size"]),
        f"{document['written_object_count']:,}",
        show_rate(document["content_size"], document["seconds"]),
        document["bottleneck"],
        document["runner"],
    )


def show(invocation: Invocation, session: SessionText, with_log: LogOption = False) -> int:
    """Show a session: how it stands and why, who ran it, and what it moved.

    Example: coldhaul session show 4f2a --log
    """
    found = find_session(invocation, session)
    view = view_session(found.repository, found.claim)
    items = view.report.items if view.report else ()
    skipped = read_skipped(found.repository, found.claim.session_id)
    session_fields = {
        **session_document(view),
        "damaged_items": damaged_documents(items),
        "skipped_items": skipped_documents(skipped),
        "attempts": [attempt_document(each, with_log=with_log) for each in view.attempts],
    }
    document = {"repository": found.repository_name, "session": session_fields}
    lines = _describe(invocation, found, view)
    lines += _list_items("damaged", [(bytes.fromhex(item.path), item.reason) for item in items])
    lines += _list_items("skipped", [(item.path, item.reason) for item in skipped])
    if with_log:
        lines += [line for attempt in view.attempts for line in ("", *attempt.log)]
    invocation.output.show(document, *lines)
    return DONE


def _list_items(what: str, items: Sequence[tuple[bytes, str]]) -> list[str]:
    lines = [f"{what:12} {show_path(path)}: {reason}" for path, reason in items[:_ITEMS_SHOWN_MAX]]
    more = len(items) - _ITEMS_SHOWN_MAX
    return [*lines, f"{'':12} and {more:,} more; --json has all"] if more > 0 else lines


def _describe(invocation: Invocation, found: FoundSession, view: SessionView) -> list[str]:
    claim, moved = view.claim, moved_by(view)
    document = session_document(view)
    job = f" of job {claim.job_id} (version {claim.job_version})" if claim.job_id else ""
    lines = [
        f"session      {claim.session_id}: {claim.kind}{job} in {found.repository_name}",
        f"status       {view.status}",
        *(f"reason       {reason}" for reason in view.reasons),
        f"claimed      {document['claimed']}",
        f"last seen    {document['last_seen']}",
        f"source point {claim.source_point}",
    ]
    if view.record is not None:
        items = show_count(view.record.item_count, "item")
        size = show_size(view.record.content_size)
        lines.append(f"point        {view.record.id}: {items}, {size}")
    if view.planned_blobs:
        planned = f"{show_count(view.planned_blobs, 'blob')}, {show_size(view.planned_size)}"
        lines.append(f"planned      {planned}")
    objects = show_count(document["written_object_count"], "object")
    stored = f"{show_size(moved.stored_size)} in {objects}"
    lines.append(f"new          {show_size(moved.content_size)}; stored as {stored}")
    if view.attempts:
        speed = [show_duration(view.seconds), show_rate(moved.content_size, view.seconds)]
        speed.append(f"bottleneck {document['bottleneck']}" if document["bottleneck"] else "")
        lines += [
            f"ran on       {document['runner']}, because {document['runner_reason']}",
            f"time         {', '.join(part for part in speed if part)} in "
            f"{show_count(len(view.attempts), 'run')}",
        ]
    return lines


def stop(invocation: Invocation, session: SessionText) -> int:
    """Order a session to stop, wherever it runs. Finished packs are kept.

    Example: coldhaul session stop 4f2a
    """
    found = _find_copy(invocation, session)
    stop_session(found.repository, found.claim)
    session_id = found.claim.session_id
    resume_it = invocation.command_line("session", "resume", session_id)
    invocation.output.show(
        {"session": session_id, "ordered": "stop"},
        f"Session {session_id} stops at the next finished pack. To go on: {resume_it}",
    )
    return DONE


def resume(invocation: Invocation, session: SessionText) -> int:
    """Go on with a session that was stopped or killed, in its target's appliance or here.

    Example: coldhaul session resume 4f2a
    """
    found = _find_copy(invocation, session)
    job_id, copy = _copy_session(invocation, found)
    placed = place_job(invocation, job_id)
    if placed.appliance is not None:
        refuse_doubled(copy, placed.appliance)
    resume_session(found.repository, found.claim)
    return show_run(invocation, job_id, placed, lambda: copy)


def _copy_session(invocation: Invocation, found: FoundSession) -> tuple[str, CopySession]:
    """Return the name of a session's job, and the session with both its ends opened."""
    job_id = str(found.claim.job_id)
    job = invocation.config.job(job_id)
    definition = load_equal_definition(invocation, job_id, found.repository)
    source = open_source(invocation, job.source)
    return job_id, CopySession(
        target=found.repository, source=source, claim=found.claim, definition=definition
    )


def watch(invocation: Invocation, session: SessionText) -> int:
    """Watch a session that an appliance runs, to its end; nothing is started.

    Ctrl-C leaves it running.

    Example: coldhaul session watch 4f2a
    """
    found = _find_copy(invocation, session)
    job_id, copy = _copy_session(invocation, found)
    table = invocation.config.repository(found.repository_name)
    appliance = open_appliance(invocation.config, table) if table.appliance else None
    attempt = find_running(copy.id, appliance) if appliance else None
    if appliance is None or attempt is None:
        raise NotReadyError(
            f"no appliance runs the session {copy.id} now",
            hint=f"'{invocation.command_line('session', 'show', copy.id)}' says how it stands.",
        )
    go_on = invocation.command_line("session", "watch", copy.id)
    with stoppable(go_on) as stop, shown_progress(invocation.output) as progress:
        stop.notice = LEAVING
        progress.note(f"watches execution {copy.id}-{attempt} of {appliance.place}")
        terms = watch_terms(invocation, copy, progress, stop)
        outcome = watch_execution(copy, appliance, attempt, terms)
    reason = f"its execution {attempt} runs there"
    ran = Ran(session=copy, outcome=outcome, runner=appliance.kind, reason=reason)
    return show_end(invocation, job_id, ran, stop)


def abandon(invocation: Invocation, session: SessionText) -> int:
    """Give a session up for good: it is Failed, and its point is copied by another session.

    Finished packs stay and are reused until they are pruned.

    Example: coldhaul session abandon 4f2a
    """
    found = _find_copy(invocation, session)
    abandon_session(found.repository, found.claim, "abandoned by its operator")
    session_id = found.claim.session_id
    invocation.output.show(
        {"session": session_id, "ordered": "abandon"}, f"Session {session_id} is abandoned."
    )
    return DONE


def _find_copy(invocation: Invocation, text: str) -> FoundSession:
    found = find_session(invocation, text)
    if found.claim.kind is SessionKind.BACKUP:
        raise InputError(
            f"session {found.claim.session_id} is a backup, which takes no orders",
            hint="Stop it with Ctrl-C where it runs; run the backup again to make up for it.",
        )
    return found
