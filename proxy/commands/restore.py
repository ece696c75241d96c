"""``coldhaul restore``: a restore point, or some of it, becomes files again."""

from pathlib import Path
from typing import Annotated

import typer

from core.engine.points import find_point
from core.engine.restore import RestoreOutcome, restore_point
from core.errors import IntegrityError
from core.ids import PointId
from proxy.commands.arguments import IncludeOption, PointOption, RepositoryName
from proxy.documents import Document
from proxy.exits import DONE, INTEGRITY, WARNINGS
from proxy.interrupt import stoppable
from proxy.invocation import Invocation, command
from proxy.opening import open_named, refuse_overlap
from proxy.progress import shown_progress
from proxy.wording import path_fields, show_count, show_duration, show_path, show_rate, show_size

FolderOption = Annotated[
    Path, typer.Option("--to", metavar="DIR", help="The folder to restore into; made if missing.")
]
OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", metavar="", help="Replace files and links that are in the way."),
]
_FAILED_SHOWN_MAX = 50


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "restore")(restore)


def restore(  # noqa: PLR0913  Each parameter is an argument or option of the command.
    invocation: Invocation,
    name: RepositoryName,
    folder: FolderOption,
    point: PointOption = None,
    include: IncludeOption = None,
    overwrite: OverwriteOption = False,
) -> int:
    """Restore a restore point's files, links and folders, with their modes and times.

    Every file appears whole or not at all, and nothing is written outside DIR. Without
    --overwrite nothing is written if anything is in the way.

    Example: coldhaul restore vault --to /srv/restored

    Example: coldhaul restore vault --to /srv/restored --point 20260301T --include 'photos'
    """
    repository = open_named(invocation, name)
    refuse_overlap(invocation, folder, "restore into")
    record = find_point(repository, point)
    patterns = include or []
    words = [word for pattern in patterns for word in ("--include", pattern)]
    go_on = invocation.command_line(
        "restore", name, "--to", str(folder), "--point", record.id, *words, "--overwrite"
    )
    with stoppable(go_on) as stop, shown_progress(invocation.output) as progress:
        outcome = restore_point(
            repository,
            record,
            folder,
            include=patterns,
            overwrite=overwrite,
            progress=progress,
            stop=stop,
        )
    invocation.output.show(_document(name, record.id, folder, outcome), *_lines(record.id, outcome))
    _warn(invocation, outcome)
    return _exit_code(outcome)


def _document(name: str, point: PointId, folder: Path, outcome: RestoreOutcome) -> Document:
    return {
        "repository": name,
        "restore_point": point,
        "folder": str(folder),
        "item_count": outcome.item_count,
        "content_size": outcome.content_size,
        "read_size": outcome.read_size,
        "seconds": round(outcome.seconds, 3),
        "failed_count": outcome.failed_count,
        "failed_items": [
            {**path_fields(item.path), "category": item.category, "reason": item.reason}
            for item in outcome.failed
        ],
        "problems": list(outcome.problems),
    }


def _lines(point: PointId, outcome: RestoreOutcome) -> list[str]:
    items = f"{show_count(outcome.item_count, 'item')}, {show_size(outcome.content_size)}"
    rate = show_rate(outcome.content_size, outcome.seconds)
    time = ", ".join(part for part in (show_duration(outcome.seconds), rate) if part)
    return [f"Restored {items} of {point}", f"  time       {time}"]


def _warn(invocation: Invocation, outcome: RestoreOutcome) -> None:
    for problem in outcome.problems:
        invocation.output.warn(problem)
    for item in outcome.failed[:_FAILED_SHOWN_MAX]:
        invocation.output.warn(f"not restored: {show_path(item.path)}: {item.reason}")
    more = outcome.failed_count - min(len(outcome.failed), _FAILED_SHOWN_MAX)
    if more > 0:
        invocation.output.warn(f"not restored: {more:,} more; --json lists them")


def _exit_code(outcome: RestoreOutcome) -> int:
    # Damage stays damage, however much of the rest could be restored.
    is_damaged = any(item.category == IntegrityError.category for item in outcome.failed)
    if is_damaged or outcome.problems:
        return INTEGRITY
    return WARNINGS if outcome.failed_count else DONE
