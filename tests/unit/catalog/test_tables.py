"""Rows into Parquet and out again, whatever bytes they are made of."""

from collections.abc import Iterator

import pytest

from core.catalog.tables import (
    BLOB_COLUMNS,
    DESCRIBED,
    INDEX_COLUMNS,
    PACK_COLUMNS,
    PART_COLUMNS,
    PartRow,
    pack_row,
    packed_blob,
    read_items,
    write_items,
    write_part,
    write_rows,
)
from core.catalog.workspace import Workspace, quote
from core.ids import BlobId, Digest, PackId, SessionId
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import Item, ItemKind, PackedBlob, PackRow

PACK = PackRow(
    session_id=SessionId("1" * 32),
    pack_id=PackId("2" * 32),
    size=1000,
    sha256=b"\xff" * 32,
    checksum_kind="crc'64",
    checksum_value="it's",
    header=bytes(range(56)),
)
BLOB = PackedBlob(
    id=BlobId(b"\x00" * 32),
    digest=Digest(b"\x01" * 32),
    frame_offset=5_000_000_000,
    frame_length=100,
    offset=7,
    length=9,
)


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB) as workspace:
        yield workspace


def hostile_items() -> list[Item]:
    paths = [
        b"",
        b"a,b",
        b"new\nline",
        b"qu\"ote'",
        b"\xff\xfe",
        b"NULL",
        b"x" * 5000,
        b"\0",
        b"\\",
    ]
    items = [
        Item(path=path, kind=ItemKind.FILE, size=number, modified=-number, metadata='{"a":","}')
        for number, path in enumerate(paths)
    ]
    blobs = tuple(BlobId(bytes([number]) * 32) for number in (3, 1, 2, 1))
    return [
        *items,
        Item(path=b"z1", kind=ItemKind.FILE, size=4 * BLOB_SIZE_MAX, blobs=blobs),
        Item(path=b"z2", kind=ItemKind.LINK, metadata='{"target":"ff"}', is_deleted=True),
        Item(path=b"z3", kind=ItemKind.FOLDER, modified=2**63 - 1, is_damaged=True),
    ]


def test_items_come_back_as_they_were(workspace: Workspace) -> None:
    items = hostile_items()
    assert write_items(workspace, iter(items), "stored") == len(items)
    found = list(read_items(workspace, "stored"))
    assert sorted(found, key=lambda item: item.path) == sorted(items, key=lambda item: item.path)


def test_items_come_in_the_order_asked_for(workspace: Workspace) -> None:
    write_items(workspace, hostile_items(), "stored")
    paths = [item.path for item in read_items(workspace, "stored", "order by path desc")]
    assert paths == sorted(paths, reverse=True)


def test_no_items_are_an_empty_table(workspace: Workspace) -> None:
    assert write_items(workspace, (), "stored") == 0
    assert list(read_items(workspace, "stored")) == []
    assert workspace.row("select count(*) from stored where len(blobs) > 0") == (0,)


def test_a_part_says_where_each_blob_is_or_what_is_wrong_with_it(workspace: Workspace) -> None:
    path = workspace.new_path("part")
    rows: list[PartRow] = [(4, "", BLOB, ""), (5, "missing", b"\x07" * 32, "")]
    assert write_part(workspace, path, PACK, rows) == 2
    stored = f"read_parquet({quote(path)})"
    first, second = workspace.rows(f"select {PART_COLUMNS} from {stored} order by ordinal")
    assert (first[:2], second[:2]) == ((4, ""), (5, "missing"))
    assert second[2] == b"\x07" * 32
    (packs,) = workspace.rows(f"select {PACK_COLUMNS} from {stored} where fault = ''")
    assert pack_row(packs) == PACK
    (blobs,) = workspace.rows(f"select {BLOB_COLUMNS} from {stored} where fault = ''")
    assert packed_blob(blobs) == BLOB


def test_a_part_of_a_bucket_carries_properties(workspace: Workspace) -> None:
    path = workspace.new_path("part")
    texts = ['{"a":"ü,\'\\"\\n"}', "", "{}"]
    rows: list[PartRow] = [
        (0, "", BLOB, texts[0]), (1, "", BLOB, texts[1]), (2, DESCRIBED, b"x" * 32, texts[2])
    ]  # fmt: skip
    write_part(workspace, path, PACK, rows, has_properties=True)
    query = f"select properties, fault from read_parquet({quote(path)}) order by ordinal"
    assert list(workspace.rows(query)) == list(zip(texts, ["", "", DESCRIBED], strict=True))


def test_a_part_without_a_pack_has_rows_of_the_same_kind(workspace: Workspace) -> None:
    with_pack, without = workspace.new_path("part"), workspace.new_path("part")
    write_part(workspace, with_pack, PACK, [(0, "", BLOB, "")])
    write_part(workspace, without, None, [(0, "damaged", b"\x07" * 32, "")])
    types = [
        list(workspace.rows(f"describe select {PART_COLUMNS} from read_parquet({quote(path)})"))
        for path in (with_pack, without)
    ]
    assert types[0] == types[1]


def test_a_part_holds_everything_that_the_index_needs() -> None:
    assert PART_COLUMNS.endswith(INDEX_COLUMNS)
    assert PACK_COLUMNS in INDEX_COLUMNS


def test_rows_that_are_written_are_seen_by_a_view(workspace: Workspace) -> None:
    for count in (3, 0):
        path = write_rows(workspace, "kept_rows", f"select range as n from range({count})")
        assert path.exists()
        assert sorted(workspace.rows("from kept_rows")) == [(n,) for n in range(count)]
