"""Items become objects byte for byte, whole or not at all, and nothing is replaced unasked."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.progress import Silent
from core.engine.restore_objects import restore_objects
from core.engine.restoring import RestoreOutcome
from core.errors import ConflictError, NotFoundError, NotReadyError
from core.format import names
from core.limits import BLOB_SIZE_MAX
from core.model import Record
from core.stores.bucket import Properties, WritableBucket
from core.stores.folder import FolderStore
from core.stores.folder_bucket import FolderBucket
from core.stores.store import Upload
from tests.support.buckets import WrappingBucket
from tests.support.copies import make_repository, through
from tests.support.points import Point
from tests.support.stores import Archived

LARGE = hashlib.sha256(b"seed").digest() * (2 * BLOB_SIZE_MAX // 32) + b"tail"


@pytest.fixture(params=["loose", "packed", "sealed packed"])
def point(request: pytest.FixtureRequest, tmp_path: Path) -> Point:
    store = FolderStore(tmp_path / "repository", create=True)
    repository = make_repository(store, is_encrypted="sealed" in request.param)
    return Point(repository, is_packed="packed" in request.param)


class Remembering(WrappingBucket):
    """Remembers the properties that objects were written with."""

    def __init__(self, bucket: WritableBucket) -> None:
        super().__init__(bucket)
        self.bucket = bucket
        self.written: dict[str, Properties] = {}

    def write(self, key: str, properties: Properties, *, overwrite: bool) -> Upload:
        self.written[key] = properties
        return self.bucket.write(key, properties, overwrite=overwrite)


@pytest.fixture
def bucket(tmp_path: Path) -> Remembering:
    return Remembering(FolderBucket(tmp_path / "to", create=True))


def restore(
    point: Point,
    record: Record,
    bucket: WritableBucket,
    *,
    include: Sequence[str] = (),
    overwrite: bool = False,
) -> RestoreOutcome:
    return restore_objects(
        point.repository,
        record,
        bucket,
        include=include,
        overwrite=overwrite,
        progress=Silent(),
        stop=lambda: False,
    )


def contents(bucket: WritableBucket) -> dict[str, bytes]:
    listed = bucket.list_page().objects
    return {each.key: bucket.read(each.key, each.etag, 0, each.size).content for each in listed}


def test_files_become_objects_and_the_rest_is_listed(point: Point, bucket: Remembering) -> None:
    point.folder(b"a")
    point.file(b"a/file", b"content")
    point.file(b"a/twin", b"content")
    point.folder(b"a/void")
    point.file(b"empty", b"")
    point.file(b"exact", LARGE[:BLOB_SIZE_MAX])
    point.file(b"large", LARGE)
    point.link(b"link", b"a/file")
    outcome = restore(point, point.write(), bucket)
    assert (outcome.failed, outcome.problems) == ((), ())
    assert (outcome.item_count, outcome.failed_count) == (5, 0)
    assert outcome.content_size == 14 + len(LARGE) + BLOB_SIZE_MAX
    assert outcome.left_out == (b"a/void", b"link")
    assert outcome.left_out_count == 2
    assert contents(bucket) == {
        "a/file": b"content",
        "a/twin": b"content",
        "empty": b"",
        "exact": LARGE[:BLOB_SIZE_MAX],
        "large": LARGE,
    }


def test_properties_go_with_their_objects(point: Point, bucket: Remembering) -> None:
    properties = {"content_type": "text/plain", "metadata": {"a": "ü"}, "tags": {"t": "1"}}
    for path, content in ((b"empty", b""), (b"large", LARGE), (b"small", b"x")):
        point.file(path, content)
        metadata = json.dumps({"etag": "e", "properties": properties})
        point.items[-1] = replace(point.items[-1], metadata=metadata)
    point.file(b"plain", b"y")
    assert restore(point, point.write(), bucket).failed == ()
    wanted = Properties(content_type="text/plain", metadata={"a": "ü"}, tags={"t": "1"})
    assert bucket.written == {
        "empty": wanted, "large": wanted, "small": wanted, "plain": Properties(),
    }  # fmt: skip


def test_only_what_is_included_is_restored(point: Point, bucket: Remembering) -> None:
    point.folder(b"a")
    point.file(b"a/large", LARGE)
    point.file(b"a/small", b"1")
    point.file(b"b", b"2")
    record = point.write()
    assert restore(point, record, bucket, include=["a"]).item_count == 2
    assert sorted(contents(bucket)) == ["a/large", "a/small"]
    with pytest.raises(NotFoundError):
        restore(point, record, bucket, include=["no-such"])


def test_nothing_is_replaced_unasked(point: Point, bucket: Remembering, tmp_path: Path) -> None:
    for path in (b"one", b"two"):
        point.file(path, path)
    record = point.write()
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "two").write_bytes(b"another's")
    with pytest.raises(ConflictError) as caught:
        restore(point, record, bucket)
    assert caught.value.problems == ("two: it is there already",)
    assert contents(bucket) == {"two": b"another's"}
    assert restore(point, record, bucket, overwrite=True).failed == ()
    assert contents(bucket) == {"one": b"one", "two": b"two"}


def test_what_comes_in_between_is_not_replaced(
    point: Point, bucket: Remembering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A destination too large to be listed: each object finds out for itself."""
    monkeypatch.setattr("core.engine.restore_objects.RESTORE_PAGES_MAX", 0)
    point.file(b"large", LARGE)
    point.file(b"one", b"1")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "large").write_bytes(b"another's")
    outcome = restore(point, point.write(), bucket)
    assert [(item.path, item.category) for item in outcome.failed] == [(b"large", "conflict")]
    assert contents(bucket) == {"large": b"another's", "one": b"1"}


