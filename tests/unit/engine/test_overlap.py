"""A bucket and a target that lie in each other are told, wherever they are."""

import os
from pathlib import Path

import pytest

from core.engine.overlap import overlap_problem
from core.format import names
from core.stores.bucket import Bucket, ObjectPart
from core.stores.folder import FolderStore
from core.stores.folder_bucket import FolderBucket
from core.stores.store import Store
from tests.support.buckets import WrappingBucket
from tests.support.copies import make_repository
from tests.support.stores import Wrapping


def made(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    ("bucket", "target", "says"),
    [
        ("a", "b", ""), ("a", "ab", ""), ("a", "a", "copy itself"), ("a", "a/x", "copy itself"),
        ("a/x", "a", "inside the target"), ("link", "a", "copy itself"), ("a", "link/x", "copy"),
    ],
)  # fmt: skip
def test_folders_are_compared_by_where_they_are(
    tmp_path: Path, bucket: str, target: str, says: str
) -> None:
    made(tmp_path / "a" / "x")
    os.symlink(tmp_path / "a", tmp_path / "link")
    problem = overlap_problem(FolderStore(tmp_path / target), FolderBucket(tmp_path / bucket))
    assert says in problem
    assert bool(says) == bool(problem)


class At(Wrapping):
    """A store that seems to be in a cloud."""

    @property
    def vendor(self) -> str:
        return "s3-compatible"

    def __init__(self, store: Store, url: str) -> None:
        super().__init__(store)
        self._url = url

    @property
    def url(self) -> str:
        return self._url


class BucketAt(WrappingBucket):
    """A bucket that seems to be in a cloud."""

    @property
    def vendor(self) -> str:
        return "s3-compatible"

    def __init__(self, bucket: Bucket, url: str) -> None:
        super().__init__(bucket)
        self._url = url

    @property
    def url(self) -> str:
        return self._url


@pytest.mark.parametrize(
    ("bucket", "target", "is_one", "says"),
    [
        ("", "repository", True, "copy itself"),
        ("", "repository", False, ""),
        ("repository", "repository", True, "copy itself"),
        ("repository/packs", "repository", True, "inside the target"),
        ("repository/packs", "repository", False, ""),
        ("repository/nothing", "repository", True, ""),
        ("repo", "repository", True, ""),
    ],
)
def test_elsewhere_the_target_has_to_be_seen_in_the_bucket(
    tmp_path: Path, bucket: str, target: str, is_one: bool, says: str
) -> None:
    """Two endpoints may have buckets of one name."""
    store = FolderStore(tmp_path / "one" / target, create=True)
    make_repository(store)
    other = made(tmp_path / "other" / "repository")
    (other / names.REPOSITORY).write_bytes(b"another one")
    where = tmp_path / ("one" if is_one else "other") / bucket
    where.mkdir(parents=True, exist_ok=True)
    seen = BucketAt(FolderBucket(where), f"s3://bucket/{bucket}".rstrip("/"))
    problem = overlap_problem(At(store, f"s3://bucket/{target}"), seen)
    assert says in problem
    assert bool(says) == bool(problem)


def test_other_vendors_have_other_places(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, create=True)
    make_repository(store)
    assert overlap_problem(store, BucketAt(FolderBucket(tmp_path), store.url)) == ""


def test_an_object_that_changes_at_this_moment_is_not_the_target(tmp_path: Path) -> None:
    class Changing(BucketAt):
        def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
            (tmp_path / names.REPOSITORY).write_bytes(b"changed")
            return super().read(key, etag, offset, length)

    store = FolderStore(tmp_path, create=True)
    make_repository(store)
    bucket = Changing(FolderBucket(tmp_path), "s3://bucket/x")
    assert overlap_problem(At(store, "s3://bucket/x"), bucket) == ""
