"""Power is lost at every single write of a rebuild; running it again finishes (I3, I8)."""

import shutil
from pathlib import Path

import pytest

from core.engine.points import list_points
from core.engine.progress import Silent
from core.engine.rebuild import rebuild_repository
from core.format import names
from core.model import Record
from core.sources.repository import open_repository
from core.stores.store import Store
from tests.support.copies import SECRET, Pair, back_up, make_pair, read_copied
from tests.support.invariants import check_copies
from tests.support.repositories import names_in, new_store
from tests.support.stores import Crash, CrashingStore

State = dict[str, dict[bytes, bytes]]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Make copies of three points."""
    pair = make_pair(tmp_path_factory.mktemp("pair"), is_encrypted=True)
    for number in range(3):
        back_up(pair.source, {b"%d" % number: b"content %d" % number, b"same": b"%d" % number})
        pair.copied()
    return pair


def states_of(store: Store) -> State:
    repository = open_repository(store, lambda: SECRET)
    records: list[Record] = [repository.read_record(p.name) for p in list_points(repository)]
    return {record.id: read_copied(repository, record) for record in records}


def left_of(store: Store, folder: Path) -> Store:
    """Copy to a new folder what is left when all hot metadata is lost."""
    root = Path(store.url.removeprefix("file://"))
    shutil.copytree(root / "packs", folder / "packs")
    return new_store(folder)


def rebuild(store: Store) -> None:
    rebuild_repository(store, lambda: SECRET, Silent())


@pytest.mark.parametrize("after", [False, True])
def test_a_rebuild_is_finished_by_running_it_again(
    pair: Pair, tmp_path: Path, *, after: bool
) -> None:
    whole = states_of(pair.target.store)
    counted = CrashingStore(left_of(pair.target.store, tmp_path / "counted"))
    rebuild(counted)
    assert counted.write_count > 3 * len(whole)
    for number in range(counted.write_count):
        store = left_of(pair.target.store, tmp_path / str(number))
        with pytest.raises(Crash):
            rebuild(CrashingStore(store, number, after=after))
        if names_in(store, names.RECORDS):
            # I1: a point that exists again can be read, whatever else is still missing.
            assert states_of(store).items() <= whole.items()
        rebuild(store)
        assert states_of(store) == whole
        check_copies(open_repository(store, lambda: SECRET))


@pytest.mark.parametrize("after", [False, True])
def test_an_index_made_from_packs_is_whole_after_a_crash(
    pair: Pair, tmp_path: Path, *, after: bool
) -> None:
    """What a crash leaves of a recovered index is either used or made again (I8)."""
    whole = states_of(pair.target.store)
    start = new_store(tmp_path / "start")
    shutil.copytree(pair.target.store.url.removeprefix("file://"), tmp_path / "start")
    start.delete(names_in(start, names.INDEX))
    start.delete([name for name in names_in(start, names.PACKS) if "/meta-" in name])
    number = 0
    while True:
        shutil.copytree(tmp_path / "start", tmp_path / str(number))
        store = new_store(tmp_path / str(number))
        try:
            rebuild(CrashingStore(store, number, after=after))
        except Crash:
            rebuild(store)
            assert states_of(store) == whole
            number += 1
        else:
            break
    # The texts, an index object, and the metadata pack that repeats it.
    assert number >= 4
