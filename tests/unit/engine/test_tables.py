"""Tables on their way into a workspace and out of it."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core import limits
from core.catalog.tables import write_items
from core.catalog.workspace import Workspace, quote
from core.engine import cutting
from core.engine import tables as module
from core.engine.tables import ITEM_ROW_SIZE, Tables
from core.errors import IntegrityError, StoreError
from core.ids import BlobId
from core.limits import MIB
from core.model import Item, ItemKind, Layer, TableObject
from core.stores.folder import FolderStore
from tests.support.copies import make_repository
from tests.support.stores import Hooked, Kind, LostAnswer, Recording, Refusing, below

NUMBERS = "(select range as n from range({}))"


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    repository = make_repository(FolderStore(tmp_path, create=True), is_encrypted=True)
    with Workspace(64 * MIB) as workspace:
        yield Tables(repository, workspace)


def again(tables: Tables) -> Tables:
    """Return what another process would have: nothing fetched."""
    return Tables(tables.repository, tables.workspace)


def store(tables: Tables, count: int, stem: str = "sessions/x/t") -> tuple[TableObject, ...]:
    return tables.store(NUMBERS.format(count), "n", lambda k: f"{stem}-{k}.parquet", "8")


def numbers(tables: Tables, objects: tuple[TableObject, ...]) -> list[int]:
    found: list[int] = []
    for path in tables.fetch_all(objects):
        rows = tables.workspace.rows(f"select n from read_parquet({quote(path)})")
        found += [row[0] for row in rows]
    return found


def test_what_is_stored_comes_back_in_its_order(tables: Tables) -> None:
    (table,) = store(tables, 100)
    assert (table.name, table.rows) == ("sessions/x/t-0.parquet", 100)
    assert numbers(again(tables), (table,)) == list(range(100))


def test_no_rows_are_no_objects(tables: Tables) -> None:
    assert store(tables, 0) == ()


def test_a_large_table_is_cut_in_order_and_alike_by_everybody(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TABLE_OBJECT_SIZE_MAX", 160)
    objects = store(tables, 100)
    assert [table.name for table in objects] == [
        f"sessions/x/t-{number}.parquet" for number in range(len(objects))
    ]
    assert max(table.rows for table in objects) * 8 <= 160
    assert numbers(again(tables), objects) == list(range(100))
    assert store(again(tables), 100) == objects


def test_a_large_table_is_sorted_run_by_run_and_cut_alike(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TABLE_OBJECT_SIZE_MAX", 160)
    objects = store(tables, 100)
    monkeypatch.setattr(cutting, "_RUN_ROWS", 30)
    monkeypatch.setattr(cutting, "_SAMPLED_ROWS", 3)
    assert store(again(tables), 100, "sessions/y/t") == tuple(
        replace(table, name=table.name.replace("/x/", "/y/")) for table in objects
    )


@pytest.mark.parametrize("size_max", [160, MIB])
def test_rows_are_numbered_where_that_is_asked_for(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, size_max: int
) -> None:
    monkeypatch.setattr(module, "TABLE_OBJECT_SIZE_MAX", size_max)
    objects = tables.store(
        "(select -range as n from range(100))", "n", lambda k: f"sessions/x/t-{k}.parquet", "8",
        is_numbered=True,
    )  # fmt: skip
    rows = [
        row
        for path in tables.fetch_all(objects)
        for row in tables.workspace.rows(f"select row_no, n from read_parquet({quote(path)})")
    ]
    assert rows == [(number, number - 99) for number in range(100)]


def test_what_is_released_stays_as_long_as_there_is_room(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    (table,) = store(tables, 10)
    assert again(tables).find(table.name) is None
    path = tables.find(table.name)
    assert path is not None
    assert path.exists()
    tables.release_all()
    assert tables.fetch(table.name) == path
    monkeypatch.setattr(limits, "TABLES_KEPT_SHARE", 1 << 80)
    tight = again(tables)
    first = tight.fetch(table.name)
    tight.release_all()
    assert not first.exists()
    assert tight.find(table.name) is None
    # It is fetched again, and checked again.
    assert numbers(tight, (table,)) == list(range(10))


def test_what_is_stored_already_is_adopted(tables: Tables) -> None:
    first = store(tables, 10)
    assert store(again(tables), 10) == first


def test_what_was_stored_with_other_rows_is_never_adopted(tables: Tables) -> None:
    """Two runs that differ would make a table that is neither's, with holes between the two."""
    store(tables, 10)
    with pytest.raises(IntegrityError, match=r"t-0\.parquet is stored with 10 rows"):
        store(again(tables), 11)


def made_files(tables: Tables, then: Callable[[], object]) -> Iterator[tuple[Path, str]]:
    """Make two files; ``then`` is called before the second one is there."""
    for number in range(2):
        if number:
            then()
        path = tables.workspace.new_path("made")
        tables.workspace.run(f"copy {NUMBERS.format(number + 1)} to {quote(path)}")
        yield path, f"sessions/x/t-{number}.parquet"


