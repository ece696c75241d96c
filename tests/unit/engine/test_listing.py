"""A bucket's listing is stored piece by piece, by whoever is first, and made once."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core import limits
from core.catalog.workspace import Workspace, quote_all
from core.engine import state
from core.engine.listing import Pace, list_bucket
from core.engine.state import Listing
from core.engine.tables import Tables
from core.errors import StoreError
from core.ids import SessionId
from core.model import RetentionType
from core.sources.bucket import BucketSource, path_of
from core.sources.repository import Repository
from core.stores.bucket import Bucket, ListedObject
from core.stores.folder import FolderStore
from tests.support.buckets import CountingBucket, HookedBucket, MadeUpBucket
from tests.support.copies import MEMORY_SIZE, make_repository, names_below, through
from tests.support.stores import Crash, CrashingStore

SESSION = SessionId("a1b2c3d4e5f60718293a4b5c6d7e8f90")
ODD = ["", "/", "//", "a//b", "../x", "ü\n", "\udcff/\udcfe", "a", "a/", "😀'\"", "x" * 1024]
KEYS = [*ODD, *(f"data/{number % 8}/{number:03}" for number in range(120)), "z/1", "z/2"]


def never() -> bool:
    return False


def list_it(
    target: Repository,
    bucket: Bucket,
    is_stopped: Callable[[], bool] = never,
    is_late: Callable[[], bool] = never,
) -> Listing | None:
    source = BucketSource(bucket=bucket, retention_type=RetentionType.SNAPSHOT_BASED)
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        pace = Pace(is_stopped=is_stopped, is_late=is_late)
        return list_bucket(source, Tables(target, workspace), SESSION, pace)


def read_listing(target: Repository, listing: Listing) -> list[tuple[bytes, int, str, int]]:
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        files = quote_all(Tables(target, workspace).fetch_all(listing.objects))
        rows = list(workspace.rows(f"select path, size, etag, modified from read_parquet({files})"))
    return sorted(rows)


def rows_of(bucket: MadeUpBucket) -> list[tuple[bytes, int, str, int]]:
    return sorted(
        (path_of(listed.key), listed.size, listed.etag, listed.modified)
        for listed in bucket.objects.values()
    )


def check(target: Repository, listing: Listing | None, bucket: MadeUpBucket) -> None:
    assert listing is not None
    assert read_listing(target, listing) == rows_of(bucket)
    assert listing.object_count == len(bucket.objects)


@pytest.fixture
def target(tmp_path: Path) -> Repository:
    return make_repository(FolderStore(tmp_path / "target", create=True))


@pytest.fixture
def bucket() -> MadeUpBucket:
    return MadeUpBucket(KEYS)


@pytest.fixture(autouse=True)
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "LISTING_CHUNK_OBJECTS", 15)
        yield


def test_every_key_is_listed(target: Repository, bucket: MadeUpBucket) -> None:
    check(target, list_it(target, bucket), bucket)
    assert len(names_below(target.store, state.chunks_prefix(SESSION))) > 10


def test_an_empty_bucket_has_an_empty_listing(target: Repository) -> None:
    check(target, list_it(target, MadeUpBucket([])), MadeUpBucket([]))


def test_a_finished_listing_is_made_once(target: Repository, bucket: MadeUpBucket) -> None:
    first = list_it(target, bucket)
    counting = CountingBucket(bucket)
    assert list_it(target, counting) == first
    assert not counting.counts


def test_a_listing_goes_on_after_what_is_stored(target: Repository, bucket: MadeUpBucket) -> None:
    counting = CountingBucket(bucket)
    list_it(make_repository(FolderStore(Path(target.store.url[7:] + "-2"), create=True)), counting)
    whole = counting.counts["list"]
    calls = 0
    counting.counts.clear()
    while (listing := list_it(target, counting, is_late=lambda: True)) is None:
        calls += 1
    check(target, listing, bucket)
    assert calls >= 2
    # A call that is late ends its piece at the next page, so no page is asked for twice.
    assert counting.counts["list"] <= whole + 8


def test_stopping_stores_nothing_more(target: Repository, bucket: MadeUpBucket) -> None:
    assert list_it(target, bucket, is_stopped=lambda: True) is None
    assert names_below(target.store, state.chunks_prefix(SESSION)) == [state.shards_name(SESSION)]
    check(target, list_it(target, bucket), bucket)


def test_a_listing_is_finished_after_a_crash_at_any_write(
    tmp_path: Path, bucket: MadeUpBucket
) -> None:
    count = 0
    while True:
        target = make_repository(FolderStore(tmp_path / f"{count}", create=True))
        crashing = CrashingStore(target.store, count, after=count % 2 == 0)
        try:
            list_it(through(target, crashing), bucket)
        except Crash:
            check(target, list_it(target, bucket), bucket)
            count += 5
        else:
            break
    assert count > 15


def test_two_at_once_make_one_listing(target: Repository, bucket: MadeUpBucket) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: list_it(target, bucket), range(2))
    check(target, first, bucket)
    assert first == second


def test_a_listing_of_a_bucket_that_changes_is_whole(
    target: Repository, bucket: MadeUpBucket
) -> None:
    """What was there all the time is listed; what comes and goes may be."""
    there = set(bucket.objects)
    count = 0

    def come_and_go(_kind: str, _key: str) -> None:
        nonlocal count
        count += 1
        bucket.objects = bucket.objects | {f"data/{count}": bucket.make(f"data/{count}", count)}

    listing = list_it(target, HookedBucket(bucket, come_and_go))
    assert listing is not None
    assert {path for path, *_ in read_listing(target, listing)} >= set(map(path_of, there))


def test_a_failure_is_that_of_the_bucket(target: Repository, bucket: MadeUpBucket) -> None:
    def refuse(_kind: str, key: str) -> None:
        if key == "data/5/":
            raise StoreError("refused")

    with pytest.raises(StoreError, match="refused"):
        list_it(target, HookedBucket(bucket, refuse))
    check(target, list_it(target, bucket), bucket)


def test_a_failure_is_told_before_the_others_have_listed_all(target: Repository) -> None:
    bucket = MadeUpBucket([f"{number % 2}/{number:04}" for number in range(2_000)])
    has_failed = threading.Event()

    def fail_one(_kind: str, prefix: str) -> None:
        if not names_below(target.store, state.shards_name(SESSION)):
            return
        if prefix == "1/":
            has_failed.set()
            raise StoreError("the bucket is away")
        has_failed.wait(10)
        time.sleep(0.01)

    with pytest.raises(StoreError, match="away"):
        list_it(target, HookedBucket(bucket, fail_one))
    # Fifty pieces are all that the other group has.
    assert len(names_below(target.store, state.chunks_prefix(SESSION))) < 25


def ask_to_end() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def lose_the_bucket() -> None:
    raise StoreError("the bucket is away")


@pytest.mark.parametrize(
    ("end", "error"), [(lose_the_bucket, StoreError), (ask_to_end, KeyboardInterrupt)]
)
def test_an_end_is_told_before_a_piece_of_another_group_is_whole(
    target: Repository,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[], None],
    error: type[BaseException],
) -> None:
    monkeypatch.setattr(limits, "LISTING_CHUNK_OBJECTS", 100_000)
    bucket = MadeUpBucket([f"{number % 2}/{number:04}" for number in range(2_000)])
    is_ending = threading.Event()
    pages = 0

    def end_one(_kind: str, prefix: str) -> None:
        nonlocal pages
        if not names_below(target.store, state.shards_name(SESSION)):
            return
        if prefix == "1/" and not is_ending.is_set():
            is_ending.set()
            end()
        is_ending.wait(10)
        pages += 1
        time.sleep(0.01)

    with pytest.raises(error):
        list_it(target, HookedBucket(bucket, end_one))
    # The other group has a hundred pages, which are one piece.
    assert pages < 50


def test_a_listing_that_is_no_text_is_refused(target: Repository, bucket: MadeUpBucket) -> None:
    bucket.objects["a"] = ListedObject(key="a", size=1, etag="\ud800", modified=1)
    with pytest.raises(StoreError, match="no text"):
        list_it(target, bucket)
