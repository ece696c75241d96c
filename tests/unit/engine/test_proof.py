"""What is nowhere to be had is found, and nothing else is called lost."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.catalog.tables import INDEX_COLUMNS
from core.catalog.workspace import Workspace
from core.engine.inventory import take_inventory
from core.engine.proof import (
    TableFiles,
    VisibleRows,
    find_lost,
    in_groups,
    open_sources,
    tables_of,
)
from core.errors import IntegrityError
from core.format import names
from core.limits import GIB, MIB
from core.model import Layer, TableObject
from core.sources.repository import Repository
from tests.support.copies import make_repository
from tests.support.points import (
    MadePack,
    file_item,
    folder_item,
    packed_id,
    write_index,
    write_pack,
    write_point,
)
from tests.support.repositories import new_store

CONTENTS = [b"one", b"two", b"three"]


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB) as workspace:
        yield workspace


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(new_store(tmp_path))


@pytest.fixture
def made(repository: Repository) -> MadePack:
    return write_pack(repository, [CONTENTS])


def lost_of(
    repository: Repository, workspace: Workspace, *, sizes: tuple[int, ...] = (), spoil: str = ""
) -> set[bytes]:
    """Return which of the packed contents, as a point's files, are lost."""
    lengths = sizes or tuple(map(len, CONTENTS))
    items = [
        file_item(b"%d" % number, length, [packed_id(repository, content)])
        for number, (content, length) in enumerate(zip(CONTENTS, lengths, strict=True))
    ]
    record = write_point(repository, [*items, folder_item(b"folder")])
    inventory = take_inventory(repository, workspace)
    files = TableFiles(repository, workspace)
    open_sources(workspace, [files.fetch_undescribed(n, INDEX_COLUMNS) for n in inventory.index])
    if spoil:
        workspace.run(spoil)
    find_lost(workspace, [files.fetch(table) for table in tables_of(record.layers)])
    lost = {row[0] for row in workspace.rows("select blob from lost")}
    visible = VisibleRows(repository, workspace)
    assert visible.count_lost(record) == len(lost)
    return {content for content in CONTENTS if packed_id(repository, content) in lost}


def test_what_the_index_places_in_a_listed_pack_is_there(
    repository: Repository, workspace: Workspace, made: MadePack
) -> None:
    write_index(repository, made.row, made.blobs)
    assert lost_of(repository, workspace) == set()


def test_what_no_index_places_is_lost(
    repository: Repository, workspace: Workspace, made: MadePack
) -> None:
    write_index(repository, made.row, made.blobs[1:])
    assert lost_of(repository, workspace) == {b"one"}


def test_what_is_in_a_missing_pack_is_lost(
    repository: Repository, workspace: Workspace, made: MadePack
) -> None:
    write_index(repository, made.row, made.blobs)
    repository.store.delete([made.name])
    assert lost_of(repository, workspace) == set(CONTENTS)


def test_what_is_in_a_pack_of_another_size_is_lost(
    repository: Repository, workspace: Workspace, made: MadePack
) -> None:
    write_index(repository, replace(made.row, size=made.row.size + 1), made.blobs)
    assert lost_of(repository, workspace) == set(CONTENTS)


def test_one_good_row_is_enough(
    repository: Repository, workspace: Workspace, made: MadePack
) -> None:
    write_index(repository, replace(made.row, size=1), made.blobs)
    write_index(repository, made.row, made.blobs)
    assert lost_of(repository, workspace) == set()


def test_loose_blobs_are_there_as_well(repository: Repository, workspace: Workspace) -> None:
    repository.store.put(names.blob(packed_id(repository, b"one")), b"stored")
    repository.store.put(names.blob(packed_id(repository, b"two")), b"")
    assert lost_of(repository, workspace) == {b"two", b"three"}


def test_a_blob_of_another_length_is_lost(
    repository: Repository, workspace: Workspace, made: MadePack
) -> None:
    write_index(repository, made.row, made.blobs)
    assert lost_of(repository, workspace, sizes=(3, 4, 5)) == {b"two"}


def test_what_was_read_and_is_bad_is_lost(
    repository: Repository, workspace: Workspace, made: MadePack
) -> None:
    write_index(repository, made.row, made.blobs)
    bad = made.blobs[2].id.hex()
    row = f"'{made.row.session_id}', '{made.row.pack_id}', unhex('{bad}')"
    spoil = f"insert into bad_rows values ({row})"
    assert lost_of(repository, workspace, spoil=spoil) == {b"three"}


def test_a_table_that_is_not_what_its_record_says_is_damage(
    repository: Repository, workspace: Workspace
) -> None:
    record = write_point(repository, [folder_item(b"a")])
    (table,) = tables_of(record.layers)
    for wrong in (
        replace(table, sha256="0" * 64),
        replace(table, size=table.size + 1),
        replace(table, rows=2),
        replace(table, name=names.layer(record.session_id, 9)),
    ):
        with pytest.raises(IntegrityError, match=wrong.name):
            TableFiles(repository, workspace).fetch(wrong)
    with pytest.raises(IntegrityError, match="not a readable table"):
        TableFiles(repository, workspace).fetch(table, INDEX_COLUMNS)


def test_files_that_are_not_kept_are_deleted(repository: Repository, workspace: Workspace) -> None:
    tables = [
        table
        for name in (b"a", b"b")
        for table in tables_of(write_point(repository, [folder_item(name)]).layers)
    ]
    files = TableFiles(repository, workspace)
    paths = [files.fetch(table) for table in tables]
    files.keep({tables[1].name})
    assert [path.exists() for path in paths] == [False, True]
    assert files.fetch(tables[1]) == paths[1]


def test_groups_are_bounded_and_complete() -> None:
    sizes = [600 * MIB, 600 * MIB, 100 * MIB, 3 * GIB, 1, 2]
    tables = [
        TableObject(name=str(n), size=size, sha256="", rows=1) for n, size in enumerate(sizes)
    ]
    groups = [[table.name for table in group] for group in in_groups(tables)]
    assert groups == [["0"], ["1", "2"], ["3"], ["4", "5"]]
    assert list(in_groups([])) == []


def test_tables_come_in_the_layers_order() -> None:
    tables = [TableObject(name=str(n), size=1, sha256="", rows=1) for n in range(3)]
    layers = [Layer(objects=tuple(tables[:2]), rows=2), Layer(objects=tuple(tables[2:]), rows=1)]
    assert list(tables_of(layers)) == tables
