"""The rows of a point of a bucket carry what its objects carry, or the session fails."""

from pathlib import Path

import pytest

from core.catalog.workspace import Workspace, quote
from core.engine.jobs import Terms
from core.engine.plan import run_plan
from core.engine.publish import run_publish
from core.engine.repack import Call, run_repack
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.format import names
from core.model import SessionKind, SessionStatus
from core.stores.bucket import ObjectPart, Properties
from tests.conformance.bucket_suite import SOME
from tests.support.bucket_copies import (
    BucketPair,
    items_of,
    make_bucket_pair,
    properties_of,
    read_objects,
)
from tests.support.buckets import HookedBucket, PropertiedBucket, fill
from tests.support.copies import MEMORY_SIZE

FILES = {"a": b"content of a", "b/c": b"content of c", "empty": b"", "plain": b"x"}
ODD = Properties(content_type='"\\\n😀', metadata={"ü": "it's, {} \\"}, tags={"a b": "+-=._:/@"})
CARRIED = {"a": SOME, "b/c": ODD, "empty": SOME}


@pytest.fixture
def pair(tmp_path: Path) -> BucketPair:
    bucket = PropertiedBucket(fill(tmp_path / "bucket", FILES), CARRIED)
    return make_bucket_pair(tmp_path, bucket, is_encrypted=True)


def test_properties_survive(pair: BucketPair) -> None:
    record = pair.copied()
    assert properties_of(pair.target, record) == {
        b"a": SOME, b"b/c": ODD, b"empty": SOME, b"plain": Properties()
    }  # fmt: skip
    items = items_of(pair.target, record)
    assert "properties" not in items[b"plain"].metadata
    assert all(item.metadata.startswith('{"etag":"') for item in items.values())


def test_properties_of_what_has_not_changed_are_kept(pair: BucketPair, tmp_path: Path) -> None:
    pair.copied()
    fill(tmp_path / "bucket", {"plain": b"changed"})
    record = pair.copied()
    assert (record.added_count, record.item_count) == (1, 4)
    assert properties_of(pair.target, record)[b"a"] == SOME


def test_the_record_tells_where_its_data_is_from(pair: BucketPair) -> None:
    record = pair.copied()
    assert (record.kind, record.source_id) == (SessionKind.COPY, pair.source.id)
    assert (record.source_layers, record.data_set) == ((), pair.source.url)
    assert (record.source_point, record.parent) == (record.id, None)
    assert pair.copied().parent == record.source_point
    assert (record.new_blob_count, record.new_content_size) == (3, sum(map(len, FILES.values())))


def damaging(pair: BucketPair) -> BucketPair:
    """Return the pair with a bucket that gives other bytes than it has said, of two objects."""

    class Short(HookedBucket):
        def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
            if key in {"a", "empty"}:
                raise IntegrityError("it holds something else")
            return super().read(key, etag, offset, length)

    return pair.seen(bucket=Short(pair.source.bucket, lambda *_: None))


def test_damaged_objects_fail_the_session_and_are_named(pair: BucketPair) -> None:
    outcome = damaging(pair).copy()
    assert outcome.status is SessionStatus.FAILED
    assert outcome.report is not None
    assert [bytes.fromhex(item.path) for item in outcome.report.items] == [b"a", b"empty"]
    assert pair.copied().warnings == ()


def test_damaged_objects_are_flagged_where_that_is_allowed(tmp_path: Path) -> None:
    bucket = fill(tmp_path / "bucket", FILES)
    terms = Terms(schedule="daily 22:00", allow_damaged=True)
    pair = make_bucket_pair(tmp_path, bucket, terms=terms)
    record = damaging(pair).copied()
    items = items_of(pair.target, record)
    assert {path for path, item in items.items() if item.is_damaged} == {b"a", b"empty"}
    assert record.damaged_count == 2
    # A flagged row is new to the next plan.
    record = pair.copied()
    assert (record.added_count, record.damaged_count) == (2, 0)
    assert read_objects(pair.target, record)[b"a"] == FILES["a"]


def test_a_part_that_lost_its_properties_publishes_nothing(pair: BucketPair) -> None:
    """Nobody writes such a part; a point without what was there must not come of it."""
    session = pair.session()
    assert run_plan(session) is not None
    assert run_repack(session, 0, Call()).is_done
    name = names.part(session.id, 0, 0)
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        stripped = workspace.new_path("part")
        stored = quote(Tables(pair.target, workspace).fetch(name))
        workspace.run(
            f"copy (select * replace ('' as properties) from read_parquet({stored})) "
            f"to {quote(stripped)} (format parquet)"
        )
        pair.target.store.delete([name])
        pair.target.put_table(name, stripped, 4)
    outcome = run_publish(session)
    assert outcome.status is SessionStatus.FAILED
    assert outcome.report is not None
    assert outcome.report.reasons == ("the properties of 4 objects are in no part",)
