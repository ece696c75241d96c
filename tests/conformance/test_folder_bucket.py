"""A folder keeps the promises of every bucket, and none of its links leads anywhere."""

import os
import resource
import stat
import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.stores.bucket import Properties, WritableBucket
from core.stores.folder_bucket import PAGE_OBJECTS, FolderBucket
from tests.conformance.bucket_suite import (
    BucketConformance,
    check_items,
    keys,
    list_pages,
    put,
)
from tests.support.meanwhile import after_missing
from tests.support.users import ordinary_folder, ordinary_user
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "bucket", create=True)


def path_of(bucket: WritableBucket, key: str) -> Path:
    return Path(bucket.url.removeprefix("file://")) / key


class TestFolderBucket(BucketConformance):
    KEPT = Properties()

    def remove(self, bucket: WritableBucket, key: str) -> None:
        path_of(bucket, key).unlink()


def test_bytes_that_are_no_text_are_keys(bucket: FolderBucket) -> None:
    odd = os.fsdecode(b"\xff\xfe/caf\xe9")
    put(bucket, odd, b"content")
    put(bucket, "\U0001f600", b"a later key, as bytes go")
    assert keys(bucket) == ["\U0001f600", odd]
    listed = bucket.describe(odd)
    assert bucket.read(odd, listed.etag, 0, 7).content == b"content"
    assert keys(bucket, os.fsdecode(b"\xff")) == [odd]


def test_links_and_devices_are_no_objects(bucket: FolderBucket, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    put(bucket, "real", b"content")
    os.symlink(tmp_path / "outside", path_of(bucket, "folder"))
    os.symlink(tmp_path / "outside" / "secret", path_of(bucket, "file"))
    os.mkfifo(path_of(bucket, "pipe"))
    assert keys(bucket) == ["real"]
    assert list_pages(bucket, is_deep=False)[0].prefixes == ()
    for key in ("folder/secret", "file", "pipe", "folder", "real/below"):
        with pytest.raises(NotFoundError):
            bucket.describe(key)
    with pytest.raises(StoreError):
        put(bucket, "folder/new", b"content")
    assert os.listdir(tmp_path / "outside") == ["secret"]


@pytest.mark.parametrize("key", ["", "/a", "a//b", "a/", "../a", "a/../b", "./a", "a\0", "x" * 256])
def test_a_key_that_is_no_path_is_nowhere(bucket: FolderBucket, key: str) -> None:
    put(bucket, "a", b"content")
    with pytest.raises(NotFoundError):
        bucket.describe(key)
    with pytest.raises(NotFoundError):
        bucket.read(key, "", 0, 0)
    with pytest.raises(InputError):
        bucket.write(key, Properties(), size=0, overwrite=True)


def test_a_prefix_leads_nowhere_else(bucket: FolderBucket, tmp_path: Path) -> None:
    put(bucket, "a", b"content")
    (tmp_path / "beside").write_bytes(b"secret")
    assert [keys(bucket, prefix) for prefix in ("../", "/", "..")] == [[], [], []]


def test_a_file_that_is_written_to_is_another_version(bucket: FolderBucket) -> None:
    """Also one whose size and time of modification are set back."""
    put(bucket, "one", b"before")
    path = path_of(bucket, "one")
    status = path.stat()
    etag = bucket.describe("one").etag
    time.sleep(0.02)  # A file system's clock ticks a hundred times a second or more.
    path.write_bytes(b"behind")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ConflictError):
        bucket.read("one", etag, 0, 6)


def test_a_missing_folder_is_no_empty_bucket(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open the folder") as caught:
        FolderBucket(tmp_path / "missing").list_page()
    assert "mount" in caught.value.hint
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        FolderBucket(tmp_path / "file").describe("a")


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path / "missing", create=True)
    assert keys(bucket) == []
    with pytest.raises(NotFoundError):
        bucket.describe("a")
    assert not (tmp_path / "missing").exists()


def test_a_root_made_by_another_thread_meanwhile_was_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = FolderBucket(tmp_path / "new", create=True)
    monkeypatch.setattr(os, "open", after_missing(tmp_path / "new", lambda: put(bucket, "a", b"")))
    assert keys(bucket) == []
    assert keys(bucket) == ["a"]


