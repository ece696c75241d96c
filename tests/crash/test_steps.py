"""Power is lost at one write after the other of a session that an appliance runs by its steps.

Every call is one that a workflow makes: what it answers is all that the next one knows. A call
that died is made again, and an execution that died is followed by another (I3).
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from core import limits
from core.engine import tables
from core.engine.points import list_points
from core.engine.steps import Appliance
from core.format import names
from core.limits import KIB
from core.sources.repository import Repository
from core.sources.source import Source
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.support.bucket_copies import make_bucket_pair
from tests.support.buckets import HookedBucket, MadeUpBucket
from tests.support.copies import (
    JOB,
    back_up,
    make_pair,
    names_below,
    packs_of,
    pin_batches,
    read_copied,
    through,
)
from tests.support.invariants import (
    Watch,
    check_copies,
    check_points_are_whole,
)
from tests.support.machine import Machine, make_appliance
from tests.support.stores import Crash, CrashingStore, LostAnswer

RUNS_MAX = 100
# Which writes an execution dies at: every seventh, for the sake of time. tests/crash/test_copy.py
# goes through all of those that both have.
STEP = 7
ORDER = {"job": JOB, "execution": "arn:1", "started": "2026-01-01T00:00:00+00:00"}
FILES = {b"%02d" % number: bytes([number]) * 300 for number in range(12)}
KEYS = [f"data/{number % 2}/{'x' * 60}{number:03}" for number in range(12)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What executions find: a source as it is when nobody has read it, a target, a content."""

    source: Callable[[], Source]
    target: Repository
    expected: Mapping[bytes, bytes]

    def copy_to(self, folder: Path) -> tuple[Repository, Source]:
        """Return a target of its own and a source that has not been read yet."""
        shutil.copytree(self.target.store.url.removeprefix("file://"), folder)
        return through(self.target, FolderStore(folder)), self.source()


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    """Make little content several pieces of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        pin_batches(patch, KIB)
        patch.setattr(limits, "RANGE_BLOBS_TARGET", 8)
        patch.setattr(limits, "LISTING_CHUNK_OBJECTS", 8)
        patch.setattr(tables, "TABLE_OBJECT_SIZE_MAX", 4_000)
        yield


def restless_bucket() -> HookedBucket:
    """Return a bucket of which one object changes when it is first read: a second round."""
    inner = MadeUpBucket(KEYS, page_size=8)
    changing = [KEYS[3]]

    def disturb(kind: str, key: str) -> None:
        if kind == "read" and key in changing:
            changing.remove(key)
            inner.objects[key] = inner.make(key, version=2)

    return HookedBucket(inner, disturb)


@pytest.fixture(scope="module", params=["repository", "bucket"])
def start(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Start:
    folder = tmp_path_factory.mktemp("start")
    if request.param == "bucket":
        bucket = make_bucket_pair(folder, restless_bucket())
        return Start(
            source=lambda: bucket.seen(bucket=restless_bucket()).source,
            target=bucket.target,
            expected={key.encode(): key.encode() for key in KEYS},
        )
    pair = make_pair(folder, is_encrypted=True)
    back_up(pair.source, FILES)
    return Start(source=lambda: pair.source, target=pair.target, expected=FILES)


def appliance_at(store: Store, target: Repository, source: Source) -> Appliance:
    return make_appliance(through(target, store), source)


def check_end(start: Start, target: Repository) -> None:
    """Check that all is as if nothing had happened: one point, whole, told once."""
    check_copies(target)
    (point,) = list_points(target)
    record = target.read_record(point.name)
    assert read_copied(target, record) == start.expected
    assert names_below(target.store, names.OPEN_SESSIONS) == []
    reports = names_below(target.store, f"sessions/{record.session_id}/attempts/")
    assert len(reports) == 1, "one execution leaves one report, however often it was called"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_execution_that_died_is_followed_by_another(
    start: Start, tmp_path: Path, *, after: bool
) -> None:
    crash_count = 0
    while True:
        target, source = start.copy_to(tmp_path / f"{crash_count}")
        crashing = CrashingStore(target.store, crash_count, after=after)
        try:
            Machine(appliance_at(crashing, target, source)).execute(ORDER)
        except Crash:
            check_points_are_whole(target)
            watch = Watch(target.store)
            ended = Machine(make_appliance(target, source)).execute(ORDER)
            assert ended.succeeded
            watch.look()
            # Behind the record there is nothing left to copy, or for a bucket another point.
            if ended.answer["state"] == "done" and len(list_points(target)) == 1:
                check_end(start, target)
            shutil.rmtree(tmp_path / f"{crash_count}")
            crash_count += STEP
        else:
            break
    assert crash_count >= crashing.write_count > 5


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_calls_that_die_are_made_again(start: Start, tmp_path: Path, *, after: bool) -> None:
    """Each call gets a few writes further than the last, and has no time besides."""
    target, source = start.copy_to(tmp_path / "target")

    def revive() -> Appliance:
        return appliance_at(CrashingStore(target.store, 3, after=after), target, source)

    ended = Machine(revive(), seconds=0.0, revive=revive).execute(ORDER)
    assert ended.answer["status"] == "Success"
    check_end(start, target)
    session_id = list_points(target)[0].name[-37:-5]
    parts = names_below(target.store, f"sessions/{session_id}/parts/")
    assert len(packs_of(target)) <= 2 * len(parts)


def test_answers_that_never_came_change_nothing(start: Start, tmp_path: Path) -> None:
    """Every call is made twice, and every write meets itself."""
    target, source = start.copy_to(tmp_path / "target")
    losing = appliance_at(LostAnswer(target.store), target, source)
    ended = Machine(losing, seconds=0.0, is_doubled=True).execute(ORDER)
    assert ended.answer["status"] == "Success"
    check_end(start, target)
