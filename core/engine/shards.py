"""Cutting a bucket into disjoint parts that are listed side by side."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

from core import limits
from core.engine.state import Shard
from core.sources.bucket import path_of
from core.stores.bucket import Bucket


def find_shards(bucket: Bucket, pool: ThreadPoolExecutor) -> tuple[Shard, ...]:
    """Return parts that are together the whole bucket and have no object in common.

    A bucket of one page is one part. Otherwise prefixes up to the next ``/`` are looked for, level
    by level until there are enough of them; each level leaves behind a part of what stands right
    at it. A level that has no prefixes in its first pages, or very many, is listed as it is.
    """
    if not bucket.list_page().token:
        return (_shard("", is_deep=True),)
    leaves: list[str] = [""]
    done: list[Shard] = []
    for _ in range(limits.LISTING_DEPTH_MAX):
        if len(leaves) + len(done) >= limits.LISTING_SHARDS_WANTED:
            break
        found = list(pool.map(partial(_prefixes_below, bucket), leaves))
        below: list[str] = []
        for leaf, prefixes in zip(leaves, found, strict=True):
            count = len(leaves) + len(done) + len(below) + len(prefixes)
            is_cut = bool(prefixes) and count <= limits.LISTING_SHARDS_MAX
            done.append(_shard(leaf, is_deep=not is_cut))
            below += prefixes if is_cut else ()
        leaves = below
    return (*done, *(_shard(leaf, is_deep=True) for leaf in leaves))


def group_shards(shards: Sequence[Shard]) -> tuple[tuple[Shard, ...], ...]:
    """Put shards that follow each other into groups of about as many each."""
    count = min(len(shards), limits.LISTING_GROUPS)
    bounds = [len(shards) * number // count for number in range(count + 1)]
    return tuple(tuple(shards[start:end]) for start, end in pairwise(bounds))


def _prefixes_below(bucket: Bucket, prefix: str) -> Sequence[str]:
    """Return the common prefixes right below one, none when they are too many to look for."""
    found: dict[str, None] = {}
    token = ""
    for _ in range(limits.LISTING_WALK_PAGES_MAX):
        page = bucket.list_page(prefix, token=token, is_deep=False)
        found |= dict.fromkeys(page.prefixes)
        token = page.token
        if not token:
            # Prefixes that are not below this one would not be disjoint with others.
            is_sane = all(key.startswith(prefix) and key != prefix for key in found)
            return tuple(found) if is_sane else ()
    return ()


def _shard(prefix: str, *, is_deep: bool) -> Shard:
    return Shard(prefix=path_of(prefix).hex(), is_deep=is_deep)
