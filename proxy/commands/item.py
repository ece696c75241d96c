"""``coldhaul item``: what is in a restore point."""

from collections.abc import Iterable, Iterator

import typer

from core.engine.points import find_point
from core.engine.restore import list_items
from core.errors import IntegrityError
from core.model import Item, ItemKind
from core.plan.restore import Attributes, read_attributes
from proxy.commands.arguments import IncludeOption, PointOption, RepositoryName
from proxy.documents import Document
from proxy.exits import DONE
from proxy.invocation import Invocation, command, new_group
from proxy.opening import open_named
from proxy.wording import nanosecond_time, path_fields, show_path, show_size

_LETTERS = {ItemKind.FILE: "-", ItemKind.FOLDER: "d", ItemKind.LINK: "l"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = new_group("Show what is in restore points.")
    command(group, "list")(list_)
    app.add_typer(group, name="item")


def list_(
    invocation: Invocation,
    name: RepositoryName,
    point: PointOption = None,
    include: IncludeOption = None,
) -> int:
    """List the items of a restore point in the order of their paths.

    --include takes patterns as paths relative to the folder that was backed up: * stays within a
    folder, ** does not, and a folder brings what is in it.

    Example: coldhaul item list vault --include 'photos/**/*.jpg'
    """
    repository = open_named(invocation, name)
    record = find_point(repository, point)
    items = list_items(repository, record, include or ())
    document = {"repository": name, "restore_point": record.id}
    invocation.output.stream(document, "items", _documents(items), _lines(items))
    return DONE


def _documents(items: Iterable[Item]) -> Iterator[Document]:
    for item in items:
        attributes = _attributes(item)
        target = path_fields(attributes.link_target)
        link = {f"link_target{key.removeprefix('path')}": text for key, text in target.items()}
        yield {
            **path_fields(item.path),
            "kind": item.kind,
            "size": item.size,
            "modified": nanosecond_time(item.modified),
            "mode": None if attributes.mode is None else f"{attributes.mode:04o}",
            "blob_count": len(item.blobs),
            "is_damaged": item.is_damaged,
            **(link if item.kind is ItemKind.LINK else {}),
        }


def _lines(items: Iterable[Item]) -> Iterator[str]:
    for item in items:
        attributes = _attributes(item)
        mode = "----" if attributes.mode is None else f"{attributes.mode:04o}"
        size = show_size(item.size) if item.kind is ItemKind.FILE else ""
        link = f" -> {show_path(attributes.link_target)}" if attributes.link_target else ""
        damaged = "  DAMAGED IN THE SOURCE" if item.is_damaged else ""
        time = nanosecond_time(item.modified)[:19].replace("T", " ")
        path = show_path(item.path)
        yield f"{_LETTERS[item.kind]} {mode} {size:>10} {time}  {path}{link}{damaged}"


def _attributes(item: Item) -> Attributes:
    try:
        return read_attributes(item.kind, item.metadata)
    except IntegrityError:
        # The list shows what is there; restore and verify say what is wrong with it.
        return Attributes(mode=None, link_target=b"")
