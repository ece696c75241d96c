"""Objects of other tools go from one vendor to another and back, and are the same as before."""

import pytest

from core.errors import InputError
from core.stores.bucket import Properties, WritableBucket
from core.stores.opening import open_bucket
from tests.conformance.bucket_suite import list_objects, put
from tests.emulators.services import AzureService, S3Service

PROPERTIES = Properties(
    content_type="text/plain; charset=utf-8",
    content_encoding="gzip",
    content_language="de",
    content_disposition='attachment; filename="a b"',
    cache_control="max-age=60",
    metadata={"x-y": "1", "mtime": "1790000000.123", "s3cmd-attrs": "uid:0", "1st": "a", "a_b": ""},
    tags={"project": "cold haul", "Team/a": "b=c"},
)
KEYS = ("a", "a b", "a//b", "last/", "ü/😀", "100%", "a%2Fb", "a+b", "q?x=1#f")


def copy(source: WritableBucket, target: WritableBucket) -> None:
    """Copy every object, as a restore of a copy does."""
    for listed in list_objects(source):
        part = source.read(listed.key, listed.etag, 0, listed.size)
        assert part.properties is not None
        put(target, listed.key, part.content, part.properties)


def contents(bucket: WritableBucket) -> dict[str, tuple[bytes, Properties | None]]:
    """Return all that a bucket holds."""
    parts = {
        each.key: bucket.read(each.key, each.etag, 0, each.size) for each in list_objects(bucket)
    }
    return {key: (part.content, part.properties) for key, part in parts.items()}


def test_s3_to_azure_and_back(localstack: S3Service, azurite: AzureService) -> None:
    before, after = (open_bucket(localstack.new_url(), localstack.settings) for _ in range(2))
    between = open_bucket(f"{azurite.new_url()}/p", azurite.settings)
    for key in KEYS:
        put(before, key, key.encode() * 3, PROPERTIES)
    put(before, "plain", b"1", Properties(content_type="application/x-thing"))
    copy(before, between)
    assert contents(between) == contents(before)
    copy(between, after)
    assert contents(after) == contents(before)
    assert contents(after)["a//b"] == (b"a//b" * 3, PROPERTIES)


def test_what_does_not_fit_is_named(localstack: S3Service, azurite: AzureService) -> None:
    source = open_bucket(localstack.new_url(), localstack.settings)
    target = open_bucket(azurite.new_url(), azurite.settings)
    put(source, "tagged", b"1", Properties(tags={"owner": "me@example.org"}))
    with pytest.raises(InputError, match="cannot be written to Azure: a tag") as caught:
        copy(source, target)
    assert caught.value.items == ("tagged", "tag 'owner'")
    assert list_objects(target) == []
