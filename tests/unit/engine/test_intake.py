"""Content on its way into blobs: all of it, in bounded memory, and only while it holds still."""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core import ids
from core.engine.intake import Budget, Intake, SourceFile
from core.engine.progress import Silent
from core.engine.scan import Tree
from core.engine.skipped import CHANGING, REPLACED, VANISHED, SkipList
from core.errors import NotReadyError, StoreError
from core.format import names
from core.limits import BLOB_SIZE_MAX, FETCH_BYTES_IN_FLIGHT_MAX, MIB
from core.model import Item
from core.sources.repository import Repository
from core.stores.store import ObjectHead
from tests.support.repositories import (
    SECRET,
    create_in,
    names_in,
    new_repository,
    new_store,
    reopen,
)
from tests.support.stores import Crash, CrashingStore, Refusing, Wrapping, below
from tests.support.trees import LARGE_SIZES, SMALL_SIZES, content_of, make_tree
from tests.support.users import ordinary_folder, ordinary_user


def never() -> bool:
    return False


class Taken:
    """What an intake took in."""

    def __init__(self) -> None:
        self.items: dict[bytes, Item] = {}
        self.skips = SkipList()
        self.log: list[str] = []

    @property
    def skipped(self) -> dict[bytes, str]:
        return {item.path: item.reason for item in self.skips.items}


def take(
    repository: Repository,
    root: Path,
    paths: Iterable[bytes],
    log: Path,
    stop: Callable[[], bool] = never,
    damaged: frozenset[bytes] = frozenset(),
) -> tuple[Taken, Intake]:
    taken = Taken()
    with Intake(repository, taken.skips, log, Silent(), damaged) as intake:
        for item in intake.read_files(Tree(root), paths, stop):
            assert item.path not in taken.items
            taken.items[item.path] = item
    taken.log = log.read_text().splitlines()
    return taken, intake


def content_in(repository: Repository, item: Item) -> bytes:
    return b"".join(repository.read_blob(blob) for blob in item.blobs)


@pytest.mark.parametrize("secret", [None, SECRET])
def test_files_of_every_size_come_back_from_their_blobs(tmp_path: Path, secret: str | None) -> None:
    repository = new_repository(tmp_path / "repository", secret)
    files = {b"f/%d" % size: content_of(b"", size) for size in (*SMALL_SIZES, *LARGE_SIZES)}
    make_tree(tmp_path / "tree", files)
    taken, intake = take(repository, tmp_path / "tree", sorted(files), tmp_path / "log")
    assert {path: content_in(repository, item) for path, item in taken.items.items()} == files
    assert {path: item.size for path, item in taken.items.items()} == {
        path: len(content) for path, content in files.items()
    }
    for item in taken.items.values():
        pieces = [len(repository.read_blob(blob)) for blob in item.blobs]
        assert all(size == BLOB_SIZE_MAX for size in pieces[:-1])
    stored = {head.name: head.size for head in repository.store.list(names.BLOBS)}
    assert set(stored) == {names.blob(bytes.fromhex(text)) for text in taken.log}
    assert intake.counts.new_blob_count == len(stored)
    assert intake.counts.stored_size == sum(stored.values())
    assert taken.skipped == {}


def test_what_is_there_already_is_found_and_counted(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"a": b"same", "b": b"same", "c": b"other"})
    _, first = take(repository, tmp_path / "tree", [b"a", b"b"], tmp_path / "log")
    assert (first.counts.new_blob_count, first.counts.found_blob_count) == (1, 1)
    assert first.counts.new_content_size == 4
    taken, second = take(repository, tmp_path / "tree", [b"a", b"c"], tmp_path / "log")
    assert (second.counts.new_blob_count, second.counts.found_blob_count) == (1, 1)
    assert len(taken.log) == 2


def test_an_item_describes_the_file_that_was_read_not_the_one_that_was_listed(
    tmp_path: Path,
) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"content"})
    os.utime(tmp_path / "tree/file", ns=(7, 7))
    (tmp_path / "tree/file").chmod(0o640)
    taken, _ = take(repository, tmp_path / "tree", [b"file"], tmp_path / "log")
    item = taken.items[b"file"]
    assert (item.size, item.modified) == (7, 7)
    assert f'"mode":{0o640}' in item.metadata


