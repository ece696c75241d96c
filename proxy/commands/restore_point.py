"""``coldhaul restore-point``: the complete states that a repository holds."""

from typing import Annotated

import typer

from core.engine.points import find_point, read_points
from proxy.commands.arguments import RepositoryName
from proxy.documents import layer_documents, point_document
from proxy.exits import DONE
from proxy.invocation import Invocation, command, new_group
from proxy.opening import open_named
from proxy.output import add_row, make_table
from proxy.wording import show_size

PointText = Annotated[
    str, typer.Argument(metavar="ID", help="A restore point's id, or the beginning of one.")
]
_COLUMNS = ("id", "items", "bytes", "layers", "new bytes", "stored", "warnings")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = new_group("Show restore points.")
    command(group, "list")(list_)
    command(group, "show")(show)
    app.add_typer(group, name="restore-point")


def list_(invocation: Invocation, name: RepositoryName) -> int:
    """List the restore points of a repository, oldest first.

    Example: coldhaul restore-point list vault
    """
    records = read_points(open_named(invocation, name))
    table = make_table(*_COLUMNS, right=_COLUMNS[1:])
    for record in records:
        add_row(
            table,
            record.id,
            f"{record.item_count:,}",
            show_size(record.content_size),
            len(record.layers),
            show_size(record.new_content_size),
            show_size(record.stored_size),
            len(record.warnings),
        )
    rows = [point_document(record) for record in records]
    invocation.output.show({"repository": name, "restore_points": rows}, table)
    return DONE


def show(invocation: Invocation, name: RepositoryName, point: PointText) -> int:
    """Show a restore point: its items, bytes and layers, and the session that made it.

    Example: coldhaul restore-point show vault 20260301T
    """
    record = find_point(open_named(invocation, name), point)
    document = point_document(record)
    layers = layer_documents(record)
    lines = [
        f"{key.replace('_', ' '):20} {show_size(value) if key.endswith('_size') else value}"
        for key, value in document.items()
        if value not in (None, "", []) and key != "warnings"
    ]
    lines += [
        f"{'layer':20} {layer['row_count']:,} rows, {show_size(layer['size'])}" for layer in layers
    ]
    lines += [f"{'warning':20} {warning}" for warning in record.warnings]
    invocation.output.show(
        {"repository": name, "restore_point": {**document, "layers": layers}}, *lines
    )
    return DONE
