"""What a disk does to a store that a bucket does not: permissions, links, mounts, no room."""

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import ColdhaulError, InputError, NotFoundError, StoreError
from core.stores.folder import FolderStore
from core.stores.folder_tree import OPEN_FOLDERS_MAX
from tests.conformance.full_disk import report
from tests.conformance.suite import readers

NOBODY = 65_534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore(root)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    return tmp_path / "outside"


@pytest.fixture
def public() -> Iterator[Path]:
    """Return a folder that a user without rights can reach and owns."""
    folder = Path(tempfile.mkdtemp(prefix="coldhaul-"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    for path, folders, _ in os.walk(folder):
        for name in folders:
            os.chmod(f"{path}/{name}", 0o700)
    shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Act as a user whom permissions hold back: root is not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def names(store: FolderStore) -> list[str]:
    return [head.name for head in store.list()]


def writers(store: FolderStore) -> list[Callable[[str], object]]:
    """Return the ways to create one object."""
    return [lambda name: store.put(name, b"x"), lambda name: store.upload(name).complete()]


def all_calls(store: FolderStore) -> list[Callable[[str], object]]:
    """Return the ways to do something with one object."""
    return [*readers(store), *writers(store), lambda name: store.delete([name])]


# --- No room ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_limited", [False, True], ids=["full", "file-size-limit"])
def test_full_disk_is_said_and_leaves_nothing_half_written(root: Path, *, is_limited: bool) -> None:
    said = report(root, is_limited=is_limited)
    assert str(root) in said["put"][0]
    assert "free some space" in said["put"][1]
    assert f"{root}/b/large" in said["upload"][0]
    assert "free some space" in said["upload"][1]
    assert said["temporary"] == []
    assert len(said["names"]) > 3
    assert said["names"] == said["whole"]
    assert said["again"] == ["b/again"]


# --- Permissions -----------------------------------------------------------------------------


def test_folder_that_may_not_be_written_is_named(public: Path) -> None:
    with unprivileged():
        store = FolderStore(public / "root", create=True)
        store.put("a/b", b"x")
        shutil.rmtree(public / "root/.coldhaul-tmp")
        for folder in ("root/a", "root"):
            (public / folder).chmod(0o500)
        for write in writers(store):
            with pytest.raises(StoreError, match=f"{public}/root.*Permission denied") as caught:
                write("a/c")
            assert f"id {os.geteuid()}" in caught.value.hint
        with pytest.raises(StoreError, match=f"delete {public}/root/a/b: Permission denied"):
            store.delete(["a/b"])
        assert store.get("a/b") == b"x"
        assert names(store) == ["a/b"]


def test_object_that_may_not_be_read_is_named(public: Path) -> None:
    with unprivileged():
        store = FolderStore(public)
        store.put("a/b", b"x")
        (public / "a/b").chmod(0)
        with pytest.raises(StoreError, match=f"read {public}/a/b: Permission denied") as caught:
            store.get("a/b")
        assert f"permission to read {public}/a/b" in caught.value.hint


def test_folder_that_may_not_be_read_is_not_taken_for_empty(public: Path) -> None:
    with unprivileged():
        FolderStore(public).put("a/b", b"x")
        (public / "a").chmod(0)
        store = FolderStore(public)
        for prefix in ("", "a/"):
            with pytest.raises(StoreError, match=f"{public}/a: Permission denied"):
                list(store.list(prefix))
        for read in readers(store):
            with pytest.raises(StoreError, match="Permission denied"):
                read("a/b")


def test_reading_needs_no_permission_to_write_and_writes_nothing(public: Path) -> None:
    with unprivileged():
        (public / "a").mkdir()
        (public / "a/b").write_bytes(b"x")
        (public / "a").chmod(0o500)
        public.chmod(0o500)
        store = FolderStore(public)
        assert store.get("a/b") == b"x"
        assert names(store) == ["a/b"]
        assert os.listdir(public) == ["a"]
        public.chmod(0o700)


def test_only_the_owner_may_read_what_is_written(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        FolderStore(tmp_path / "made/root", create=True).put("a/b", b"x")
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "made").rglob("*") if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in [tmp_path / "made", *made]} == {0o700}
    assert (tmp_path / "made/root/a/b").stat().st_mode & 0o777 == 0o600


# --- Links and other things that are no objects ------------------------------------------------


def test_link_to_a_file_is_never_followed(store: FolderStore, root: Path, outside: Path) -> None:
    (root / "link").symlink_to(outside / "secret")
    for read in readers(store):
        with pytest.raises(StoreError, match="root/link is a symbolic link"):
            read("link")
    for write in writers(store):
        with pytest.raises(StoreError, match="root/link is there and is not a regular file"):
            write("link")
    assert names(store) == []
    assert (outside / "secret").read_bytes() == b"secret"


def test_link_to_a_folder_is_never_followed(store: FolderStore, root: Path, outside: Path) -> None:
    (root / "link").symlink_to(outside)
    for call in all_calls(store):
        with pytest.raises(StoreError, match="root/link is a symbolic link") as caught:
            call("link/secret")
        assert caught.value.hint
    with pytest.raises(StoreError, match="root/link is a symbolic link"):
        list(store.list("link/"))
    assert names(store) == []
    assert os.listdir(outside) == ["secret"]


def test_folder_that_became_a_link_is_never_followed(
    store: FolderStore, root: Path, outside: Path
) -> None:
    store.put("a/b", b"x")
    os.rename(root / "a", root.parent / "moved")
    (root / "a").symlink_to(outside)
    for write in writers(store):
        with pytest.raises(StoreError, match="root/a is a symbolic link"):
            write("a/c")
    assert os.listdir(outside) == ["secret"]


def test_link_as_folder_for_temporary_files_is_refused(
    store: FolderStore, root: Path, outside: Path
) -> None:
    (root / ".coldhaul-tmp").symlink_to(outside)
    with pytest.raises(StoreError, match="coldhaul-tmp is a symbolic link"):
        store.put("a", b"x")
    assert os.listdir(outside) == ["secret"]


def test_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    FolderStore(tmp_path / "link").put("a/b", b"x")
    assert (root / "a/b").read_bytes() == b"x"


def test_pipe_is_no_object_and_nobody_waits_for_it(store: FolderStore, root: Path) -> None:
    os.mkfifo(root / "pipe")
    for read in readers(store):
        with pytest.raises(StoreError, match="root/pipe is not a regular file"):
            read("pipe")
    with pytest.raises(StoreError, match="root/pipe is there and is not a regular file"):
        store.put("pipe", b"x")
    assert names(store) == []


def test_file_whose_name_is_no_object_s_is_left_out(store: FolderStore, root: Path) -> None:
    for stray in ("a b", "ä", "new\nline", ".coldhaul-tmp/x", "lost+found/x", "c d/e"):
        (root / stray).parent.mkdir(exist_ok=True)
        (root / stray).write_bytes(b"")
    (root / os.fsdecode(b"\xff")).write_bytes(b"")
    store.put("a/b", b"x")
    assert names(store) == ["a/b"]
    assert list(store.list(".coldhaul-tmp/")) == []
    assert list(store.list("lost")) == []


@pytest.mark.parametrize("name", [".coldhaul-tmp", ".coldhaul-tmp/x", "lost+found/x"])
def test_reserved_name_is_refused(store: FolderStore, name: str) -> None:
    for call in all_calls(store):
        with pytest.raises(InputError, match="reserved"):
            call(name)


def test_name_that_is_a_folder_already_is_refused(store: FolderStore) -> None:
    store.put("a/b", b"x")
    with pytest.raises(StoreError, match="root/a is there and is not a regular file"):
        store.put("a", b"x")


def test_name_below_an_object_is_refused(store: FolderStore) -> None:
    store.put("a/b", b"x")
    with pytest.raises(StoreError, match="root/a/b: Not a directory") as caught:
        store.put("a/b/c", b"x")
    assert "move it" in caught.value.hint
    assert names(store) == ["a/b"]


# --- The root --------------------------------------------------------------------------------


def test_missing_root_is_made_only_when_told(tmp_path: Path) -> None:
    told = FolderStore(tmp_path / "a/root", create=True)
    untold = FolderStore(tmp_path / "a/root")
    with pytest.raises(StoreError, match="a/root is not there"):
        untold.put("x", b"")
    assert names(told) == []
    told.delete(["x"])
    with pytest.raises(NotFoundError):
        told.get("x")
    assert os.listdir(tmp_path) == []
    told.put("x", b"")
    assert names(untold) == ["x"]


def test_root_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(b"")
    for create in (False, True):
        store = FolderStore(tmp_path / "root", create=create)
        with pytest.raises(StoreError, match="root is not a folder"):
            list(store.list())
        with pytest.raises(StoreError, match="root is not a folder"):
            store.put("a", b"")


@pytest.mark.parametrize("create", [False, True])
def test_disk_that_goes_away_is_no_empty_store(root: Path, *, create: bool) -> None:
    store = FolderStore(root, create=create)
    store.put("a/b", b"x")
    upload = store.upload("a/c")
    os.rename(root, root.parent / "moved")
    for call in all_calls(store):
        with pytest.raises(StoreError, match="root is not there") as caught:
            call("a/b")
        assert "mount" in caught.value.hint
    with pytest.raises(StoreError, match="root is not there"):
        list(store.list())
    with pytest.raises(StoreError, match="root is not there"):
        upload.complete()
    assert not root.exists()
    moved = FolderStore(root.parent / "moved")
    assert names(moved) == ["a/b"]
    assert os.listdir(root.parent / "moved/.coldhaul-tmp") == []


def test_disk_that_comes_back_is_found_again(store: FolderStore, root: Path) -> None:
    store.put("a/b", b"old")
    os.rename(root, root.parent / "moved")
    shutil.copytree(root.parent / "moved", root)
    (root / "a/b").write_bytes(b"new")
    assert store.get("a/b") == b"new"
    store.put("a/c", b"x")
    assert names(store) == ["a/b", "a/c"]
    assert names(FolderStore(root.parent / "moved")) == ["a/b"]


# --- Temporary files ---------------------------------------------------------------------------


def test_first_write_removes_what_dead_writers_left(root: Path) -> None:
    temporary = root / ".coldhaul-tmp"
    temporary.mkdir()
    now = time.time()
    for name, days in (("dead", 3), ("alive", 1)):
        (temporary / name).write_bytes(b"half")
        os.utime(temporary / name, (now, now - days * 86_400))
    (temporary / "folder").mkdir()
    os.utime(temporary / "folder", (now, now - 3 * 86_400))
    store = FolderStore(root)
    assert names(store) == []
    assert sorted(os.listdir(temporary)) == ["alive", "dead", "folder"]
    store.put("a", b"")
    assert sorted(os.listdir(temporary)) == ["alive", "folder"]


def test_folder_for_temporary_files_is_made_again(store: FolderStore, root: Path) -> None:
    store.put("a", b"1")
    shutil.rmtree(root / ".coldhaul-tmp")
    store.put("b", b"2")
    assert names(store) == ["a", "b"]


def test_upload_whose_temporary_file_was_taken_away_fails(store: FolderStore, root: Path) -> None:
    upload = store.upload("a/b")
    upload.write(b"x")
    shutil.rmtree(root / ".coldhaul-tmp")
    with pytest.raises(StoreError, match="a/b") as caught:
        upload.complete()
    assert caught.value.hint
    assert names(store) == []


def test_deleting_the_last_object_leaves_no_folders(store: FolderStore, root: Path) -> None:
    for name in ("a/b/c", "a/d", "e"):
        store.put(name, b"")
    store.delete(["a/b/c"])
    assert not (root / "a/b").exists()
    assert (root / "a").exists()
    store.delete(["a/d", "e"])
    assert os.listdir(root) == [".coldhaul-tmp"]


# --- What it costs -----------------------------------------------------------------------------


def test_descriptors_are_bounded_and_given_back(root: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    def use() -> int:
        store = FolderStore(root)
        for number in range(OPEN_FOLDERS_MAX + 100):
            store.put(f"{number}/x", b"")
        next(iter(store.list()))
        for call in [*readers(store), *writers(store)]:
            with pytest.raises(ColdhaulError):
                call("0")
        return count()

    gc.collect()
    before = count()
    assert use() - before < OPEN_FOLDERS_MAX + 30
    gc.collect()
    # Fewer, when something of an earlier test went only now.
    assert count() <= before


# --- Where it is -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location", ["{}", "file://{}", "file://localhost{}", "file:{}", "{}/", "{}/../root"]
)
def test_folder_is_opened_by_path_or_url(root: Path, location: str) -> None:
    store = FolderStore.open(location.format(root))
    assert store.url == f"file://{root}"
    assert store.vendor == "filesystem"


@pytest.mark.parametrize("leaf", ["with space", "ä", "a#b?c", "100%", "a%20b", "\udcff"])
def test_url_leads_back_to_the_folder(tmp_path: Path, leaf: str) -> None:
    (tmp_path / leaf).mkdir()
    FolderStore.open(tmp_path / leaf).put("a", b"x")
    assert FolderStore.open(FolderStore.open(tmp_path / leaf).url).get("a") == b"x"
    assert (tmp_path / leaf / "a").read_bytes() == b"x"


@pytest.mark.parametrize(
    "location",
    [
        "",
        "file:",
        "file://",
        "file:relative",
        "file://host/path",
        "file:///a?b",
        "file:///a#b",
        "s3://bucket/prefix",
        "https://host/path",
        "/a\0b",
        "file:///a%00b",
    ],
)
def test_location_of_anything_else_is_refused(location: str) -> None:
    with pytest.raises(InputError, match="is not the"):
        FolderStore.open(location)
