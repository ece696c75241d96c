"""A backup: the tree as it was, only what changed, and never a point that is not whole."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import ids
from core.engine.backup import BackupOutcome, backup_folder
from core.engine.progress import Silent
from core.engine.session import system_clock
from core.engine.skipped import read_skipped
from core.errors import ConflictError, InputError, IntegrityError, NotReadyError, StoreError
from core.format import names
from core.limits import LAYERS_MAX
from core.model import Claim, Record, RetentionType, SessionKind
from core.sources.repository import Repository
from core.stores.store import Store
from tests.support.repositories import (
    SECRET,
    create_in,
    names_in,
    new_repository,
    new_store,
    reopen,
)
from tests.support.states import records_in, state_of
from tests.support.stores import (
    CrashingStore,
    Full,
    Hooked,
    Kind,
    LostAnswer,
    Recording,
    Refusing,
    below,
)
from tests.support.trees import (
    content_of,
    make_hostile_tree,
    make_special_files,
    make_tree,
    read_tree,
)
from tests.support.users import ordinary_folder, ordinary_user

LATER = timedelta(minutes=1)


def never() -> bool:
    return False


def in_a_minute() -> datetime:
    """Read a clock by which all files are old enough for their times to be believed."""
    return system_clock() + LATER


def back_up(
    repository: Repository, folder: Path, clock: Callable[[], datetime] = in_a_minute
) -> BackupOutcome:
    return backup_folder(repository, folder, Silent(), never, clock)


def blob_names(store: Store) -> list[str]:
    return names_in(store, names.BLOBS)


def assert_no_trace_but_blobs(repository: Repository) -> None:
    """Check what a backup that ended without a point may leave: blobs, reused by their ids."""
    assert names_in(repository.store, names.SESSIONS) == []
    assert names_in(repository.store, names.RECORDS) == []


@pytest.mark.parametrize("secret", [None, SECRET])
def test_a_hostile_tree_is_backed_up_to_the_last_byte(tmp_path: Path, secret: str | None) -> None:
    repository = new_repository(tmp_path / "repository", secret)
    make_hostile_tree(tmp_path / "tree")
    outcome = back_up(repository, tmp_path / "tree")
    expected = read_tree(tmp_path / "tree")
    (record,) = records_in(repository)
    assert state_of(repository, record) == expected
    assert outcome.record == record
    assert outcome.skipped == () == record.warnings
    assert record.item_count == record.added_count == len(expected)
    assert record.content_size == sum(len(entry.content) for entry in expected.values())
    assert record.new_blob_count == len(blob_names(repository.store))
    assert (record.kind, record.job_id, record.parent) == (SessionKind.BACKUP, None, None)
    assert (record.source_id, record.source_point) == (repository.identity.id, record.id)
    assert record.data_set == str((tmp_path / "tree").resolve())


@pytest.mark.parametrize("secret", [None, SECRET])
def test_nothing_in_an_encrypted_repository_tells_names_or_content(
    tmp_path: Path, secret: str | None
) -> None:
    """Neither of them is in any stored byte (I5)."""
    repository = new_repository(tmp_path / "repository", secret)
    make_tree(tmp_path / "tree", {"a telling name": b"telling content " * 3})
    digest = ids.content_digest(b"telling content " * 3).hex()
    back_up(repository, tmp_path / "tree")
    # Even the id of known content tells that somebody has it.
    assert any(digest in name for name in names_in(repository.store)) is (secret is None)
    stored = b"".join(repository.store.get(name) for name in names_in(repository.store))
    assert secret is None or b"a telling name" not in stored


def test_an_empty_tree_makes_an_empty_point(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    (tmp_path / "tree").mkdir()
    record = back_up(repository, tmp_path / "tree").record
    assert (record.layers, record.item_count) == ((), 0)
    assert state_of(repository, record) == {}
    make_tree(tmp_path / "tree", {"file": b"1"})
    assert back_up(repository, tmp_path / "tree").record.added_count == 1
    (tmp_path / "tree/file").unlink()
    emptied = back_up(repository, tmp_path / "tree").record
    assert (emptied.removed_count, emptied.item_count) == (1, 0)
    assert state_of(repository, emptied) == {}


def test_a_backup_without_changes_is_a_point_of_the_same_layers(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    make_hostile_tree(tmp_path / "tree", has_large=False)
    first = back_up(reopen(store), tmp_path / "tree").record
    recording = Recording(store)
    outcome = back_up(reopen(recording), tmp_path / "tree")
    second = outcome.record
    assert second.layers == first.layers
    assert (second.parent, second.added_count, second.removed_count) == (first.id, 0, 0)
    assert (second.item_count, second.content_size) == (first.item_count, first.content_size)
    assert outcome.read_count == 0
    assert len(recording.names("put")) == outcome.written_object_count == 2
    assert len(records_in(reopen(store))) == 2


def test_only_changed_files_are_read_and_only_new_content_is_stored(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    tree = tmp_path / "tree"
    make_tree(tree, {f"folder/{n}": b"content %d" % n for n in range(100)})
    back_up(reopen(store), tree)
    make_tree(tree, {"folder/7": b"changed", "folder/new": b"new"})
    (tree / "folder/8").chmod(0o600)
    (tree / "folder/9").unlink()
    recording = Recording(store)
    outcome = back_up(reopen(recording), tree)
    record = outcome.record
    assert outcome.read_count == 3, "7, 8 and new; whoever changed a mode may have changed all"
    assert (record.new_blob_count, record.reused_blob_count) == (2, 1)
    assert record.new_content_size == len(b"changed") + len(b"new")
    assert (record.added_count, record.removed_count) == (4, 1), "with the folder"
    assert {name for name in recording.names("put") if name.startswith(names.BLOBS)} == {
        names.blob(ids.loose_blob_id(content, None))
        for content in (b"changed", b"new", b"content 8")
    }
    assert not [name for name in recording.names("get", "get_range") if names.BLOBS in name]
    assert state_of(reopen(store), record) == read_tree(tree)


def turn_file_into_folder(tree: Path) -> None:
    (tree / "a/1").unlink()
    make_tree(tree, {"a/1/below": b"x"})


def turn_folder_into_link(tree: Path) -> None:
    shutil.rmtree(tree / "a")
    (tree / "a").symlink_to("b")


def rewrite_with_equal_size_and_time(tree: Path) -> None:
    status = os.stat(tree / "a/1")
    (tree / "a/1").write_bytes(b"ONE")
    os.utime(tree / "a/1", ns=(status.st_atime_ns, status.st_mtime_ns))


def turn_link(tree: Path) -> None:
    (tree / "b/link").unlink()
    (tree / "b/link").symlink_to("y")


def remove_all(tree: Path) -> None:
    for name in ("a", "b"):
        shutil.rmtree(tree / name)


def set_time_before_1970(tree: Path) -> None:
    os.utime(tree / "a/1", ns=(-5, -5))


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda tree: (tree / "a/1").write_bytes(b"other"),
    "content, equal size and time": rewrite_with_equal_size_and_time,
    "emptied": lambda tree: (tree / "a/1").write_bytes(b""),
    "mode": lambda tree: (tree / "a/1").chmod(0o4711),
    "folder mode": lambda tree: (tree / "a").chmod(0o2711),
    "time": lambda tree: os.utime(tree / "a/1", ns=(1, 2)),
    "time before 1970": set_time_before_1970,
    "file gone": lambda tree: (tree / "a/1").unlink(),
    "folder gone": lambda tree: shutil.rmtree(tree / "a"),
    "all gone": remove_all,
    "renamed": lambda tree: (tree / "a").rename(tree / "c"),
    "swapped": lambda tree: (tree / "a/1").rename(tree / "b/1"),
    "file to folder": turn_file_into_folder,
    "folder to link": turn_folder_into_link,
    "link elsewhere": turn_link,
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_change_is_in_the_next_point_and_not_in_the_last(
    tmp_path: Path, change: str
) -> None:
    repository = new_repository(tmp_path / "repository")
    tree = tmp_path / "tree"
    make_tree(tree, {"a/1": b"one", "a/2": b"two", "b/1": b"three", "b/2": content_of(b"", 9_999)})
    (tree / "b/link").symlink_to("x")
    before = read_tree(tree)
    first = back_up(repository, tree).record
    CHANGES[change](tree)
    second = back_up(repository, tree).record
    third = back_up(repository, tree).record
    assert state_of(repository, first) == before
    assert state_of(repository, second) == read_tree(tree)
    assert state_of(repository, third) == read_tree(tree)
    assert third.layers == second.layers


def test_many_backups_keep_few_layers_and_every_state(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    tree = tmp_path / "tree"
    make_tree(tree, {f"{n}": b"%d" % n for n in range(40)})
    states = {}
    for number in range(12):
        make_tree(tree, {f"{number}": b"changed", f"new-{number}": b"new"})
        (tree / f"{39 - number}").unlink()
        record = back_up(repository, tree).record
        assert len(record.layers) <= min(LAYERS_MAX, 6)
        states[record.id] = read_tree(tree)
    assert {record.id: state_of(repository, record) for record in records_in(repository)} == states


def test_a_file_that_changed_as_the_last_backup_began_is_read_again(tmp_path: Path) -> None:
    """Its ctime may have stood still while it changed once more, so it proves nothing."""
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"1"})
    back_up(repository, tmp_path / "tree", system_clock)
    second = back_up(repository, tmp_path / "tree")
    assert (second.read_count, second.record.added_count) == (1, 0)
    assert back_up(repository, tmp_path / "tree").read_count == 0


class Listening(Silent):
    """A watcher that remembers warnings and phases."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.labels: list[str] = []
        self.size = 0

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        self.labels.append(label)

    def advance(self, size: int = 0, count: int = 0) -> None:
        self.size += size

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_a_clock_that_went_back_reads_everything_and_keeps_the_order_of_points(
    tmp_path: Path,
) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"1"})
    future = datetime(2100, 1, 1, tzinfo=UTC)
    first = back_up(repository, tmp_path / "tree", lambda: future).record
    progress = Listening()
    second = backup_folder(repository, tmp_path / "tree", progress, never)
    assert second.read_count == 1
    assert second.record.time == ids.format_time(future + timedelta(microseconds=1))
    assert second.record.parent == first.id
    assert "clock" in progress.warnings[0]


