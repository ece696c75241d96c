"""The Azure bucket keeps the promises of every bucket, and those about what only Azure has."""

import secrets
from dataclasses import replace

import pytest
from azure.storage.blob import BlobClient, StandardBlobTier

from core.errors import InputError, NotReadyError, StoreError
from core.stores.address import parse_address
from core.stores.azure_bucket import AzureBucket
from core.stores.bucket import Properties, WritableBucket
from core.stores.opening import open_bucket
from tests.conformance.bucket_suite import BucketConformance, keys, list_objects, list_pages, put
from tests.conformance.test_azure import share_container
from tests.emulators.faults import RESET_AFTER, RESET_BEFORE, Rule, refusal
from tests.emulators.services import AzureService


@pytest.fixture
def bucket(azurite: AzureService) -> WritableBucket:
    """A prefix of its own."""
    _, url = share_container(azurite)
    return open_bucket(f"{url}/{secrets.token_hex(4)}/place", azurite.settings)


def blob_of(service: AzureService, bucket: WritableBucket, key: str) -> BlobClient:
    """Return the vendor's own view of an object."""
    container, _ = share_container(service)
    return container.get_blob_client(f"{parse_address(bucket.url).prefix}/{key}")


class TestAzurite(BucketConformance):
    """The promises of every bucket."""

    # Azure makes a slash of a backslash, and control characters are not listed: both are refused.
    ODD_KEYS = (
        *(key for key in BucketConformance.ODD_KEYS if "\\" not in key and "\n" not in key),
        "double//slash", "/first", "last/", "%", "100%", "a%2Fb", "?", "#", "*", "\u200b", "...",
    )  # fmt: skip

    @pytest.fixture(autouse=True)
    def _keep_service(self, azurite: AzureService) -> None:
        self._service = azurite

    def remove(self, bucket: WritableBucket, key: str) -> None:
        """Delete the blob."""
        blob_of(self._service, bucket, key).delete_blob()


FULL = Properties(
    content_type="text/plain; charset=utf-8",
    content_encoding="gzip",
    content_language="de",
    content_disposition='attachment; filename="a b"',
    cache_control="max-age=60",
    metadata={"x-y": "1", "mtime": "1790000000.123", "s3cmd-attrs": "uid:0/gname:root", "1st": "a"},
    tags={f"Team {number}/a.b:c=d": f"value_{number} + @"[:-2] for number in range(10)},
)


@pytest.mark.parametrize("key", ["plain", "double//slash"])
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_properties_of_other_vendors_survive(
    bucket: WritableBucket, monkeypatch: pytest.MonkeyPatch, key: str, size: int
) -> None:
    """By one write and in blocks, read by either library."""
    monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_SIZE", 1_000_000)
    put(bucket, key, bytes(size), FULL)
    listed = bucket.describe(key)
    assert list_objects(bucket) == [listed]
    assert bucket.read(key, listed.etag, 0, min(size, 7)).properties == FULL
    assert bucket.read(key, listed.etag, 0, 0).properties == FULL


def test_metadata_is_named_as_azure_allows(azurite: AzureService, bucket: WritableBucket) -> None:
    put(bucket, "a", b"1", FULL)
    stored = blob_of(azurite, bucket, "a").get_blob_properties().metadata
    assert set(stored) == {"x_x002d_y", "mtime", "s3cmd_x002d_attrs", "_x0031_st"}


def test_new_tags_make_an_object_another_one(azurite: AzureService, bucket: WritableBucket) -> None:
    put(bucket, "a", b"1")
    before = bucket.describe("a")
    blob_of(azurite, bucket, "a").set_blob_tags({"project": "cold haul"})
    after = bucket.describe("a")
    assert before.etag != after.etag
    assert list_objects(bucket) == [after]
    properties = bucket.read("a", after.etag, 0, 1).properties
    assert properties is not None
    assert properties.tags == {"project": "cold haul"}


@pytest.mark.parametrize("key", ["a\\b", "a/../b", "a\nb", "n" * 1025, "a\udce4"])
def test_a_name_that_azure_would_change_is_refused(bucket: WritableBucket, key: str) -> None:
    with pytest.raises(InputError):
        bucket.write(key, Properties(), size=0, overwrite=False)
    assert keys(bucket) == []


def test_an_object_larger_than_azure_takes_is_refused_before_anything_is_written(
    bucket: WritableBucket,
) -> None:
    most = 50_000 * 4_000 << 20
    bucket.write("large", Properties(), size=most, overwrite=False).abort()
    with pytest.raises(InputError, match=r"place/\.\.\. would have") as caught:
        bucket.write("large", Properties(), size=most + 1, overwrite=False)
    assert caught.value.items == ("large",)
    assert keys(bucket) == []


