"""Whether a bucket and a copy's target lie in each other, as far as it can be known."""

import os
from urllib.parse import unquote_to_bytes, urlsplit

from core.engine.data_set import is_within
from core.errors import ConflictError, NotFoundError
from core.format import names
from core.stores.address import FILESYSTEM
from core.stores.bucket import Bucket
from core.stores.store import Store


def overlap_problem(target: Store, bucket: Bucket) -> str:
    """Say why a bucket cannot be copied into ``target``; empty when nothing speaks against it.

    A target below the bucket's prefix would be copied into itself, more of it each time. Folders
    are compared by where they really are. Elsewhere two endpoints may have buckets of one name:
    the target is below the prefix if its identity can be read there.
    """
    if bucket.vendor != target.vendor:
        return ""
    inside = "the target is inside the bucket that it copies, and would copy itself"
    around = "the bucket is inside the target, which holds nothing but copies"
    if bucket.vendor == FILESYSTEM:
        outer, inner = _real_path(bucket.url), _real_path(target.url)
        if is_within(inner, outer):
            return inside
        return around if is_within(outer, inner) else ""
    outer_url, inner_url = bucket.url.rstrip("/") + "/", target.url.rstrip("/") + "/"
    if inner_url.startswith(outer_url):
        key = inner_url.removeprefix(outer_url) + names.REPOSITORY
        return inside if _holds(bucket, key, target.get(names.REPOSITORY)) else ""
    below = outer_url.removeprefix(inner_url)
    if below == outer_url:
        return ""
    # What the target has below that prefix is in the bucket as well, if they are one.
    head = next(iter(target.list(below)), None)
    key = "" if head is None else head.name.removeprefix(below)
    return around if head is not None and _holds(bucket, key, target.get(head.name)) else ""


def _real_path(url: str) -> bytes:
    return os.path.realpath(unquote_to_bytes(urlsplit(url).path))


def _holds(bucket: Bucket, key: str, content: bytes) -> bool:
    """Say whether an object of a bucket has this content."""
    try:
        listed = bucket.describe(key)
        if listed.size != len(content):
            return False
        return bucket.read(key, listed.etag, 0, listed.size).content == content
    except (NotFoundError, ConflictError):
        return False
