"""Shards are disjoint and together the whole bucket."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from core.engine.shards import find_shards, group_shards
from core.engine.state import Shard
from core.sources.bucket import key_of, path_of
from core.stores.bucket import ListPage
from tests.support.buckets import MadeUpBucket


def cut(bucket: MadeUpBucket) -> tuple[Shard, ...]:
    with ThreadPoolExecutor(4) as pool:
        return find_shards(bucket, pool)


def list_shard(bucket: MadeUpBucket, shard: Shard) -> list[str]:
    prefix, token, keys = key_of(bytes.fromhex(shard.prefix)), "", []
    while True:
        page = bucket.list_page(prefix, token=token, is_deep=shard.is_deep)
        keys += [listed.key for listed in page.objects]
        token = page.token
        if not token:
            return keys


def check_is_whole(bucket: MadeUpBucket, shards: Sequence[Shard]) -> None:
    listed = [key for shard in shards for key in list_shard(bucket, shard)]
    assert sorted(listed) == sorted(bucket.objects)


def test_a_bucket_of_one_page_is_one_shard() -> None:
    assert cut(MadeUpBucket(["a/b", "c"])) == (Shard(prefix="", is_deep=True),)
    assert cut(MadeUpBucket([])) == (Shard(prefix="", is_deep=True),)


def test_prefixes_are_found_level_by_level() -> None:
    keys = ["config", *(f"data/{number % 16:02x}/{number:04}" for number in range(300))]
    bucket = MadeUpBucket([*keys, "index/1", "index/2"])
    shards = cut(bucket)
    check_is_whole(bucket, shards)
    deep = {key_of(bytes.fromhex(shard.prefix)) for shard in shards if shard.is_deep}
    assert deep > {f"data/{number:02x}/" for number in range(16)}


def test_a_flat_bucket_is_one_shard() -> None:
    bucket = MadeUpBucket([f"{number:04}" for number in range(300)])
    assert cut(bucket) == (Shard(prefix="", is_deep=True),)


def test_a_level_of_very_many_prefixes_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = MadeUpBucket([f"{number:04}/x" for number in range(60)])
    monkeypatch.setattr(limits, "LISTING_WALK_PAGES_MAX", 3)
    assert cut(bucket) == (Shard(prefix="", is_deep=True),)
    monkeypatch.setattr(limits, "LISTING_WALK_PAGES_MAX", 8)
    monkeypatch.setattr(limits, "LISTING_SHARDS_MAX", 50)
    assert cut(bucket) == (Shard(prefix="", is_deep=True),)


def test_prefixes_that_lead_elsewhere_are_not_followed() -> None:
    class Lying(MadeUpBucket):
        def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
            page = super().list_page(prefix, token=token, is_deep=is_deep)
            if is_deep:
                return page
            return ListPage(objects=page.objects, prefixes=("",), token="")

    bucket = Lying([f"{number:04}/x" for number in range(60)])
    assert cut(bucket) == (Shard(prefix="", is_deep=True),)


@given(st.sets(st.text(alphabet="ab/\udcff😀", max_size=6), max_size=60), st.integers(1, 7))
def test_any_keys_are_listed_once(keys: set[str], page_size: int) -> None:
    bucket = MadeUpBucket(sorted(keys), page_size)
    shards = cut(bucket)
    check_is_whole(bucket, shards)
    assert len({(shard.prefix, shard.is_deep) for shard in shards}) == len(shards)
    assert path_of("") == b""


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 150, 4096])
def test_groups_hold_every_shard_in_order(count: int) -> None:
    shards = [Shard(prefix=f"{number:04x}", is_deep=True) for number in range(count)]
    groups = group_shards(shards)
    assert [shard for group in groups for shard in group] == shards
    assert len(groups) == min(count, limits.LISTING_GROUPS)
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
