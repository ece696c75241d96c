"""A folder keeps the promises of every bucket, and none of its links leads anywhere."""

import os
import time
from pathlib import Path

import pytest

from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.stores.bucket import Properties, WritableBucket
from core.stores.folder_bucket import PAGE_OBJECTS, FolderBucket
from tests.conformance.bucket_suite import BucketConformance, keys, list_pages, put


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
