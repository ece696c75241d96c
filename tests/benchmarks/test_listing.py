"""The bucket that is made up is one that the engine can list."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.listing import MadeUpBucket
from core.engine.shards import find_shards
from core.sources.bucket import key_of
from core.stores.bucket import ListedObject


def listed(bucket: MadeUpBucket, prefix: str = "") -> list[ListedObject]:
    found: list[ListedObject] = []
    token = ""
    while True:
        page = bucket.list_page(prefix, token=token)
        assert len(page.objects) <= 1_000
        found += page.objects
        token = page.token
        if not token:
            return found


def test_pages_are_the_whole_in_the_order_of_keys() -> None:
    keys = [each.key for each in listed(MadeUpBucket(2_500))]
    assert len(keys) == len(set(keys)) == 2_500
    assert keys == sorted(keys)


def test_objects_differ_and_are_the_same_each_time() -> None:
    first = listed(MadeUpBucket(1_500))
    assert len({each.etag for each in first}) == 1_500
    assert first == listed(MadeUpBucket(1_500))


@pytest.mark.parametrize("count", [1, 1_000, 1_001, 250_500])
def test_its_parts_are_the_whole_and_have_nothing_in_common(count: int) -> None:
    bucket = MadeUpBucket(count)
    with ThreadPoolExecutor(4) as pool:
        shards = find_shards(bucket, pool)
    found = []
    for shard in shards:
        prefix = key_of(bytes.fromhex(shard.prefix))
        found += listed(bucket, prefix) if shard.is_deep else []
    assert sorted(each.key for each in found) == [each.key for each in listed(bucket)]


def test_a_large_one_is_listed_in_parts() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(find_shards(MadeUpBucket(10_000_000), pool)) >= 64
