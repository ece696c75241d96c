"""``coldhaul restore``: a restore point, or some of it, becomes files again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from core.engine.obeying import obeying
from core.engine.points import find_point
from core.engine.progress import Progress
from core.engine.restore import restore_point
from core.engine.restore_objects import restore_objects
from core.engine.restoring import RestoreOutcome
from core.errors import InputError, IntegrityError
from core.ids import PointId
from core.stores.bucket import WritableBucket
from core.stores.opening import open_bucket
from proxy.commands.arguments import IncludeOption, PointOption, RepositoryName
from proxy.documents import Document
from proxy.exits import DONE, INTEGRITY, WARNINGS
from proxy.interrupt import stoppable
from proxy.invocation import Invocation, command
from proxy.location import Place, parse_url, url_folder
from proxy.opening import open_named, refuse_overlap
from proxy.progress import shown_progress
from proxy.store_settings import destination_settings
from proxy.wording import path_fields, show_count, show_duration, show_path, show_rate, show_size

PlaceOption = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="DIR|URL",
        help="The folder to restore into, made if missing; or s3://BUCKET/PREFIX, az://....",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="STORE", help="How --to URL is reached: [stores.STORE]."),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", metavar="", help="Replace what is in the way: files, links, objects."
    ),
]
_FAILED_SHOWN_MAX = 50


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "restore")(restore)


def restore(  # noqa: PLR0913  Each parameter is an argument or option of the command.
    invocation: Invocation,
    name: RepositoryName,
    place: PlaceOption,
    point: PointOption = None,
    include: IncludeOption = None,
    store: StoreOption = None,
    overwrite: OverwriteOption = False,
) -> int:
    """Restore a restore point into a folder, or as objects of a bucket or container.

    Files, links and folders come back with their modes and times, or objects with their
    properties. Each appears whole or not at all, and nothing is written outside DIR or URL.
    Without --overwrite nothing is written if anything is in the way.

    Example: coldhaul restore vault --to /srv/restored

    Example: coldhaul restore vault --to /srv/restored --point 20260301T --include 'photos'

    Example: coldhaul restore vault --to s3://bucket/back --store paris
    """
    repository = open_named(invocation, name)
    destination = _open_destination(invocation, place, store)
    record = find_point(repository, point)
    patterns = include or []
    words = [word for pattern in patterns for word in ("--include", pattern)]
    words += ["--store", store] if store else []
    go_on = invocation.command_line(
        "restore", name, "--to", place, "--point", record.id, *words, "--overwrite"
    )
    buckets = [] if isinstance(destination, Path) else [destination]
    with (
        stoppable(go_on) as stop,
        obeying(stop, repository.store, *buckets),
        shown_progress(invocation.output) as progress,
    ):
        terms: _Terms = {
            "include": patterns, "overwrite": overwrite, "progress": progress, "stop": stop
        }  # fmt: skip
        if isinstance(destination, Path):
            outcome = restore_point(repository, record, destination, **terms)
        else:
            outcome = restore_objects(repository, record, destination, **terms)
    document = _document(name, record.id, destination, outcome)
    invocation.output.show(document, *_lines(record.id, outcome))
    _warn(invocation, outcome)
    return _exit_code(outcome)


class _Terms(TypedDict):
    """What both kinds of restore are told."""

    include: Sequence[str]
    overwrite: bool
    progress: Progress
    stop: Callable[[], bool]


def _open_destination(
    invocation: Invocation, text: str, store: str | None
) -> Path | WritableBucket:
    """Return where to restore to; a place of the configuration's repositories is refused."""
    url = parse_url(text) if "://" in text else ""
    if url.startswith("file:") or not url:
        if store is not None:
            raise InputError(
                f"--store {store} says how a bucket or container is reached, and {text} is a folder"
            )
        folder = url_folder(url) if url else Path(text)
        refuse_overlap(invocation, folder, "restore into")
        return folder
    settings = destination_settings(invocation.config, url, store)
    refuse_overlap(invocation, Place(url=url, endpoint=settings.endpoint), "restore into")
    return open_bucket(url, settings)


def _document(
    name: str, point: PointId, destination: Path | WritableBucket, outcome: RestoreOutcome
) -> Document:
    return {
        "repository": name,
        "restore_point": point,
        "folder": str(destination) if isinstance(destination, Path) else None,
        "url": None if isinstance(destination, Path) else destination.url,
        "item_count": outcome.item_count,
        "content_size": outcome.content_size,
        "read_size": outcome.read_size,
        "seconds": round(outcome.seconds, 3),
        "failed_count": outcome.failed_count,
        "failed_items": [
            {**path_fields(item.path), "category": item.category, "reason": item.reason}
            for item in outcome.failed
        ],
        "left_out_count": outcome.left_out_count,
        "left_out_items": [path_fields(path) for path in outcome.left_out],
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
    for path in outcome.left_out[:_FAILED_SHOWN_MAX]:
        invocation.output.warn(f"left out, as no object can stand for it: {show_path(path)}")
    more = outcome.left_out_count - min(len(outcome.left_out), _FAILED_SHOWN_MAX)
    if more > 0:
        invocation.output.warn(f"left out: {more:,} more; --json lists them")
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