def test_what_is_left_where_a_disk_was_has_lost_no_objects(tmp_path: Path) -> None:
    """They would be taken for deleted, each by itself."""
    root = tmp_path / "root"
    root.symlink_to(tmp_path)
    (tmp_path / "a").write_bytes(b"content")
    bucket = FolderBucket(root)
    listed = bucket.describe("a")
    root.unlink()
    root.symlink_to("/proc")
    for act in (
        lambda: bucket.describe("a"),
        lambda: bucket.read("a", listed.etag, 0, 7),
        bucket.list_page,
    ):
        with pytest.raises(StoreError, match="in another file system than before"):
            act()


def test_many_listings_may_be_under_way(bucket: FolderBucket) -> None:
    expected = [f"{number:05}" for number in range(PAGE_OBJECTS + 5)]
    path_of(bucket, "").mkdir()
    for key in expected:
        path_of(bucket, key).touch()
    for prefix in ["", *(f"{number}" for number in range(100))]:
        assert bucket.list_page(prefix).objects[:1] == bucket.list_page(prefix).objects[:1]
    token = bucket.list_page().token
    assert [entry.key for entry in bucket.list_page(token=token).objects] == expected[-5:]
    assert [entry.key for entry in bucket.list_page(token=token).objects] == expected[-5:]


# --- What the operating system refuses -----------------------------------------------------------


def test_what_a_user_may_not_read_is_told_without_its_name() -> None:
    with ordinary_folder() as folder, ordinary_user():
        bucket = FolderBucket(folder)
        put(bucket, "closed/one", b"content")
        put(bucket, "one", b"content")
        path_of(bucket, "one").chmod(0)  # That is another version.
        etag = bucket.list_page().objects[-1].etag
        with pytest.raises(
            StoreError, match=r"^cannot read .*/\.\.\.: Permission denied"
        ) as caught:
            bucket.read("one", etag, 0, 7)
        check_items(caught.value)
        assert "permission to read" in caught.value.hint
        path_of(bucket, "closed").chmod(0)
        with pytest.raises(StoreError, match=r"^cannot open the folder .*/\.\.\.: Perm") as caught:
            bucket.list_page()
        check_items(caught.value, "closed")
        with pytest.raises(StoreError, match="cannot open the folder") as caught:
            bucket.describe("closed/one")
        check_items(caught.value, "closed")
        path_of(bucket, "closed").chmod(0o500)
        with pytest.raises(StoreError, match=r"cannot create .*/\.\.\.: Permission") as caught:
            put(bucket, "closed/two", b"content")
        check_items(caught.value, "closed/two")


def test_a_disk_that_gives_no_bytes_is_told_without_a_name() -> None:
    """The system itself has such a file: what a process has mapped at 0, which is nothing."""
    bucket = FolderBucket(Path("/proc/self"))
    etag = bucket.describe("mem").etag
    with pytest.raises(StoreError, match=r"^cannot read /proc/self/\.\.\.: Input/output") as caught:
        bucket.read("mem", etag, 0, 1)
    check_items(caught.value, "mem")
    assert "disk" in caught.value.hint


def test_a_process_out_of_descriptors_says_which_limit(bucket: FolderBucket) -> None:
    put(bucket, "folder/one", b"content")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open("/", os.O_RDONLY))
        with pytest.raises(StoreError, match="Too many open files") as caught:
            bucket.describe("folder/one")
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit" in caught.value.hint
    assert keys(bucket) == ["folder/one"]


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "socket"])
def test_what_takes_a_files_place_at_any_moment_is_no_object(
    bucket: FolderBucket, tmp_path: Path, kind: str
) -> None:
    put(bucket, "below/one", b"content")
    path, spare, other = (tmp_path / each for each in ("bucket/below/one", "spare", "other"))
    if kind == "link":
        other.symlink_to("/etc/hostname")
    elif kind == "folder":
        other.mkdir()
    else:
        os.mknod(other, (stat.S_IFIFO if kind == "pipe" else stat.S_IFSOCK) | 0o600)
    ended = threading.Event()

    def alternate() -> None:
        while not ended.is_set():
            path.rename(spare)
            other.rename(path)
            path.rename(other)
            spare.rename(path)

    told: set[type[Exception]] = set()
    thread = threading.Thread(target=alternate)
    thread.start()
    begun = time.monotonic()
    try:
        for turn in count():
            # Who gets to run is left to chance: as often, and until both have.
            if turn >= 3_000 and (
                NotFoundError in told or time.monotonic() > begun + PATIENCE_SECONDS
            ):
                break
            try:
                etag = bucket.describe("below/one").etag
                bucket.read("below/one", etag, 0, 7)
            except (NotFoundError, ConflictError) as error:
                told.add(type(error))
    finally:
        ended.set()
        thread.join()
    assert NotFoundError in told