def test_a_point_is_later_than_any_record_there_has_been_void_ones_as_well(
    tmp_path: Path,
) -> None:
    repository = new_repository(tmp_path / "repository")
    own_id = repository.identity.id
    void = names.record(own_id, "20990101T000000000000Z", ids.new_session_id())
    repository.store.put(void, b"")
    (tmp_path / "tree").mkdir()
    record = back_up(repository, tmp_path / "tree").record
    assert record.time == "20990101T000000000001Z"
    assert record.parent is None


def test_progress_tells_the_phases_and_every_byte_that_is_read(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"a secret name": bytes(1_000), "empty": b""})
    progress = Listening()
    backup_folder(repository, tmp_path / "tree", progress, never)
    assert progress.labels == ["Scanning", "Reading", "Publishing"]
    assert progress.size == 1_000


def test_what_is_skipped_is_not_in_the_point_and_is_listed() -> None:
    with ordinary_folder() as folder, ordinary_user():
        repository, tree = new_repository(folder / "repository"), folder / "tree"
        make_tree(tree, {"f": b"1", "closed/1": b"2", "closed/2": b"3", "new": b"4", "fine": b"5"})
        first = back_up(repository, tree).record
        before = read_tree(tree)
        make_special_files(tree / "special")
        (tree / "f").write_bytes(b"changed")
        for name in ("f", "closed"):
            (tree / name).chmod(0)
        outcome = back_up(repository, tree)
        second = outcome.record
        state = state_of(repository, second)
        assert {b"closed", b"fine", b"new", b"special"} == set(state)
        assert state_of(repository, first) == before, "the point before keeps the old state"
        listed = {item.path: (item.reason, item.left_out_count) for item in outcome.skipped}
        assert listed == {
            b"closed": ("cannot be read: Permission denied", 2),
            b"f": ("cannot be read: Permission denied", 1),
            b"special/fifo": ("is a fifo", 0),
            b"special/socket": ("is a socket", 0),
        }
        assert outcome.skipped_count == 4
        assert read_skipped(repository, second.session_id) == outcome.skipped
        (warning,) = second.warnings
        assert warning.startswith("4 items were skipped and 3 items of the point before")
        assert "fifo" not in warning
        for name in ("f", "closed"):
            (tree / name).chmod(0o700)
        third = back_up(repository, tree).record
        assert {b"f", b"closed/1", b"closed/2"} <= set(state_of(repository, third))