def test_files_that_vanish_before_they_are_read_are_skipped(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"a": b"1", "folder/b": b"2", "stays": b"3"})

    def deleting() -> Iterator[bytes]:
        for path in (b"a", b"folder/b"):
            (tmp_path / "tree" / os.fsdecode(path)).unlink()
            yield path
        (tmp_path / "tree/folder").rmdir()
        yield b"folder/c"
        yield b"stays"

    taken, _ = take(repository, tmp_path / "tree", deleting(), tmp_path / "log")
    assert set(taken.items) == {b"stays"}
    assert taken.skipped == {b"a": VANISHED, b"folder/b": VANISHED, b"folder/c": VANISHED}


REPLACEMENTS: dict[str, Callable[[Path], None]] = {
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "link": lambda path: path.symlink_to("secret"),
}


@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_a_file_that_was_replaced_is_skipped_and_holds_nothing_up(
    tmp_path: Path, kind: str
) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"1", "secret": b"2"})
    (tmp_path / "tree/file").unlink()
    REPLACEMENTS[kind](tmp_path / "tree/file")
    taken, _ = take(repository, tmp_path / "tree", [b"file"], tmp_path / "log")
    assert (taken.items, taken.skipped) == ({}, {b"file": REPLACED})
    assert names_in(repository.store, names.BLOBS) == []


def test_a_file_that_may_not_be_read_is_skipped() -> None:
    with ordinary_folder() as folder, ordinary_user():
        repository = new_repository(folder / "repository")
        make_tree(folder / "tree", {"closed": b"1", "open": b"2"})
        (folder / "tree/closed").chmod(0)
        taken, _ = take(repository, folder / "tree", [b"closed", b"open"], folder / "log")
    assert set(taken.items) == {b"open"}
    assert taken.skipped == {b"closed": "cannot be read: Permission denied"}


class Touching(Silent):
    """A watcher that changes a file whenever some content has been stored."""

    def __init__(self, path: Path, times: int) -> None:
        self.path = path
        self.left = times

    def advance(self, size: int = 0, count: int = 0) -> None:
        if size and self.left:
            self.left -= 1
            with self.path.open("r+b") as file:
                file.write(b"%08d" % self.left)


@pytest.mark.parametrize("times", [1, 1_000])
def test_a_large_file_that_changes_is_read_again_and_at_last_skipped(
    tmp_path: Path, times: int
) -> None:
    repository = new_repository(tmp_path / "repository")
    # More than may be in flight: its beginning is stored before its end is read.
    size = FETCH_BYTES_IN_FLIGHT_MAX + 3 * BLOB_SIZE_MAX
    make_tree(tmp_path / "tree", {"file": bytes(size)})
    progress = Touching(tmp_path / "tree/file", times)
    skips = SkipList()
    with Intake(repository, skips, tmp_path / "log", progress) as intake:
        items = list(intake.read_files(Tree(tmp_path / "tree"), [b"file"], never))
    if times == 1:
        (item,) = items
        assert content_in(repository, item) == (tmp_path / "tree/file").read_bytes()
        assert skips.count == 0
    else:
        assert items == []
        assert [(item.path, item.reason) for item in skips.items] == [(b"file", CHANGING)]


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda path: path.write_bytes(b"CONTENT"),
    "shorter": lambda path: path.write_bytes(b"c"),
    "longer": lambda path: path.write_bytes(b"content and more"),
    "mode": lambda path: path.chmod(0o600),
    "name": lambda path: path.rename(path.with_name("other")),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_to_an_open_file_unsettles_it(tmp_path: Path, change: str) -> None:
    make_tree(tmp_path, {"file": b"content"})
    with SourceFile(Tree(tmp_path).open_folder(b""), b"file") as file:
        assert file.is_settled()
        CHANGES[change](tmp_path / "file")
        assert not file.is_settled()


def test_a_file_that_changed_a_moment_ago_is_given_time(tmp_path: Path) -> None:
    """Two changes in one tick of the file system's clock leave one and the same time."""
    make_tree(tmp_path, {"file": b"content"})
    written = (tmp_path / "file").stat().st_ctime
    with SourceFile(Tree(tmp_path).open_folder(b""), b"file"):
        assert time.time() - written >= 0.02


