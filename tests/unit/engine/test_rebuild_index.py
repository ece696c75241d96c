"""Packs tell which blobs they hold; only whole packs are believed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catalog.workspace import Workspace
from core.engine.inventory import take_inventory
from core.engine.metadata import list_metadata_packs, read_listing
from core.engine.progress import Silent
from core.engine.rebuild_index import IndexRecovery
from core.errors import NotReadyError
from core.limits import MIB
from core.sources.repository import Repository
from tests.support.copies import index_places, make_repository, through
from tests.support.damaged_stores import ByteFlipped, Truncated
from tests.support.points import packed_id, write_pack
from tests.support.repositories import names_in, new_store
from tests.support.stores import Recording, below


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB) as workspace:
        yield workspace


@pytest.fixture(params=[False, True], ids=["plain", "sealed"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    return make_repository(new_store(tmp_path), is_encrypted=request.param)


def recovery(repository: Repository, workspace: Workspace, *lost: bytes) -> IndexRecovery:
    take_inventory(repository, workspace)
    workspace.run("create table lost (blob BLOB)")
    for content in lost:
        workspace.run("insert into lost values (?)", [packed_id(repository, content)])
    return IndexRecovery(repository, workspace, Silent())


def go_on() -> None:
    return


def test_the_index_places_what_was_lost(repository: Repository, workspace: Workspace) -> None:
    made = write_pack(repository, [[b"one", b"two"], [b"three"]])
    (name,) = recovery(repository, workspace, b"two").recover(go_on)
    places = index_places(repository, [name])
    assert places == {blob.id: [(made.row, blob)] for blob in made.blobs}


def test_the_new_index_is_beside_the_packs_as_well(
    repository: Repository, workspace: Workspace
) -> None:
    """I8: what was recovered once need not be recovered again."""
    write_pack(repository, [[b"one"]])
    names = recovery(repository, workspace, b"one").recover(go_on)
    (run,) = list_metadata_packs(repository).values()
    listing = read_listing(repository, run)
    assert listing is not None
    assert tuple(listing) == names


def test_only_packs_that_hold_something_lost_are_read(
    repository: Repository, workspace: Workspace
) -> None:
    wanted = write_pack(repository, [[b"one"]])
    other = write_pack(repository, [[bytes([n]) * 9_000] for n in range(20)])
    store = Recording(repository.store)
    recovery(through(repository, store), workspace, b"one").recover(go_on)
    reads = store.names("get_range")
    assert reads.count(other.name) <= 4 < reads.count(wanted.name)


def test_a_pack_that_is_not_whole_is_left_out_and_told(
    repository: Repository, workspace: Workspace
) -> None:
    made = write_pack(repository, [[b"one"], [b"two" * 100]])
    for damage in (
        ByteFlipped(repository.store, 12, below(made.name)),
        Truncated(repository.store, below(made.name)),
    ):
        found = recovery(through(repository, damage), workspace, b"one")
        assert found.recover(go_on) == ()
        assert [problem.name for problem in found.problems] == [made.name]
        workspace.run("drop table lost")
        workspace.run("drop table listed_packs")
        workspace.run("drop table listed_blobs")


def test_nothing_found_writes_nothing(repository: Repository, workspace: Workspace) -> None:
    write_pack(repository, [[b"one"]])
    before = names_in(repository.store)
    assert recovery(repository, workspace, b"other").recover(go_on) == ()
    assert names_in(repository.store) == before


def test_it_can_be_stopped(repository: Repository, workspace: Workspace) -> None:
    write_pack(repository, [[b"one"]])

    def stop() -> None:
        raise NotReadyError("stopped")

    with pytest.raises(NotReadyError):
        recovery(repository, workspace, b"one").recover(stop)