class Deleting(Silent):
    """A watcher that deletes a file when the scan is done."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        if label == "Reading":
            self.path.unlink()


def test_a_file_that_vanishes_between_scan_and_read_is_listed(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"gone": b"1", "there": b"2"})
    outcome = backup_folder(repository, tmp_path / "tree", Deleting(tmp_path / "tree/gone"), never)
    assert [item.path for item in outcome.skipped] == [b"gone"]
    assert set(state_of(repository, outcome.record)) == {b"there"}


def test_what_a_backup_unseals_is_not_backed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folder may be part of the tree."""
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"tmp/file": b"1"})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tree/tmp"))
    outcome = back_up(repository, tmp_path / "tree")
    assert set(state_of(repository, outcome.record)) == {b"tmp", b"tmp/file"}
    assert outcome.skipped == ()


def test_items_before_the_retention_floor_are_not_backed_up(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    repository = create_in(store, retention_type=RetentionType.ITEM_LEVEL)
    make_tree(tmp_path / "tree", {"old": b"1", "new": b"2"})
    os.utime(tmp_path / "tree/old", ns=(10, 10))
    assert back_up(repository, tmp_path / "tree").record.item_count == 2
    store.put(f"{names.RETENTION}11.json", b"")
    second = back_up(repository, tmp_path / "tree").record
    assert (second.item_count, second.added_count, second.removed_count) == (1, 0, 0)
    assert set(state_of(repository, second)) == {b"new"}


def test_a_missing_blob_that_was_found_out_is_stored_again(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"lost": b"1", "fine": b"2"})
    first = back_up(repository, tmp_path / "tree").record
    name = names.blob(ids.loose_blob_id(b"1", None))
    repository.store.delete([name])
    repository.store.put(names.damaged(name), b"")
    assert back_up(repository, tmp_path / "tree").read_count == 1
    assert state_of(repository, first) == read_tree(tmp_path / "tree")


