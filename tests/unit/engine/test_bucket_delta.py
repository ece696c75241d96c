"""Copies of a bucket follow its listings, whatever has happened between them (laws)."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import limits
from core.engine.batches import read_plan
from core.engine.plan import run_plan
from core.model import RetentionType
from core.sources.bucket import path_of
from core.stores.bucket import ListPage
from tests.support.bucket_copies import BucketPair, items_of, make_bucket_pair, read_objects
from tests.support.buckets import CountingBucket, MadeUpBucket, fill
from tests.support.invariants import check_copies

KEYS = st.text(alphabet="ab/.\udcff\n'😀", max_size=4)
STATES = st.lists(st.dictionaries(KEYS, st.integers(1, 3), max_size=12), min_size=2, max_size=3)


def change(bucket: MadeUpBucket, state: Mapping[str, int]) -> None:
    bucket.objects = {key: bucket.make(key, version) for key, version in state.items()}


@settings(max_examples=6, deadline=None)
@given(STATES)
def test_a_point_is_what_was_listed(states: list[dict[str, int]]) -> None:
    """Any keys, appearing, changing and vanishing: the model is a dictionary."""
    bucket = MadeUpBucket([], page_size=5)
    with tempfile.TemporaryDirectory() as folder:
        pair = make_bucket_pair(Path(folder), bucket)
        before: dict[str, int] = {}
        for state in states:
            change(bucket, state)
            record = pair.copied()
            assert read_objects(pair.target, record) == {
                path_of(key): path_of(key) for key in state
            }
            items = items_of(pair.target, record)
            assert {path: item.modified for path, item in items.items()} == {
                path_of(key): version * 10**9 for key, version in state.items()
            }
            changed = [key for key, version in state.items() if before.get(key) != version]
            assert record.added_count == len(changed)
            assert record.removed_count == len(before.keys() - state.keys())
            before = state
        check_copies(pair.target)


def test_what_has_not_changed_costs_no_request(tmp_path: Path) -> None:
    files = {f"{number}": b"%d" % number * 9 for number in range(20)} | {"empty": b""}
    counting = CountingBucket(fill(tmp_path / "bucket", files))
    pair = make_bucket_pair(tmp_path, counting)
    pair.copied()
    assert counting.counts["read"] == 21
    fill(tmp_path / "bucket", {"3": b"changed"})
    counting.counts.clear()
    assert pair.copied().added_count == 1
    assert counting.counts["read"] == 1
    assert counting.counts["describe"] == 0


def test_a_bucket_that_is_empty_all_at_once_is_a_warning(tmp_path: Path) -> None:
    """Most often a disk is not mounted; the points before keep everything."""
    bucket = MadeUpBucket([], page_size=5)
    pair = make_bucket_pair(tmp_path, bucket)
    assert pair.copied().warnings == ()
    change(bucket, {"a": 1, "b": 1})
    assert pair.copied().warnings == ()
    change(bucket, {})
    (warning,) = pair.copied().warnings
    assert "empty" in warning
    assert "2 objects" in warning
    assert pair.copied().warnings == ()


def test_an_object_listed_twice_is_copied_once(tmp_path: Path) -> None:
    class Repeating(MadeUpBucket):
        def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
            page = super().list_page(prefix, token=token, is_deep=is_deep)
            older = tuple(self.make(listed.key, 1) for listed in page.objects)
            return ListPage(objects=older + page.objects[::-1], prefixes=(), token=page.token)

    bucket = Repeating([])
    change(bucket, {f"{number:02}": 2 for number in range(25)})
    pair = make_bucket_pair(tmp_path, bucket)
    record = pair.copied()
    assert record.item_count == 25
    assert {item.modified for item in items_of(pair.target, record).values()} == {2 * 10**9}
    assert record.warnings == ()


def test_blobs_of_a_session_that_failed_are_not_read_again(tmp_path: Path) -> None:
    """But their objects are asked for their properties, as empty ones are."""
    files = {f"{number}": b"%d" % number * 9 for number in range(20)}
    counting = CountingBucket(fill(tmp_path / "bucket", files))
    pair = make_bucket_pair(tmp_path, counting)
    session = pair.session()
    assert run_plan(session) is not None
    first = pair.copied()
    # Everything hot is lost but the index: no parent, and each blob is known.
    pair.target.store.delete([f"restore-points/{first.source_id}/{first.id}.json"])
    counting.counts.clear()
    pair.target.store.delete([f"jobs/nightly/claims/{0:010}.json"])
    record = pair.copied()
    assert (record.reused_blob_count, record.new_blob_count) == (20, 0)
    assert counting.counts["read"] == 20
    assert read_objects(pair.target, record) == {path_of(k): v for k, v in files.items()}


def test_items_below_the_floor_are_not_copied(tmp_path: Path) -> None:
    bucket = MadeUpBucket([])
    change(bucket, {"old": 1, "new": 3})
    pair = make_bucket_pair(tmp_path, bucket, retention_type=RetentionType.ITEM_LEVEL)
    pair.target.store.put(f"retention/{2 * 10**9}.json", b"{}")
    record = pair.copied()
    assert read_objects(pair.target, record) == {b"new": b"new"}


def test_a_plan_can_be_made_call_by_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LISTING_CHUNK_OBJECTS", 10)
    monkeypatch.setattr(limits, "RANGE_BLOBS_TARGET", 10)
    bucket = MadeUpBucket([f"{number % 3}/{number}" for number in range(60)])
    pair = make_bucket_pair(tmp_path, bucket)
    session = pair.session()
    calls = 0
    while run_plan(session, deadline=0.0) is None:
        calls += 1
    assert calls > 4
    plan = read_plan(pair.target, session.id)
    assert plan is not None
    assert (plan.new_blob_count, plan.delta.row_count) == (60, 60)
    assert run_plan(session, stop=lambda: True) == plan


def test_a_plan_stops_when_it_is_told_to(tmp_path: Path) -> None:
    pair: BucketPair = make_bucket_pair(tmp_path, MadeUpBucket(["a"]))
    assert run_plan(pair.session(), stop=lambda: True) is None


def test_long_keys_make_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.bucket_delta.TABLE_OBJECT_SIZE_MAX", 50_000)
    bucket = MadeUpBucket(["x" * 1000 + f"{number:03}" for number in range(40)], page_size=1000)
    pair = make_bucket_pair(tmp_path, bucket)
    plan = run_plan(pair.session())
    assert plan is not None
    assert len(plan.batches) > 3
    assert max(batch.blob_count for batch in plan.batches) <= 12
