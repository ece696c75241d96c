"""S3 buckets of any tool's objects, on every server that there is for tests."""

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import ConflictError, InputError, NotReadyError, StoreError
from core.stores.address import parse_address
from core.stores.bucket import ListedObject, Properties, WritableBucket
from core.stores.s3_bucket import S3Bucket, _page
from core.stores.settings import StoreSettings
from tests.conformance.bucket_suite import SOME, BucketConformance, keys, list_objects, put
from tests.emulators.faults import CUT_BODY, RESET_AFTER, RESET_BEFORE, Rule, refusal
from tests.emulators.services import S3Service

# Keys that S3 has and file systems have not.
WILD = (
    *BucketConformance.ODD_KEYS,
    "a//b", "a/", ".", "..", "../a", "a/./b", "a/../b", "\x01\x7f\t", " ", "a ", "+", "%", "?x",
    "#x", "x" * 1000, "<&>'\"",
)  # fmt: skip


class S3BucketConformance(BucketConformance):
    """Below a prefix, which has to be quoted itself."""

    ODD_KEYS = (*WILD, "/", "/a", "//")
    PREFIX = "/a prefix/+"

    @pytest.fixture
    def service(self) -> S3Service:
        raise NotImplementedError

    @pytest.fixture
    def bucket(self, service: S3Service) -> S3Bucket:
        self.client = service.client()
        return S3Bucket(service.new_url() + self.PREFIX, service.settings)

    def remove(self, bucket: WritableBucket, key: str) -> None:
        address = parse_address(bucket.url)
        name = f"{address.prefix}/{key}" if address.prefix else key
        self.client.delete_object(Bucket=address.container, Key=name)


class TestLocalStack(S3BucketConformance):
    @pytest.fixture
    def service(self, localstack: S3Service) -> S3Service:
        return localstack

    def test_a_key_that_s3_cannot_hold_is_refused(self, bucket: S3Bucket) -> None:
        longest = "x" * (1024 - len("a prefix/+/"))
        put(bucket, longest)
        for key in (f"{longest}x", "\udcff"):
            with pytest.raises(InputError, match="a key") as caught:
                put(bucket, key)
            assert caught.value.items == (key,)
        assert keys(bucket) == [longest]

    def test_an_object_larger_than_s3_takes_is_refused_before_anything_is_written(
        self, bucket: S3Bucket
    ) -> None:
        bucket.write("large", SOME, size=50_000 << 30, overwrite=False).abort()
        with pytest.raises(InputError, match=r"/\.\.\. would have") as caught:
            bucket.write("large", SOME, size=(50_000 << 30) + 1, overwrite=False)
        assert caught.value.items == ("large",)
        assert keys(bucket) == []

    def test_metadata_beyond_ascii_survives(self, bucket: S3Bucket) -> None:
        metadata = {"name": "grün \U0001f600", "lines": "a\nb", "spaces": "a  b", "empty": ""}
        put(bucket, "one", b"x", Properties(metadata=metadata))
        part = bucket.read("one", bucket.describe("one").etag, 0, 1)
        assert part.properties is not None
        assert part.properties.metadata == metadata

    def test_an_archived_object_is_not_ready(self, bucket: S3Bucket, service: S3Service) -> None:
        cold = S3Bucket(bucket.url, replace(service.settings, storage_class="DEEP_ARCHIVE"))
        put(cold, "one", b"content")
        (listed,) = list_objects(bucket)
        for length in (7, 0):
            with pytest.raises(NotReadyError):
                bucket.read("one", listed.etag, 0, length)


class TestMinistack(S3BucketConformance):
    """The whole bucket, without a prefix."""

    PREFIX = ""

    @pytest.mark.parametrize("etag", ["a\r\nrange: bytes=1-1", "\xfc", "\0"])
    def test_an_etag_that_no_request_can_say_is_refused(self, bucket: S3Bucket, etag: str) -> None:
        put(bucket, "one")
        with pytest.raises(StoreError, match="hold what no request can say"):
            bucket.read("one", etag, 0, 1)

    @pytest.fixture
    def service(self, ministack: S3Service) -> S3Service:
        return ministack


class TestRclone(S3BucketConformance):
    """A folder behind S3: it has no tags, no conditions, and no keys that are no paths."""

    ODD_KEYS = BucketConformance.ODD_KEYS
    KEPT = replace(SOME, tags={})

    @pytest.fixture
    def service(self, rclone_s3: S3Service) -> S3Service:
        return rclone_s3

    def is_alike(self, described: ListedObject, listed: ListedObject) -> bool:
        """It rounds times of listings and cuts others off: one in some thousand differ."""
        late = listed.modified - described.modified
        return late in {0, 1} and replace(listed, modified=described.modified) == described

    def test_writing_is_create_only_unless_told(self, bucket: WritableBucket) -> None:
        """It is not, here: whoever writes looks first."""
        put(bucket, "one", b"first")
        put(bucket, "one", b"second", overwrite=True)
        assert bucket.describe("one").size == 6