REFUSED: dict[str, Callable[[Path], Path]] = {
    "cannot back up": lambda base: base / "missing",
    "would back up itself": lambda base: base,
    "is inside the repository": lambda base: base / "repository/restore-points",
    "holds backups of": lambda base: base / "other",
}


@pytest.mark.parametrize("problem", REFUSED)
def test_a_folder_that_is_refused_leaves_no_trace(tmp_path: Path, problem: str) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    make_tree(tmp_path, {"tree/file": b"", "other/file": b""})
    back_up(reopen(store), tmp_path / "tree")
    recording = Recording(store)
    with pytest.raises(InputError, match=problem):
        back_up(reopen(recording), REFUSED[problem](tmp_path))
    assert recording.write_count == 0


def test_a_second_folder_is_named_with_the_first(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path, {"one/file": b"", "two/file": b""})
    back_up(repository, tmp_path / "one")
    with pytest.raises(InputError, match=r"of '.*/one', not of '.*/two'"):
        back_up(repository, tmp_path / "two")


class At(Silent):
    """A watcher that does something when a phase begins."""

    def __init__(self, label: str, act: Callable[[], object]) -> None:
        self.label = label
        self.act = act

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        if label == self.label:
            self.act()


@pytest.mark.parametrize("label", ["Scanning", "Reading", "Publishing"])
def test_of_two_backups_at_once_the_slower_one_publishes_nothing(
    tmp_path: Path, label: str
) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"1"})
    first = back_up(repository, tmp_path / "tree").record
    faster: list[Record] = []
    progress = At(label, lambda: faster.append(back_up(repository, tmp_path / "tree").record))
    with pytest.raises(ConflictError, match="another backup"):
        backup_folder(repository, tmp_path / "tree", progress, never, in_a_minute)
    assert records_in(repository) == [first, *faster]
    assert names_in(repository.store, names.OPEN_SESSIONS) == []


