"""A backup stopped at every single write, then run again."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.engine.backup import backup_folder
from core.engine.progress import Silent
from core.format import names
from core.limits import MIB
from core.model import Record
from core.sources.repository import Repository
from core.stores.store import Store
from tests.support.invariants import check_salts_differ
from tests.support.repositories import SECRET, names_in, new_repository, new_store
from tests.support.states import records_in, state_of
from tests.support.stores import Crash, CrashingStore
from tests.support.trees import Entry, content_of, make_special_files, make_tree, read_tree

ROOT = Path(__file__).parents[2]

# More than any of these backups writes; each test sees a run that is not stopped.
WRITES_MAX = 30


def back_up(repository: Repository, tree: Path) -> Record:
    return backup_folder(repository, tree, Silent(), lambda: False).record


def on(store: Store, opened: Repository) -> Repository:
    """Open a copy of a repository without deriving its keys again."""
    return Repository(store, opened.identity, opened.keys)


def backed_up(tree: Path) -> dict[bytes, Entry]:
    found = read_tree(tree).items()
    return {path: entry for path, entry in found if entry.kind != "special file"}


@pytest.fixture
def first_tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    make_tree(tree, {name: b"content of " + name.encode() for name in ("a", "b", "c/d")})
    make_special_files(tree / "special")
    return tree


def change(tree: Path) -> None:
    make_tree(tree, {"a": b"changed", "new/file": b"new"})
    (tree / "b").unlink()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "second"])
def test_a_backup_stopped_at_any_write_leaves_whole_points_and_a_rerun_makes_its_own(
    tmp_path: Path, first_tree: Path, *, is_first: bool, after: bool
) -> None:
    """I1, I2, I3: power is lost at each write in turn, before or after it has happened."""
    opened = new_repository(tmp_path / "repository", SECRET)
    states = []
    if not is_first:
        states.append(backed_up(first_tree))
        back_up(opened, first_tree)
        change(first_tree)
    states.append(backed_up(first_tree))
    for write_count in range(WRITES_MAX):
        folder = tmp_path / f"repository-{write_count}"
        shutil.copytree(tmp_path / "repository", folder)
        store = new_store(folder)
        before = {name: store.get(name) for name in names_in(store)}
        crashing = CrashingStore(store, write_count, after=after)
        try:
            back_up(on(crashing, opened), first_tree)
        except Crash:
            is_stopped = True
        else:
            is_stopped = False
        repository = on(store, opened)
        check(repository, before, states)
        back_up(repository, first_tree)
        check(repository, before, states)
        assert state_of(repository, records_in(repository)[-1]) == states[-1]
        if not is_stopped:
            assert write_count >= 7
            return
    pytest.fail("no run came to its end")


def check(
    repository: Repository, before: dict[str, bytes], states: list[dict[bytes, Entry]]
) -> None:
    store = repository.store
    assert {name: store.get(name) for name in before} == before, "I2: nothing is changed"
    for record in records_in(repository):
        assert state_of(repository, record) in states, "I1: what a point needs is there"
    if repository.identity.is_encrypted:
        check_salts_differ(store)


# A backup in a process of its own, which says when it begins.
PROGRAM = """
import sys
from pathlib import Path
from core.engine.backup import backup_folder
from core.engine.progress import Silent
from core.sources.repository import open_repository
from core.stores.folder import FolderStore
repository = open_repository(FolderStore(Path(sys.argv[1])), None)
print("begins", flush=True)
backup_folder(repository, Path(sys.argv[2]), Silent(), lambda: False)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_a_process_killed_at_any_moment_leaves_whole_points_and_a_rerun_makes_its_own(
    tmp_path: Path, seconds: float
) -> None:
    """I3."""
    tree = tmp_path / "tree"
    make_tree(tree, {f"{n // 50}/{n}": content_of(b"%d" % n, 20_000) for n in range(500)})
    make_tree(tree, {"large": content_of(b"", 20 * MIB)})
    repository = new_repository(tmp_path / "repository")
    command = [sys.executable, "-c", PROGRAM, repository.store.url[len("file://") :], str(tree)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begins\n"
    time.sleep(seconds)
    process.kill()
    process.wait()
    process.stdout.close()
    before = {name: repository.store.get(name) for name in names_in(repository.store)}
    states = [read_tree(tree)]
    check(repository, before, states)
    record = back_up(repository, tree)
    check(repository, before, states)
    assert record.item_count == len(states[0])
    stored_count = sum(1 for name in before if name.startswith(names.BLOBS))
    assert record.new_blob_count == 503 - stored_count


def test_a_rerun_stores_no_blob_twice(tmp_path: Path, first_tree: Path) -> None:
    opened = new_repository(tmp_path / "repository")
    store = opened.store
    # The marker, three blobs, then the power is gone.
    with pytest.raises(Crash):
        back_up(on(CrashingStore(store, 4), opened), first_tree)
    assert len(names_in(store, names.BLOBS)) == 3
    record = back_up(opened, first_tree)
    assert (record.new_blob_count, record.reused_blob_count) == (0, 3)