@pytest.mark.skipif(not Path("/proc/sys/kernel/ostype").exists(), reason="needs Linux's /proc")
def test_a_file_without_a_true_size_is_never_stored_as_empty(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    taken, _ = take(repository, Path("/proc/sys/kernel"), [b"ostype"], tmp_path / "log")
    assert (taken.items, taken.skipped) == ({}, {b"ostype": CHANGING})


def test_stopping_ends_between_two_pieces_and_says_how_to_go_on(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {})
    (tmp_path / "tree").mkdir()
    with (tmp_path / "tree/large").open("wb") as file:
        file.truncate(64 * 1024 * MIB)
    started = time.monotonic()
    with pytest.raises(NotReadyError, match="stopped") as raised:
        take(
            repository,
            tmp_path / "tree",
            [b"large"],
            tmp_path / "log",
            stop=lambda: time.monotonic() > started + 0.5,
        )
    assert "Run it again" in raised.value.hint
    assert time.monotonic() - started < 30


def test_a_store_that_fails_ends_everything(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    repository = reopen(Refusing(store, below(names.BLOBS)))
    files = {f"f{number}": b"%d" % number for number in range(200)}
    make_tree(tmp_path / "tree", {**files, "large": bytes(20 * MIB)})
    paths = [os.fsencode(path) for path in (*files, "large")]
    with pytest.raises(StoreError, match="refused"):
        take(repository, tmp_path / "tree", paths, tmp_path / "log")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read")]


def test_a_power_cut_is_swallowed_by_no_thread(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    repository = reopen(CrashingStore(store, 1))
    make_tree(tmp_path / "tree", {"large": content_of(b"", 20 * MIB)})
    with pytest.raises(Crash):
        take(repository, tmp_path / "tree", [b"large"], tmp_path / "log")


def test_running_out_of_descriptors_is_no_reason_to_skip(tmp_path: Path) -> None:
    make_tree(tmp_path, {"folder/file": b""})
    tree = Tree(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(tmp_path, os.O_RDONLY))
        with pytest.raises(StoreError, match="Too many open files"):
            tree.open_folder(b"folder")
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Meeting(Wrapping):
    """A store whose writes wait until so many are under way; ``met`` says whether they were."""

    def __init__(self, store: Wrapping, count: int) -> None:
        super().__init__(store)
        self._changed = threading.Condition()
        self._waits_for = count
        self.met = True

    def put(self, name: str, data: bytes) -> ObjectHead:
        with self._changed:
            self._waits_for -= 1
            self._changed.notify_all()
            # Once nobody came, nobody is waited for any more.
            self.met = self.met and self._changed.wait_for(lambda: self._waits_for <= 0, 60)
        return super().put(name, data)


def test_small_files_are_stored_side_by_side(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    meeting = Meeting(Wrapping(store), 8)
    files = {f"f{number}": b"%d" % number for number in range(100)}
    make_tree(tmp_path / "tree", files)
    take(reopen(meeting), tmp_path / "tree", map(os.fsencode, files), tmp_path / "log")
    assert meeting.met


def test_the_pieces_of_one_large_file_are_stored_side_by_side(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    meeting = Meeting(Wrapping(store), 2)
    make_tree(tmp_path / "tree", {"large": content_of(b"", 5 * BLOB_SIZE_MAX)})
    take(reopen(meeting), tmp_path / "tree", [b"large"], tmp_path / "log")
    assert meeting.met


def test_a_blob_found_damaged_is_stored_again_when_it_is_missing(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"content"})
    damaged = frozenset({ids.loose_blob_id(b"content", None)})
    taken, _ = take(repository, tmp_path / "tree", [b"file"], tmp_path / "log", damaged=damaged)
    assert content_in(repository, taken.items[b"file"]) == b"content"
    again, _ = take(repository, tmp_path / "tree", [b"file"], tmp_path / "log", damaged=damaged)
    assert set(again.items) == {b"file"}


def test_a_blob_that_is_damaged_proves_nothing(tmp_path: Path) -> None:
    """I1: that a blob exists is enough only while nobody has found it damaged."""
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"content"})
    blob_id = ids.loose_blob_id(b"content", None)
    repository.store.put(names.blob(blob_id), b"damage")
    damaged = frozenset({blob_id})
    taken, _ = take(repository, tmp_path / "tree", [b"file"], tmp_path / "log", damaged=damaged)
    assert taken.items == {}
    assert "damaged" in taken.skipped[b"file"]
    assert taken.log == []


def test_a_budget_lets_nobody_past_it() -> None:
    budget = Budget(10)
    lock = threading.Lock()
    held: list[int] = []
    most = 0

    def work(size: int) -> None:
        nonlocal most
        for _ in range(50):
            budget.take(size)
            with lock:
                held.append(size)
                most = max(most, sum(held))
            time.sleep(0)
            with lock:
                held.remove(size)
            budget.give_back(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in (1, 3, 4, 5, 10, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < most <= 10
