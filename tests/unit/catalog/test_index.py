"""Known blobs, ids without reading, and what does not count."""

import secrets
from collections.abc import Iterator

import pytest

from core import ids
from core.catalog.index import (
    create_excluded,
    create_index,
    mapped_id_sql,
    mapped_list_sql,
    range_bounds,
    range_number_sql,
    unproved_count,
    usable_sql,
)
from core.catalog.tables import write_part
from core.catalog.workspace import Workspace, quote
from core.errors import IntegrityError
from core.ids import BlobId, Digest, PackId, SessionId
from core.limits import MIB
from core.model import PackedBlob, PackRow


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB) as workspace:
        yield workspace


def pack(number: int) -> PackRow:
    return PackRow(
        session_id=SessionId("1" * 32), pack_id=PackId(f"{number:032x}"), size=1, sha256=b"s" * 32
    )


def blob(number: int) -> PackedBlob:
    return PackedBlob(
        id=BlobId(b"%032d" % number),
        digest=Digest(b"d" * 32),
        frame_offset=0,
        frame_length=1,
        offset=0,
        length=1,
    )


@pytest.mark.parametrize("id_key", [None, bytes(range(32))], ids=["plain", "keyed"])
@pytest.mark.parametrize("space", ["sha256", "bucket:it's"])
def test_the_database_computes_the_same_ids(
    workspace: Workspace, space: str, id_key: bytes | None
) -> None:
    source = [secrets.token_bytes(32) for _ in range(20)]
    expected = [ids.packed_blob_id(one, space, id_key) for one in source]
    workspace.run("create table s as select unnest(?) as id, 0 as n", [source])  # type: ignore[list-item]
    mapped = workspace.rows(f"select {mapped_id_sql('id', space, id_key)} from s")
    assert sorted(row[0] for row in mapped) == sorted(expected)
    (lists,) = workspace.row(
        f"select {mapped_list_sql('l', space, id_key)} from (select list(id) as l from s)"
    )
    assert sorted(lists) == sorted(expected)
    assert workspace.row(f"select {mapped_list_sql('[]::BLOB[]', space, id_key)}") == ([],)


def test_index_objects_and_the_good_rows_of_parts_are_known(workspace: Workspace) -> None:
    index, part = workspace.new_path("index"), workspace.new_path("part")
    write_part(workspace, index, pack(1), [(0, "", blob(1), ""), (1, "", blob(2), "")])
    write_part(workspace, part, pack(2), [(0, "", blob(3), ""), (1, "missing", b"%032d" % 4, "")])
    create_index(workspace, "known", [index], [part])
    found = {row[0] for row in workspace.rows("select id from known")}
    assert found == {blob(1).id, blob(2).id, blob(3).id}


def test_no_index_knows_nothing(workspace: Workspace) -> None:
    create_index(workspace, "known", [])
    assert workspace.row("select count(*) from known") == (0,)


def test_excluded_packs_do_not_count(workspace: Workspace) -> None:
    index = workspace.new_path("index")
    write_part(workspace, index, pack(1), [(0, "", blob(1), "")])
    other = workspace.new_path("index")
    write_part(workspace, other, pack(2), [(0, "", blob(2), "")])
    create_index(workspace, "known", [index, other])
    create_excluded(workspace, "excluded", [(pack(1).session_id, pack(1).pack_id)])
    rows = workspace.rows(f"select id from {usable_sql('known', 'excluded')}")
    assert [row[0] for row in rows] == [blob(2).id]


def test_names_that_no_pack_has_never_become_part_of_a_statement(workspace: Workspace) -> None:
    with pytest.raises(IntegrityError):
        create_excluded(workspace, "excluded", [("'); drop table x; --", "0" * 32)])


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000])
def test_ranges_cover_all_ids_once(count: int) -> None:
    bounds = [range_bounds(number, count) for number in range(count)]
    assert bounds[0][0] == bytes(4)
    assert bounds[-1][1] is None
    assert [high for _, high in bounds[:-1]] == [low for low, _ in bounds[1:]]
    assert all(high is None or low < high for low, high in bounds)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000])
def test_an_id_at_a_bound_is_in_the_range_that_begins_there(
    workspace: Workspace, count: int
) -> None:
    for number in range(count):
        low, _ = range_bounds(number, count)
        before = (int.from_bytes(low, "big") - 1 & 0xFFFFFFFF).to_bytes(4, "big")
        blobs = [low + bytes(28), before + b"\xff" * 28]
        found = [
            workspace.row("select " + range_number_sql(f"unhex('{blob.hex()}')", count))[0]
            for blob in blobs
        ]
        assert found == [number, (number - 1) % count]


def test_unproved_ids_are_counted(workspace: Workspace) -> None:
    path = workspace.new_path("index")
    write_part(workspace, path, pack(1), [(0, "", blob(1), "")])
    needed = f"(select id from read_parquet({quote(path)}) union all select 'x'::BLOB)"
    create_index(workspace, "known", [path])
    assert unproved_count(workspace, needed, "known") == 1
    create_index(workspace, "known", [])
    assert unproved_count(workspace, needed, "known") == 2
