"""Listed objects as rows: items of them, their ids, and what has changed."""

import hashlib
from collections.abc import Sequence

import pytest

from core.catalog.objects import (
    ObjectRow,
    create_objects,
    deduplicated_sql,
    difference_sql,
    item_reference_sql,
    items_sql,
    object_line,
    read_facts,
    write_objects,
)
from core.catalog.tables import read_items, write_items
from core.catalog.workspace import Workspace
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import Item, ItemKind
from core.sources.bucket import encode_reference, key_of
from core.stores.bucket import ListedObject

ODD: Sequence[ObjectRow] = [
    (b"", 0, "", 0),
    (b"a", 1, '"quoted\\"', 1_700_000_000),
    (b"\xff\0\n,'\"", BLOB_SIZE_MAX, "'", -1),
    ("ü".encode(), 2 * BLOB_SIZE_MAX + 1, "ü,\n", 9_223_372_036),
]


def list_objects(workspace: Workspace, rows: Sequence[ObjectRow], view: str = "objects") -> None:
    lines, path = workspace.new_path("lines", ".csv"), workspace.new_path("objects")
    lines.write_text("".join(map(object_line, rows)))
    facts = {"token": "it's \udcff", "end": ""}
    assert write_objects(workspace, lines, path, facts) == len(rows)
    assert read_facts(workspace, path) == facts
    create_objects(workspace, view, [path])


@pytest.fixture
def workspace() -> object:
    with Workspace(128 * MIB, threads=1) as workspace:
        yield workspace


def ids_of(row: ObjectRow) -> tuple[bytes, ...]:
    path, size, etag, modified = row
    listed = ListedObject(key=key_of(path), size=size, etag=etag, modified=modified)
    return tuple(
        hashlib.sha256(encode_reference(listed, start, min(BLOB_SIZE_MAX, size - start))).digest()
        for start in range(0, size, BLOB_SIZE_MAX)
    )


def test_items_have_the_ids_of_their_references(workspace: Workspace) -> None:
    list_objects(workspace, ODD)
    items = {item.path: item for item in read_items(workspace, items_sql("objects"))}
    assert len(items) == len(ODD)
    for row in ODD:
        item = items[row[0]]
        assert (item.kind, item.size, item.modified) == (ItemKind.FILE, row[1], row[3] * 10**9)
        assert item.blobs == ids_of(row)


def test_references_follow_from_items(workspace: Workspace) -> None:
    list_objects(workspace, ODD)
    reference = item_reference_sql("0", "0")
    found = {path: text for path, text in workspace.rows(
        f"select path, {reference} from {items_sql('objects')}"
    )}  # fmt: skip
    for path, size, etag, modified in ODD:
        listed = ListedObject(key=key_of(path), size=size, etag=etag, modified=modified)
        assert found[path] == encode_reference(listed, 0, 0)


def test_an_empty_listing_has_no_items(workspace: Workspace) -> None:
    create_objects(workspace, "objects", [])
    assert list(read_items(workspace, items_sql("objects"))) == []


def changed(workspace: Workspace, floor: int = 0) -> dict[bytes, bool]:
    query = difference_sql("objects", "(select * from target)", floor)
    return {item.path: item.is_deleted for item in read_items(workspace, query)}


def copied(
    path: bytes, etag: str, size: int = 1, seconds: int = 7, *, is_damaged: bool = False
) -> Item:
    metadata = f'{{"etag":"{etag}","properties":{{"content_type":"x"}}}}'
    return Item(
        path=path,
        kind=ItemKind.FILE,
        size=size,
        modified=seconds * 10**9,
        metadata=metadata,
        is_damaged=is_damaged,
    )


def test_only_what_a_listing_says_otherwise_has_changed(workspace: Workspace) -> None:
    listed = [b"etag", b"longer", b"new", b"same", b"size", b"time", b"damaged", b"empty"]
    list_objects(workspace, [(path, 0 if path == b"empty" else 1, "e", 7) for path in listed])
    target = [
        copied(b"etag", "f"), copied(b"longer", "ee"), copied(b"same", "e"), copied(b"gone", "e"),
        copied(b"size", "e", size=2), copied(b"time", "e", seconds=8), copied(b"empty", "f", 0),
        copied(b"damaged", "e", is_damaged=True),
    ]  # fmt: skip
    write_items(workspace, target, "target")
    expected = dict.fromkeys(
        [b"etag", b"longer", b"new", b"size", b"time", b"damaged", b"empty"], False
    )
    assert changed(workspace) == expected | {b"gone": True}


def test_what_is_older_than_the_floor_is_not_copied(workspace: Workspace) -> None:
    list_objects(workspace, [(b"a", 1, "e", 6), (b"b", 1, "e", 7), (b"c", 1, "e", 8)])
    write_items(workspace, [copied(b"a", "e", seconds=9)], "target")
    floor = 6 * 10**9 + 1
    assert changed(workspace, floor) == {b"a": True, b"b": False, b"c": False}


def test_the_last_changed_of_two_rows_counts(workspace: Workspace) -> None:
    list_objects(workspace, [(b"a", 1, "old", 6), (b"a", 2, "new", 7), (b"b", 3, "e", 1)])
    items = read_items(workspace, deduplicated_sql(items_sql("objects")))
    assert sorted((item.path, item.size) for item in items) == [(b"a", 2), (b"b", 3)]