class Overtaken(S3Bucket):
    """Another object takes the place of the one whose tags are asked for."""

    def _tags(self, key: str) -> Mapping[str, str]:
        put(S3Bucket(self.url, self._settings), key, b"later", SOME, overwrite=True)
        return super()._tags(key)


def test_content_gets_no_tags_of_a_later_object(localstack: S3Service) -> None:
    bucket = Overtaken(localstack.new_url(), localstack.settings)
    put(S3Bucket(bucket.url, localstack.settings), "one", b"first", SOME)
    with pytest.raises(ConflictError, match="changed"):
        bucket.read("one", bucket.describe("one").etag, 0, 5)


def test_tags_that_may_not_be_seen_are_an_error(localstack: S3Service) -> None:
    """Amazon tells whoever lacks the permission that there are none."""
    url = localstack.new_url()
    put(S3Bucket(url, localstack.settings), "one", b"x")
    with localstack.fault_proxy() as proxy:
        proxy.add(
            Rule(fault=refusal("s3", "AccessDenied"), operations=frozenset({"GetObjectTagging"}))
        )
        settings = replace(localstack.behind(proxy.endpoint).settings, vendor="amazon-s3")
        bucket = S3Bucket(url, settings)
        with pytest.raises(StoreError, match="s3:GetObjectTagging"):
            bucket.read("one", bucket.describe("one").etag, 0, 1)


def test_keys_out_of_order_are_an_error() -> None:
    def page(*found: str) -> tuple[list[ListedObject], list[str], bool]:
        return [ListedObject(key=key, size=1, etag="e", modified=0) for key in found], [], True

    assert _page(page("a", "b"), "", "s3://b").token == "b"
    for listing, token in ((page("b", "a", "c"), ""), (page("a", "c"), "b")):
        with pytest.raises(StoreError, match="order"):
            _page(listing, token, "s3://b")


def test_reads_and_listings_survive_a_bad_line(
    localstack: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.stores.pacing.STORE_DELAY_SECONDS_MAX", 0.01)
    url = localstack.new_url()
    put(S3Bucket(url, localstack.settings), "one", b"content" * 1000, SOME)
    faults = [CUT_BODY, RESET_BEFORE, RESET_AFTER]
    faults += [refusal("s3", name) for name in ("InternalError", "SlowDown", "ExpiredToken")]
    with localstack.fault_proxy() as proxy:
        bucket = S3Bucket(url, localstack.behind(proxy.endpoint).settings)
        for fault in faults:
            proxy.add(Rule(fault=fault, operations=frozenset({"GetObject"}), count=1))
            proxy.add(Rule(fault=fault, operations=frozenset({"ListObjectsV2"}), count=1))
            (listed,) = list_objects(bucket)
            part = bucket.read("one", listed.etag, 0, listed.size)
            assert (part.content, part.properties) == (b"content" * 1000, SOME)
        counted = {fault for _, _, fault in proxy.counts}
    assert counted >= {fault.name for fault in faults}


def test_refusals_name_the_key_and_the_permission(localstack: S3Service) -> None:
    url = localstack.new_url()
    put(S3Bucket(url, localstack.settings), "a\nb", b"content")
    with localstack.fault_proxy() as proxy:
        bucket = S3Bucket(url, localstack.behind(proxy.endpoint).settings)
        etag = bucket.describe("a\nb").etag
        proxy.add(Rule(fault=refusal("s3", "AccessDenied")))
        refused = r"cannot read s3://[^/]*/\.\.\.: s3:GetObject"
        with pytest.raises(StoreError, match=refused) as caught:
            bucket.read("a\nb", etag, 0, 7)
        assert caught.value.items == ("a\nb",)
        with pytest.raises(StoreError, match="s3:ListBucket is not allowed"):
            bucket.list_page()


def test_what_is_no_s3_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.stores.pacing.STORE_DELAY_SECONDS_MAX", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    settings = StoreSettings(endpoint=endpoint, region="us-east-1")
    with pytest.raises(StoreError, match="nothing answers at"):
        S3Bucket("s3://vault", settings).list_page()
    missing = replace(settings, endpoint="https://127.0.0.1:1", ca_bundle=str(tmp_path / "no.pem"))
    with pytest.raises((StoreError, InputError), match="CA bundle"):
        S3Bucket("s3://vault", missing).list_page()