def test_a_key_that_the_destination_cannot_hold_is_named(point: Point, bucket: Remembering) -> None:
    point.file(b"a//b", b"1")
    point.file(b"c", b"2")
    point.file(b"d/", LARGE)
    outcome = restore(point, point.write(), bucket)
    assert [(item.path, item.category) for item in outcome.failed] == [
        (b"a//b", "input"), (b"d/", "input"),
    ]  # fmt: skip
    assert contents(bucket) == {"c": b"2"}


def test_damage_is_never_written(point: Point, bucket: Remembering, tmp_path: Path) -> None:
    point.file(b"large", LARGE)
    point.file(b"small", b"content")
    record = point.write()
    root = tmp_path / "repository"
    for folder in (names.BLOBS, names.PACKS):
        for path in (root / folder).rglob("*"):
            if path.is_file() and path.suffix != ".json":
                path.write_bytes(path.read_bytes()[:-30] + bytes(30))
                data = bytearray(path.read_bytes())
                for place in range(100, len(data), 1000):
                    data[place] ^= 1
                path.write_bytes(data)
    outcome = restore(point, record, bucket)
    assert "large" in {item.path.decode() for item in outcome.failed}
    assert {item.category for item in outcome.failed} == {"integrity"}
    whole = {b"large": LARGE, b"small": b"content"}
    failed = {item.path for item in outcome.failed}
    assert contents(bucket) == {
        path.decode(): content for path, content in whole.items() if path not in failed
    }


def test_archived_packs_are_named_first(tmp_path: Path, bucket: Remembering) -> None:
    store = FolderStore(tmp_path / "repository", create=True)
    point = Point(make_repository(store, is_encrypted=False), is_packed=True)
    point.file(b"one", b"1")
    record = point.write()
    cold = Archived(store, lambda name: name.startswith(names.PACKS))
    point.repository = through(point.repository, cold)
    with pytest.raises(NotReadyError, match="are archived"):
        restore(point, record, bucket)
    assert bucket.written == {}


def test_a_stop_leaves_whole_objects_only(point: Point, bucket: Remembering) -> None:
    for number in range(4):
        point.file(b"%d" % number, LARGE + b"%d" % number)
    record = point.write()
    asked = itertools.count()
    with pytest.raises(NotReadyError, match="stopped"):
        restore_objects(
            point.repository,
            record,
            bucket,
            include=(),
            overwrite=False,
            progress=Silent(),
            stop=lambda: next(asked) > 8,
        )
    for key, content in contents(bucket).items():
        assert content == LARGE + key.encode()
