"""What layers show together, what changed between two of them, and what blobs that needs."""

from collections.abc import Iterator, Sequence

import pytest

from core.catalog.layers import (
    NO_FLOOR,
    blobs_sql,
    create_layers,
    difference_sql,
    invalid_item_count,
    squashed_sql,
    visible_sql,
)
from core.catalog.tables import ITEM_COLUMNS, read_items, write_items
from core.catalog.workspace import Workspace, quote
from core.ids import BlobId
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import Item, ItemKind

Rows = dict[str, int | None]


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB) as workspace:
        yield workspace


def item(path: str, modified: int | None) -> Item:
    """Return an item of that time; without one, the news that the path is gone."""
    return Item(
        path=path.encode(),
        kind=ItemKind.FILE,
        modified=modified or 0,
        is_deleted=modified is None,
    )


def stack(workspace: Workspace, layers: Sequence[Rows]) -> None:
    """Create the view ``stacked`` of layers, oldest first."""
    files = []
    for place, rows in enumerate(layers):
        write_items(workspace, [item(*row) for row in rows.items()], f"layer_{place}")
        path = workspace.new_path("layer")
        workspace.run(f"copy layer_{place} to {quote(path)} (format parquet)")
        files.append([path])
    create_layers(workspace, "stacked", files)


def shown(workspace: Workspace, query: str) -> Rows:
    found = list(read_items(workspace, query))
    assert len({item.path for item in found}) == len(found)
    return {item.path.decode(): None if item.is_deleted else item.modified for item in found}


LAYERS: list[Rows] = [{"a": 1, "b": 1, "c": 1}, {"b": None, "c": 2}, {"b": 3, "d": 3, "c": None}]


def test_the_newest_row_of_a_path_shows_and_deletions_hide(workspace: Workspace) -> None:
    stack(workspace, LAYERS)
    assert shown(workspace, visible_sql("stacked", NO_FLOOR)) == {"a": 1, "b": 3, "d": 3}
    stack_of_two = visible_sql("(select * from stacked where l < 2)", NO_FLOOR)
    assert shown(workspace, stack_of_two) == {"a": 1, "c": 2}


def test_rows_below_the_floor_hide_and_show_nothing_older(workspace: Workspace) -> None:
    stack(workspace, [{"a": 5, "b": -7}, {"a": 1}])
    assert shown(workspace, visible_sql("stacked", 2)) == {}
    assert shown(workspace, visible_sql("stacked", NO_FLOOR)) == {"a": 1, "b": -7}


def test_later_layers_alone_show_what_they_have(workspace: Workspace) -> None:
    stack(workspace, LAYERS)
    assert shown(workspace, visible_sql("stacked", NO_FLOOR, oldest=1)) == {"b": 3, "d": 3}


def test_squashed_layers_keep_deletions(workspace: Workspace) -> None:
    stack(workspace, LAYERS)
    assert shown(workspace, squashed_sql("stacked", 1)) == {"b": 3, "c": None, "d": 3}


def test_no_layers_show_nothing(workspace: Workspace) -> None:
    create_layers(workspace, "stacked", [])
    assert shown(workspace, visible_sql("stacked", NO_FLOOR)) == {}
    assert shown(workspace, squashed_sql("stacked", 0)) == {}


def items_table(workspace: Workspace, table: str, items: Sequence[Item]) -> None:
    write_items(workspace, items, table)


def file_item(path: str, **fields: object) -> Item:
    return Item(path=path.encode(), kind=ItemKind.FILE, **fields)  # type: ignore[arg-type]


def test_a_difference_turns_one_state_into_the_other(workspace: Workspace) -> None:
    one, two = BlobId(b"1" * 32), BlobId(b"2" * 32)
    same = file_item("same", size=3, blobs=(one,))
    source = [
        same,
        file_item("new"),
        file_item("blob", size=3, blobs=(two,)),
        file_item("mode", metadata='{"mode":1}'),
        file_item("time", modified=2),
        file_item("mended", size=3, blobs=(one,)),
    ]
    target = [
        same,
        file_item("gone", size=3, modified=9, blobs=(one,)),
        file_item("blob", size=3, blobs=(one,)),
        file_item("mode"),
        file_item("time", modified=1),
        file_item("mended", size=3, is_damaged=True),
    ]
    items_table(workspace, "source", source)
    items_table(workspace, "target", target)
    found = {
        i.path: i for i in read_items(workspace, difference_sql("source", "target", "s.blobs"))
    }
    assert set(found) == {b"new", b"blob", b"mode", b"time", b"mended", b"gone"}
    assert found[b"gone"] == file_item("gone", modified=9, is_deleted=True)
    assert all(found[item.path] == item for item in source if item.path in found)


def test_what_is_older_than_the_floor_was_not_deleted(workspace: Workspace) -> None:
    items_table(workspace, "source", [])
    items_table(workspace, "target", [item("old", 1), item("young", 5)])
    query = difference_sql("source", "target", "s.blobs", 3)
    assert shown(workspace, query) == {"young": None}


def test_blobs_have_the_lengths_that_follow_from_the_size(workspace: Workspace) -> None:
    blobs = tuple(BlobId(bytes([number]) * 32) for number in (1, 2, 3))
    items_table(
        workspace,
        "items",
        [
            file_item("large", size=2 * BLOB_SIZE_MAX + 5, blobs=blobs),
            file_item("exact", size=BLOB_SIZE_MAX, blobs=blobs[:1]),
            file_item("damaged", size=5, is_damaged=True),
            file_item("empty"),
        ],
    )
    numbered = f"(select row_number() over (order by path) as row_no, {ITEM_COLUMNS} from items)"
    query = f"select blob, ordinal, length from {blobs_sql(numbered)} order by length, ordinal"
    assert list(workspace.rows(query)) == [
        (blobs[2], 2, 5),
        (blobs[0], 0, BLOB_SIZE_MAX),
        (blobs[0], 0, BLOB_SIZE_MAX),
        (blobs[1], 1, BLOB_SIZE_MAX),
    ]


def test_items_that_contradict_themselves_are_counted(workspace: Workspace) -> None:
    blob = BlobId(b"1" * 32)
    items_table(
        workspace,
        "items",
        [
            file_item("good", size=1, blobs=(blob,)),
            file_item("empty"),
            file_item("flagged", size=7, is_damaged=True),
            Item(path=b"gone", kind=ItemKind.FILE, size=7, is_deleted=True),
            file_item("no blob", size=1),
            file_item("too many", size=1, blobs=(blob, blob)),
            file_item("negative", size=-1),
            Item(path=b"folder", kind=ItemKind.FOLDER, blobs=(blob,)),
        ],
    )
    assert invalid_item_count(workspace, "items") == 4