def test_tags_that_azure_does_not_take_are_refused_and_never_dropped(
    bucket: WritableBucket,
) -> None:
    tags = {str(number): "" for number in range(11)}
    with pytest.raises(InputError, match=rf"{bucket.url}/\.\.\. cannot be written") as caught:
        bucket.write("a", Properties(tags=tags), size=0, overwrite=False)
    assert caught.value.items == ("a",)


@pytest.mark.parametrize("key", ["plain", "double//slash"])
def test_an_archived_object_is_not_ready_and_no_conflict(
    azurite: AzureService, bucket: WritableBucket, key: str
) -> None:
    put(bucket, key, b"content", FULL)
    blob_of(azurite, bucket, key).set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    listed = bucket.describe(key)
    for offset, length in ((0, 7), (2, 3)):
        with pytest.raises(NotReadyError, match="Archive") as caught:
            bucket.read(key, listed.etag, offset, length)
        assert caught.value.hint
    blob_of(azurite, bucket, key).set_standard_blob_tier(StandardBlobTier.COOL)
    assert bucket.read(key, listed.etag, 0, 7).content == b"content"


def test_all_kinds_of_blobs_are_read(azurite: AzureService, bucket: WritableBucket) -> None:
    append, page = blob_of(azurite, bucket, "append"), blob_of(azurite, bucket, "page")
    append.create_append_blob()
    append.append_block(b"one")
    append.append_block(b"two")
    page.create_page_blob(1024)
    page.upload_page(b"x" * 512, offset=512, length=512)
    found = {each.key: each for each in list_objects(bucket)}
    assert bucket.read("append", found["append"].etag, 0, 6).content == b"onetwo"
    assert bucket.read("page", found["page"].etag, 510, 4).content == b"\0\0xx"


def test_snapshots_and_staged_blocks_are_not_listed(
    azurite: AzureService, bucket: WritableBucket
) -> None:
    put(bucket, "a", b"1")
    blob_of(azurite, bucket, "a").create_snapshot()
    blob_of(azurite, bucket, "b").stage_block("AAAA", b"1")
    assert keys(bucket) == ["a"]


def test_pages_continue_within_common_prefixes(
    bucket: WritableBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a/1", "a/2", "b", "c/1", "d", "e/1"):
        put(bucket, key)
    monkeypatch.setattr("core.stores.azure_bucket.AZURE_PAGE_MAX", 2)
    pages = list_pages(bucket, is_deep=False)
    assert len(pages) > 2
    assert [each.key for page in pages for each in page.objects] == ["b", "d"]
    assert [prefix for page in pages for prefix in page.prefixes] == ["a/", "c/", "e/"]


def test_the_identity_is_of_the_place_alone(azurite: AzureService) -> None:
    one = AzureBucket("az://vault/a", azurite.settings)
    assert one.identity == AzureBucket("az://vault/a/", azurite.settings).identity
    others = {
        AzureBucket("az://vault", azurite.settings).identity,
        AzureBucket("az://vault/a/b", azurite.settings).identity,
        AzureBucket("az://vaults/a", azurite.settings).identity,
        AzureBucket("az://vault/a", replace(azurite.settings, endpoint="https://b.c")).identity,
    }
    assert len(others) == 4
    assert one.identity not in others


def test_passing_trouble_is_come_through(azurite: AzureService) -> None:
    faults = (RESET_BEFORE, RESET_AFTER, refusal("azure", "ServerBusy"))
    rules = [Rule(fault=fault, probability=0.08) for fault in faults]
    with azurite.fault_proxy(*rules) as proxy:
        settings = azurite.behind(proxy.endpoint).settings
        bucket = AzureBucket(f"{azurite.new_url()}/p", settings)
        for number in range(12):
            put(bucket, f"{number:02}", b"content", FULL)
        for listed in list_objects(bucket):
            part = bucket.read(listed.key, listed.etag, 0, listed.size)
            assert (part.content, part.properties) == (b"content", FULL)
        assert bucket.pacer.retry_count > 0
    assert proxy.outcomes[RESET_AFTER.name] > 0


def test_a_missing_container_is_no_missing_object(azurite: AzureService) -> None:
    bucket = AzureBucket("az://there-is-no-such-container", azurite.settings)
    for call in (
        lambda: bucket.list_page(),
        lambda: bucket.describe("a"),
        lambda: bucket.read("a", "0x1", 0, 1),
        lambda: bucket.read("a", "0x1", 0, 0),
        lambda: put(bucket, "a", b"1"),
    ):
        with pytest.raises(StoreError, match="there is no container"):
            call()