def test_a_point_that_prune_condemns_as_a_backup_begins_is_no_parent(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    make_tree(tmp_path / "tree", {"file": b"1"})
    first = back_up(reopen(store), tmp_path / "tree").record

    def condemn(kind: Kind, name: str) -> None:
        if kind == "put" and name.startswith(names.OPEN_SESSIONS):
            record_name = names.record(first.source_id, first.time, first.session_id)
            store.put(names.condemned("run", record_name), b"")

    with pytest.raises(ConflictError):
        back_up(reopen(Hooked(store, condemn)), tmp_path / "tree")
    again = back_up(reopen(store), tmp_path / "tree")
    assert (again.record.parent, again.read_count) == (None, 1)


def test_a_session_that_prune_has_made_void_publishes_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    make_tree(tmp_path / "tree", {"file": b"1"})

    def void(kind: Kind, name: str) -> None:
        if kind == "put" and name.startswith(names.RECORDS):
            store.put(name, b"")

    with pytest.raises(ConflictError, match="given it up"):
        back_up(reopen(Hooked(store, void)), tmp_path / "tree")
    assert records_in(reopen(store)) == []
    assert back_up(reopen(store), tmp_path / "tree").record.item_count == 1


@pytest.mark.parametrize("secret", [None, SECRET])
def test_lost_answers_change_nothing(tmp_path: Path, secret: str | None) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store, secret)
    make_hostile_tree(tmp_path / "tree", has_large=False)
    make_special_files(tmp_path / "tree/special")
    losing = LostAnswer(store, seen="conflict")
    record = back_up(reopen(losing, secret), tmp_path / "tree").record
    assert len(losing.lost) > 20
    assert records_in(reopen(store, secret)) == [record]
    special = {b"special/" + name for name in (b"fifo", b"socket", b"device")}
    expected = {p: e for p, e in read_tree(tmp_path / "tree").items() if p not in special}
    assert state_of(reopen(store, secret), record) == expected


def test_a_record_whose_answer_was_an_error_is_the_next_backups_parent(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    make_tree(tmp_path / "tree", {"file": b"1"})
    losing = LostAnswer(store, below(names.RECORDS), seen="error")
    with pytest.raises(StoreError, match="no answer"):
        back_up(reopen(losing), tmp_path / "tree")
    second = back_up(reopen(store), tmp_path / "tree")
    assert (second.read_count, second.record.added_count) == (0, 0)
    assert len(records_in(reopen(store))) == 2


def test_stopping_publishes_nothing_and_running_again_finds_what_was_stored(
    tmp_path: Path,
) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {f"{n}": b"%d" % n for n in range(50)})
    is_stopped = False

    def stop_all() -> None:
        nonlocal is_stopped
        is_stopped = True

    progress = At("Publishing", stop_all)
    with pytest.raises(NotReadyError, match="stopped") as raised:
        backup_folder(repository, tmp_path / "tree", progress, lambda: is_stopped)
    assert raised.value.hint
    assert_no_trace_but_blobs(repository)
    record = back_up(repository, tmp_path / "tree").record
    assert (record.new_blob_count, record.reused_blob_count) == (0, 50)