def test_a_table_is_stored_while_the_next_is_made(tmp_path: Path) -> None:
    is_storing, is_made = threading.Event(), threading.Event()

    def wait(kind: Kind, name: str) -> None:
        if (kind, name) == ("put", "sessions/x/t-0.parquet"):
            is_storing.set()
            assert is_made.wait(30), "the next table waits for this one"

    def make() -> None:
        assert is_storing.wait(30)
        is_made.set()

    repository = make_repository(Hooked(FolderStore(tmp_path, create=True), wait))
    with Workspace(64 * MIB) as workspace:
        tables = Tables(repository, workspace)
        stored = tuple(tables.store_files(made_files(tables, make)))
        assert [table.rows for table in stored] == [1, 2]
        assert numbers(again(tables), stored) == [0, 0, 1]


def test_what_cannot_be_stored_is_an_error_of_the_whole(tmp_path: Path) -> None:
    store = Refusing(FolderStore(tmp_path, create=True), below("sessions/x/t-0"))
    with Workspace(64 * MIB) as workspace:
        tables = Tables(make_repository(store), workspace)
        with pytest.raises(StoreError):
            tuple(tables.store_files(made_files(tables, lambda: None)))


def test_nothing_is_stored_after_what_cannot_be(tmp_path: Path) -> None:
    """A store that is away is waited for once."""
    store = Recording(Refusing(FolderStore(tmp_path, create=True), below("sessions/x/t-0")))
    with Workspace(64 * MIB) as workspace:
        tables = Tables(make_repository(store), workspace)
        with pytest.raises(StoreError):
            tuple(tables.store_files(made_files(tables, lambda: None)))
    assert "sessions/x/t-1.parquet" not in store.names("put")


def test_what_was_made_is_stored_though_the_next_cannot_be(tables: Tables) -> None:
    """A call that is cut has not worked for nothing."""
    with pytest.raises(ZeroDivisionError):
        tuple(tables.store_files(made_files(tables, lambda: 1 // 0)))
    assert again(tables).describe("sessions/x/t-0.parquet").rows == 1


def test_a_lost_answer_is_no_failure(tmp_path: Path) -> None:
    repository = make_repository(LostAnswer(FolderStore(tmp_path, create=True), lambda n: "x" in n))
    with Workspace(64 * MIB) as workspace:
        (table,) = store(Tables(repository, workspace), 10)
    assert table.rows == 10


def test_what_was_fetched_once_is_not_fetched_again(tables: Tables) -> None:
    (table,) = store(tables, 10)
    recording = Recording(tables.repository.store)
    fresh = Tables(
        type(tables.repository)(recording, tables.repository.identity, tables.repository.keys),
        tables.workspace,
    )
    assert fresh.fetch(table.name) == fresh.fetch(table.name, table)
    assert recording.counts["get"] == 1


def test_a_missing_table_is_damage(tables: Tables) -> None:
    (table,) = store(tables, 10)
    tables.repository.store.delete([table.name])
    with pytest.raises(IntegrityError, match=r"t-0\.parquet is missing"):
        again(tables).fetch_all([table])


def test_a_missing_layer_says_how_it_comes_back(tables: Tables) -> None:
    gone = TableObject(name="layers/x-0.parquet", size=1, sha256="00", rows=1)
    with pytest.raises(IntegrityError, match=gone.name) as caught:
        tables.fetch_layers([Layer(objects=(gone,), rows=1)])
    assert "rebuild" in caught.value.hint


def test_a_table_with_another_digest_than_expected_is_refused(tables: Tables) -> None:
    (table,) = store(tables, 10)
    with pytest.raises(IntegrityError, match=table.name):
        again(tables).fetch_all([replace(table, sha256="00" * 32)])


@pytest.mark.parametrize("name", ["index/x-0.parquet", "layers/x-0.parquet", "sessions/x/parts/0"])
def test_a_whole_table_of_another_kind_is_refused(tables: Tables, name: str) -> None:
    tables.store(NUMBERS.format(3), "n", lambda _: name, "8")
    with pytest.raises(IntegrityError, match=f"{name} is not a table of its kind"):
        again(tables).fetch(name)


def test_an_object_that_is_no_table_is_refused(tables: Tables) -> None:
    tables.repository.write_object("index/x-0.parquet", b"no table")
    with pytest.raises(IntegrityError, match=r"index/x-0\.parquet"):
        tables.fetch("index/x-0.parquet")


def test_the_size_of_a_row_is_never_underrated(tables: Tables) -> None:
    """Where tables are cut follows from it, and no object may pass its bound."""
    chance = random.Random(6)
    items = [
        Item(
            path=chance.randbytes(chance.randrange(60)),
            kind=ItemKind.FILE,
            size=chance.getrandbits(60),
            modified=chance.getrandbits(62),
            metadata=chance.randbytes(20).hex(),
            blobs=tuple(BlobId(chance.randbytes(32)) for _ in range(blob_count)),
        )
        for blob_count in (0, 1, 2, 1_000) * 50
    ]
    write_items(tables.workspace, items, "items")
    (estimate,) = tables.workspace.row(f"select sum({ITEM_ROW_SIZE})::BIGINT from items")
    (table,) = tables.store("items", "path", lambda k: f"layers/x-{k}.parquet", ITEM_ROW_SIZE)
    assert table.size < estimate
