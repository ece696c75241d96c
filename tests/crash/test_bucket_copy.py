"""Power is lost at one write after the other of a copy of a bucket whose objects change and go.

What is stored then is whole (I1, I2, I8), the bucket is untouched (I7), and the same command run
again ends with a point that holds each object in one version (I3).
"""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from core import limits
from core.engine import tables
from core.engine.points import list_points
from core.format import names
from core.limits import KIB
from core.model import Record, SessionStatus
from core.stores.bucket import Properties
from core.stores.folder import FolderStore
from tests.support.bucket_copies import BucketPair, make_bucket_pair, properties_of, read_objects
from tests.support.buckets import HookedBucket, MadeUpBucket, PropertiedBucket
from tests.support.copies import names_below, packs_of, pin_batches
from tests.support.invariants import (
    Watch,
    check_copies,
    check_metadata_is_in_packs,
    check_points_are_whole,
)
from tests.support.stores import Crash, CrashingStore, LostAnswer, Recording

KEYS = [f"data/{number % 2}/{'x' * 60}{number:03}" for number in range(26)]
RUNS_MAX = 100
# Which writes are crashed at moves from run to run: threads store the pieces of a listing.
STEP = 3


CHANGED = {KEYS[3], KEYS[11], KEYS[20]}
GONE = KEYS[7]
PROPERTIES = {key: Properties(content_type="text/x", metadata={"k": key[-3:]}) for key in KEYS[:9]}


def restless_bucket() -> HookedBucket:
    """Return a bucket in which some objects change, and one goes, when they are first read."""
    inner = MadeUpBucket([*KEYS, "", "empty"], page_size=20)
    inner.objects["empty"] = replace(inner.objects["empty"], size=0)
    seen: set[str] = set()

    def disturb(kind: str, key: str) -> None:
        if kind != "read" or key in seen:
            return
        seen.add(key)
        if key in CHANGED:
            inner.objects[key] = inner.make(key, version=2)
        if key == GONE:
            inner.objects.pop(key, None)

    return HookedBucket(PropertiedBucket(inner, PROPERTIES), disturb)


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    """Make little content several pieces, batches, ranges and tables of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        pin_batches(patch, KIB)
        patch.setattr(limits, "RANGE_BLOBS_TARGET", 15)
        patch.setattr(limits, "LISTING_CHUNK_OBJECTS", 20)
        patch.setattr(limits, "ROUND_CHUNK_OBJECTS", 2)
        patch.setattr(tables, "TABLE_OBJECT_SIZE_MAX", 4_000)
        yield


@pytest.fixture(scope="module", params=[True, False], ids=["encrypted", "plain"])
def start(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> BucketPair:
    folder = tmp_path_factory.mktemp("start")
    return make_bucket_pair(folder, restless_bucket(), is_encrypted=request.param)


def begin(start: BucketPair, folder: Path) -> BucketPair:
    """Return the pair with a target of its own and a bucket in which nothing has changed yet."""
    shutil.copytree(start.target.store.url.removeprefix("file://"), folder)
    return start.seen(target=FolderStore(folder), bucket=restless_bucket())


def part_count(pair: BucketPair) -> int:
    return sum("/parts/" in name for name in names_below(pair.target.store, names.SESSIONS))


def finish(pair: BucketPair) -> None:
    """Run the job again, as after a crash, and check that all is as if nothing had happened."""
    check_points_are_whole(pair.target)
    check_metadata_is_in_packs(pair.target)
    watch = Watch(pair.target.store)
    finished, published = part_count(pair), len(list_points(pair.target))
    recording = Recording(pair.target.store)
    pair.seen(target=recording).copied()
    new_packs = [name for name in recording.names("complete") if "/meta-" not in name]
    assert len(new_packs) == part_count(pair) - finished, "a finished pack was repeated"
    watch.look()
    check_copies(pair.target)
    points = list_points(pair.target)
    # A run that stopped behind its record was over: the one after it makes a point of its own.
    assert len(points) == published + 1
    for point in points:
        check_point(pair, pair.target.read_record(point.name), is_first=point == points[0])


def check_point(pair: BucketPair, record: Record, *, is_first: bool) -> None:
    left = {key.encode(): key.encode() for key in ("", *KEYS)} | {b"empty": b""}
    gone = left.pop(GONE.encode())
    found = read_objects(pair.target, record)
    assert found in (left, left | {GONE.encode(): gone})
    assert len(record.warnings) == (is_first and GONE.encode() not in found)
    expected = {key.encode(): PROPERTIES.get(key, Properties()) for key in ("", "empty", *KEYS)}
    assert properties_of(pair.target, record) == {path: expected[path] for path in found}


def test_a_copy_is_finished_by_running_the_job_again(start: BucketPair, tmp_path: Path) -> None:
    """Stopped at any write, nothing is lost and nothing wrong is published (I3).

    Before a write has happened where objects are sealed, after it where they are not.
    """
    after = not start.target.identity.is_encrypted
    crash_count = int(after)
    while True:
        pair = begin(start, tmp_path / f"{crash_count}")
        crashing = CrashingStore(pair.target.store, crash_count, after=after)
        try:
            pair.seen(target=crashing).copy()
        except Crash:
            finish(pair)
            shutil.rmtree(tmp_path / f"{crash_count}")
            crash_count += STEP
        else:
            break
    kinds = {re.sub(r"[0-9a-f]{32}|\d", "", name) for _, name in crashing.writes}
    assert {
        "sessions//listing/groups.json", "sessions//listing/-.parquet", "sessions//listing.json",
        "sessions//rounds/-found-.parquet", "sessions//rounds/-rows-.parquet",
        "sessions//rounds/.json", "sessions//skipped.json", "sessions//ranges/.parquet",
    } <= kinds  # fmt: skip


def test_a_copy_that_crashes_at_every_step_in_turn_still_ends(
    start: BucketPair, tmp_path: Path
) -> None:
    """Each run gets a few writes further than the last; no pack is ever made twice."""
    pair = begin(start, tmp_path / "target")
    for _ in range(RUNS_MAX):
        try:
            pair.seen(target=CrashingStore(pair.target.store, 7)).copy()
        except Crash:
            continue
        break
    else:
        pytest.fail("it never ended")
    finish(pair)
    assert len(packs_of(pair.target)) <= 2 * part_count(pair)


def test_conflicts_with_its_own_writes_change_nothing(start: BucketPair, tmp_path: Path) -> None:
    pair = begin(start, tmp_path / "target")
    outcome = pair.seen(target=LostAnswer(pair.target.store)).copy()
    assert outcome.status is SessionStatus.WARNING
    finish(pair)


def test_two_runs_at_once_make_one_point(start: BucketPair, tmp_path: Path) -> None:
    pair = begin(start, tmp_path / "target")
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: pair.copy(), range(2)))
    # One of them may have begun when the other was through.
    sessions = {outcome.session_id for outcome in outcomes}
    assert len(list_points(pair.target)) == len(sessions)
    check_copies(pair.target)
