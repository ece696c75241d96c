"""``coldhaul backup``: a folder becomes the newest restore point of a repository."""

from pathlib import Path
from typing import Annotated

import typer

from core.engine.backup import BackupOutcome, backup_folder
from core.engine.obeying import obeying
from proxy.documents import Document, point_document, skipped_documents
from proxy.exits import DONE, WARNINGS
from proxy.interrupt import stoppable
from proxy.invocation import Invocation, command
from proxy.opening import open_named, refuse_copies_only, refuse_overlap
from proxy.progress import shown_progress
from proxy.wording import (
    show_count,
    show_duration,
    show_path,
    show_rate,
    show_size,
)

FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder to back up, links in it as links.")
]
ToRepository = Annotated[
    str, typer.Option("--to", metavar="NAME", help="The repository that receives it.")
]
_SKIPPED_SHOWN_MAX = 50


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "backup")(backup)


def backup(invocation: Invocation, folder: FolderArgument, name: ToRepository) -> int:
    """Back up a folder: files, links and empty folders, with modes and times.

    Only what changed since the last backup is read and stored. What cannot be read is skipped,
    listed, and makes the exit code 8. A repository holds the backups of one folder.

    Example: coldhaul backup /srv/data --to primary
    """
    refuse_copies_only(invocation, name)
    repository = open_named(invocation, name)
    refuse_overlap(invocation, folder, "back up")
    go_on = invocation.command_line("backup", str(folder), "--to", name)
    with (
        stoppable(go_on) as stop,
        obeying(stop, repository.store),
        shown_progress(invocation.output) as progress,
    ):
        outcome = backup_folder(repository, folder, progress, stop)
    invocation.output.show(_document(name, outcome), *_lines(outcome))
    for item in outcome.skipped[:_SKIPPED_SHOWN_MAX]:
        invocation.output.warn(f"skipped {show_path(item.path)}: {item.reason}")
    more = outcome.skipped_count - min(len(outcome.skipped), _SKIPPED_SHOWN_MAX)
    if more > 0:
        invocation.output.warn(f"skipped {more:,} more; --json lists them")
    return WARNINGS if outcome.record.warnings or outcome.skipped_count else DONE


def _document(name: str, outcome: BackupOutcome) -> Document:
    return {
        "repository": name,
        "restore_point": point_document(outcome.record),
        "read_count": outcome.read_count,
        "read_size": outcome.read_size,
        "stored_size": outcome.stored_size,
        "written_object_count": outcome.written_object_count,
        "seconds": round(outcome.seconds, 3),
        "skipped_count": outcome.skipped_count,
        "skipped_items": skipped_documents(outcome.skipped),
    }


def _lines(outcome: BackupOutcome) -> list[str]:
    record = outcome.record
    items = f"{show_count(record.item_count, 'item')}, {show_size(record.content_size)}"
    changed = f"{record.added_count:,} new or changed, {record.removed_count:,} removed"
    stored = f"{show_size(outcome.stored_size)} stored"
    objects = show_count(outcome.written_object_count, "object")
    rate = show_rate(outcome.read_size, outcome.seconds)
    time = ", ".join(part for part in (show_duration(outcome.seconds), rate) if part)
    return [
        f"Restore point {record.id}",
        f"  holds      {items}: {changed}",
        f"  read       {show_count(outcome.read_count, 'file')}, {show_size(outcome.read_size)}; "
        f"{stored} in {objects}",
        f"  time       {time}",
    ]
