"""Data is read to its last byte; whatever is wrong with an object is that object's fault."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.catalog.tables import INDEX_COLUMNS
from core.catalog.workspace import Workspace
from core.engine.damage import Faults
from core.engine.inventory import take_inventory
from core.engine.progress import Silent
from core.engine.proof import TableFiles, open_sources
from core.engine.verify_data import DataReader
from core.engine.verify_terms import Share, Terms
from core.errors import NotReadyError, StoreError
from core.format import names
from core.limits import MIB
from core.sources.repository import Repository
from core.stores.store import Store
from tests.support.copies import make_repository, through
from tests.support.points import MadePack, write_index, write_pack
from tests.support.repositories import new_store
from tests.support.stores import Hooked, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A finished run: what it put aside, and the reader that did."""

    reader: DataReader
    reasons: dict[str, str]
    bad_rows: list[bytes]
    bad_blobs: list[bytes]


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB) as workspace:
        yield workspace


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(new_store(tmp_path), is_encrypted=True)


@pytest.fixture
def packs(repository: Repository) -> list[MadePack]:
    made = [write_pack(repository, [[b"%d" % n, b"x%d" % n]]) for n in range(4)]
    for pack in made:
        write_index(repository, pack.row, pack.blobs)
    return made


def terms_of(percent: int = 100, marked: frozenset[str] = frozenset()) -> Terms:
    return Terms(
        share=Share(percent, 0),
        marked=marked,
        faults=Faults(),
        progress=Silent(),
        stop=lambda: False,
    )


def read(repository: Repository, workspace: Workspace, terms: Terms) -> Reading:
    inventory = take_inventory(repository, workspace)
    files = TableFiles(repository, workspace)
    open_sources(workspace, [files.fetch_undescribed(n, INDEX_COLUMNS) for n in inventory.index])
    reader = DataReader(repository, workspace, terms)
    reader.read_packs()
    reader.read_blobs()
    return Reading(
        reader=reader,
        reasons={damage.name: damage.reason for damage, _ in terms.faults.found(set())},
        bad_rows=[row[0] for row in workspace.rows("select id from bad_rows")],
        bad_blobs=[row[0] for row in workspace.rows("select id from bad_blobs")],
    )


def failing(store: Store, error: Exception, *failing_names: str) -> Store:
    """Return the store as it is when some objects cannot be read."""

    def fail(kind: Kind, name: str) -> None:
        if kind in {"get", "get_range"} and name in failing_names:
            raise error

    return Hooked(store, fail)


def test_good_data_is_counted(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    blobs = [repository.put_blob(b"%d" % number)[0] for number in range(7)]
    found = read(repository, workspace, terms_of())
    assert (found.reasons, found.bad_rows, found.bad_blobs) == ({}, [], [])
    counts = found.reader.counts
    assert (counts.pack_count, counts.blob_count) == (len(packs), len(blobs))
    assert counts.archived_count == 0


def test_nothing_is_read_without_a_share(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    blob_id, _ = repository.put_blob(b"loose")
    unread = [pack.name for pack in packs] + [names.blob(blob_id)]
    store = failing(repository.store, AssertionError("read"), *unread)
    found = read(through(repository, store), workspace, terms_of(0))
    assert found.reader.counts.size == 0


def test_packs_that_no_index_names_are_not_read(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    dead = write_pack(repository, [[b"dead"]])
    store = failing(repository.store, AssertionError("read"), dead.name)
    found = read(through(repository, store), workspace, terms_of())
    assert found.reader.counts.pack_count == len(packs)


def test_an_object_that_the_disk_cannot_read_is_damaged(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    blob_id, _ = repository.put_blob(b"loose")
    error = StoreError("cannot read it: Input/output error")
    store = failing(repository.store, error, packs[1].name, names.blob(blob_id))
    found = read(through(repository, store), workspace, terms_of())
    assert found.reasons == dict.fromkeys([packs[1].name, names.blob(blob_id)], error.message)
    assert set(found.bad_rows) == {blob.id for blob in packs[1].blobs}
    assert found.bad_blobs == [blob_id]


def test_a_store_that_is_gone_is_no_damage(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    def fail(kind: Kind, name: str) -> None:
        if name == packs[0].name or kind == "head":
            raise StoreError("the folder is not there")

    with pytest.raises(StoreError, match="not there"):
        read(through(repository, Hooked(repository.store, fail)), workspace, terms_of())


def test_archived_packs_are_counted_and_trusted(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    store = failing(repository.store, NotReadyError("archived"), packs[2].name)
    found = read(through(repository, store), workspace, terms_of())
    assert (found.reasons, found.bad_rows) == ({}, [])
    assert found.reader.counts.archived_count == 1
    assert found.reader.counts.pack_count == len(packs) - 1


@pytest.mark.parametrize("wrong", ["sha256", "header"])
def test_an_index_that_describes_another_pack_is_told(
    repository: Repository, workspace: Workspace, wrong: str
) -> None:
    made = write_pack(repository, [[b"one"]])
    digest = replace(made.row, sha256=bytes(32))
    header = replace(made.row, header=bytes(56))
    write_index(repository, digest if wrong == "sha256" else header, made.blobs)
    found = read(repository, workspace, terms_of())
    assert list(found.reasons) == [made.name]
    # Blobs are opened by the header; another digest of the whole costs none of them.
    assert bool(found.bad_rows) is (wrong == "header")


def test_rows_that_two_index_objects_repeat_are_one(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    write_index(repository, packs[0].row, packs[0].blobs)
    found = read(repository, workspace, terms_of())
    assert found.reader.counts.pack_count == len(packs)
    assert found.reasons == {}


def test_what_is_listed_as_damaged_and_is_whole_is_told(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    blob_id, _ = repository.put_blob(b"loose")
    marked = frozenset({packs[0].name, names.blob(blob_id)})
    found = read(repository, workspace, terms_of(1, marked))
    assert found.reader.whole == marked
    assert (found.bad_rows, found.bad_blobs) == ([], [])


def test_without_reading_no_blob_of_a_listed_pack_counts(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    blob_id, _ = repository.put_blob(b"loose")
    terms = terms_of(0, frozenset({packs[0].name, names.blob(blob_id)}))
    found = read(repository, workspace, terms)
    assert set(found.bad_rows) == {blob.id for blob in packs[0].blobs}
    assert packs[0].name in terms.faults
    # A loose blob is small: it is read to know.
    assert found.reader.whole == {names.blob(blob_id)}


def test_the_first_error_ends_it(
    repository: Repository, workspace: Workspace, packs: list[MadePack]
) -> None:
    calls = iter(range(3))
    terms = replace(terms_of(), stop=lambda: next(calls, None) is None)
    for number in range(200):
        repository.put_blob(b"%d" % number)
    with pytest.raises(NotReadyError, match="stopped"):
        read(repository, workspace, terms)