def test_a_tree_that_is_replaced_meanwhile_makes_no_point(tmp_path: Path) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"1"})
    progress = At("Reading", lambda: (tmp_path / "tree").rename(tmp_path / "moved"))
    with pytest.raises(NotReadyError, match="moved, replaced or unmounted"):
        backup_folder(repository, tmp_path / "tree", progress, never)
    assert_no_trace_but_blobs(repository)


def faulty(store: Store) -> Iterator[Store]:
    yield Full(store, 30_000)
    for prefix in (names.OPEN_SESSIONS, names.BLOBS, names.LAYERS, names.RECORDS):
        yield Refusing(store, below(prefix))


@pytest.mark.parametrize("number", range(5))
def test_a_store_that_fails_gets_no_point_and_says_why(tmp_path: Path, number: int) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    make_tree(tmp_path / "tree", {f"{n}": content_of(b"%d" % n, 5_000) for n in range(20)})
    with pytest.raises(StoreError) as raised:
        back_up(reopen(list(faulty(store))[number]), tmp_path / "tree")
    assert raised.value.hint
    assert_no_trace_but_blobs(reopen(store))


def test_a_parent_whose_layer_is_damaged_is_named_and_nothing_is_published(
    tmp_path: Path,
) -> None:
    repository = new_repository(tmp_path / "repository")
    make_tree(tmp_path / "tree", {"file": b"1"})
    record = back_up(repository, tmp_path / "tree").record
    name = record.layers[0].objects[0].name
    stored = bytearray(repository.store.get(name))
    stored[len(stored) // 2] ^= 1
    repository.store.delete([name])
    repository.store.put(name, bytes(stored))
    with pytest.raises(IntegrityError, match=name):
        back_up(repository, tmp_path / "tree")
    assert records_in(repository) == [record]


def test_the_marker_comes_first_and_the_record_last(tmp_path: Path) -> None:
    """I1, I3: what a point needs is stored before it exists, and prune knows of it before."""
    store = new_store(tmp_path / "repository")
    create_in(store)
    make_tree(tmp_path / "tree", {f"{n}": b"%d" % n for n in range(5)})
    make_special_files(tmp_path / "tree/special")
    counting = CrashingStore(store)
    record = back_up(reopen(counting), tmp_path / "tree").record
    marker = names.open_session(record.session_id)
    kinds = [name.split("/")[0] for _, name in counting.writes]
    assert counting.writes[0] == ("put", marker)
    assert kinds[1:6] == ["blobs"] * 5
    assert kinds[6:] == ["layers", "sessions", "restore-points", "sessions"]
    assert counting.writes[-1] == ("delete", marker)


def test_the_marker_repeats_which_point_is_being_made(tmp_path: Path) -> None:
    store = new_store(tmp_path / "repository")
    create_in(store)
    (tmp_path / "tree").mkdir()
    claims: list[Claim] = []

    def look(kind: Kind, name: str) -> None:
        if kind == "put" and name.startswith(names.RECORDS):
            (marker,) = names_in(store, names.OPEN_SESSIONS)
            claims.append(reopen(store).read_value(Claim, marker))

    record = back_up(reopen(Hooked(store, look)), tmp_path / "tree").record
    (claim,) = claims
    assert claim.record_name == names.record(record.source_id, record.time, record.session_id)
    assert (claim.session_id, claim.kind) == (record.session_id, SessionKind.BACKUP)
