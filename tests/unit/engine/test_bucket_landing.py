"""Objects are written whole, and a destination that takes nothing ends the restore."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.bucket_landing import BucketLanding
from core.engine.destination import DestinationError
from core.errors import ConflictError, IntegrityError, StoreError
from core.limits import DESTINATION_FAILURES_MAX
from core.plan.restore import Target
from core.stores.bucket import Properties
from core.stores.folder_bucket import FolderBucket
from core.stores.folder_upload import FolderUpload
from core.stores.store import Upload


def target(path: bytes, metadata: str = "{}") -> Target:
    return Target(row=0, path=path, modified=0, mode=None, replaces=None, metadata=metadata)


class Failing(FolderBucket):
    """Fails when objects are completed, while it is told so."""

    is_failing = True

    def write(
        self, key: str, properties: Properties, *, size: int, overwrite: bool
    ) -> FolderUpload:
        upload = super().write(key, properties, size=size, overwrite=overwrite)
        if self.is_failing:
            upload.complete = self._fail  # type: ignore[method-assign, assignment]
        return upload

    def _fail(self) -> None:
        raise StoreError("s3:PutObject is not allowed", hint="Allow it.")


def break_off(upload: Upload) -> None:
    upload.write(b"half")
    raise IntegrityError("the rest is damaged")


def test_an_object_is_there_after_its_block_only(tmp_path: Path) -> None:
    landing = BucketLanding(FolderBucket(tmp_path / "to", create=True), overwrite=False)
    with landing.begin_object(target(b"a/b")) as upload:
        upload.write(b"con")
        assert not (tmp_path / "to" / "a" / "b").exists()
        upload.write(b"tent")
    assert (tmp_path / "to" / "a" / "b").read_bytes() == b"content"
    with pytest.raises(IntegrityError), landing.begin_object(target(b"c")) as upload:
        break_off(upload)
    with pytest.raises(ConflictError):
        landing.write_file(target(b"a/b"), b"again")
    assert not (tmp_path / "to" / "c").exists()


class Sized(FolderBucket):
    """Keeps the sizes that it was told."""

    def write(
        self, key: str, properties: Properties, *, size: int, overwrite: bool
    ) -> FolderUpload:
        self.told = (key, size)
        return super().write(key, properties, size=size, overwrite=overwrite)


def test_the_bucket_is_told_the_size_before_the_content(tmp_path: Path) -> None:
    bucket = Sized(tmp_path / "to", create=True)
    landing = BucketLanding(bucket, overwrite=False)
    with landing.begin_object(replace(target(b"a"), size=1 << 40)):
        assert bucket.told == ("a", 1 << 40)


def test_metadata_that_nobody_writes_is_damage(tmp_path: Path) -> None:
    landing = BucketLanding(FolderBucket(tmp_path / "to", create=True), overwrite=False)
    with pytest.raises(IntegrityError):
        landing.write_file(target(b"a", '{"properties": {"tags": 1}}'), b"")


def test_a_destination_that_takes_nothing_ends_it(tmp_path: Path) -> None:
    bucket = Failing(tmp_path / "to", create=True)
    landing = BucketLanding(bucket, overwrite=True)

    def fail(count: int) -> None:
        for _ in range(count):
            with pytest.raises(StoreError, match=r"^s3:PutObject"):
                landing.write_file(target(b"a"), b"x")

    fail(DESTINATION_FAILURES_MAX - 1)
    bucket.is_failing = False
    landing.write_file(target(b"a"), b"x")
    bucket.is_failing = True
    fail(DESTINATION_FAILURES_MAX - 1)
    with pytest.raises(DestinationError, match="takes nothing any more: s3:PutObject") as caught:
        landing.write_file(target(b"a"), b"x")
    assert caught.value.hint == "Allow it."
