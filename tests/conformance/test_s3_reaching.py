"""How an S3 store is reached: by TLS of one's own authority, through an HTTP proxy."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import obstore
import pytest

from core.errors import InputError, StoreError
from core.limits import UPLOAD_PART_SIZE
from core.stores.address import parse_address
from core.stores.s3 import S3Store
from core.stores.s3_client import S3Client
from core.stores.settings import StoreSettings
from tests.emulators.services import S3Service
from tests.support.relays import http_proxy, tls_in_front_of


@pytest.fixture
def url(ministack: S3Service) -> str:
    return f"{ministack.new_url()}/place"


@pytest.fixture
def secured(ministack: S3Service, tmp_path: Path) -> Iterator[StoreSettings]:
    """The emulator by TLS, under an authority that only the bundle knows."""
    with tls_in_front_of(ministack.endpoint, tmp_path) as (endpoint, bundle):
        yield replace(ministack.settings, endpoint=endpoint, ca_bundle=str(bundle))


def works(store: S3Store) -> None:
    """Go through both libraries, there and back."""
    store.put("a", b"x")
    upload = store.upload("b")
    upload.write(bytes(UPLOAD_PART_SIZE + 1))
    upload.complete()
    assert [head.name for head in store.list()] == ["a", "b"]
    assert (store.get("a"), store.head("b").size) == (b"x", UPLOAD_PART_SIZE + 1)
    store.delete(["a", "b"])


def test_authority_of_one_s_own_is_trusted_by_its_bundle(url: str, secured: StoreSettings) -> None:
    works(S3Store(url, secured))
    untrusting = S3Store(url, replace(secured, ca_bundle=""))
    for call in (lambda: untrusting.get("a"), lambda: untrusting.delete(["a"])):
        with pytest.raises(StoreError, match="is not trusted") as caught:
            call()
        assert "ca_bundle" in caught.value.hint


def test_bundle_that_is_not_there_is_the_configuration_s_fault(
    url: str, secured: StoreSettings
) -> None:
    store = S3Store(url, replace(secured, ca_bundle=f"{secured.ca_bundle}-missing"))
    for call in (lambda: store.get("a"), lambda: store.delete(["a"])):
        with pytest.raises(InputError, match="-missing"):
            call()


def test_everything_goes_through_the_http_proxy(url: str, secured: StoreSettings) -> None:
    connected: list[str] = []
    with http_proxy(connected) as proxy:
        works(S3Store(url, replace(secured, http_proxy=proxy)))
    assert len(connected) >= 2  # Both libraries.
    assert set(connected) == {secured.endpoint.removeprefix("https://")}


def test_proxy_that_is_not_there_is_one_error(url: str, secured: StoreSettings) -> None:
    store = S3Store(url, replace(secured, http_proxy="http://user:s3cr3t@127.0.0.1:9"))
    for call in (lambda: store.get("a"), lambda: store.delete(["a"])):
        with pytest.raises(StoreError, match=r"nothing answers|lets nothing through") as caught:
            call()
        text = f"{caught.value}{caught.value.hint}{caught.value.__cause__!r}"
        assert "s3cr3t" not in text
        assert "http_proxy" in caught.value.hint


# --- Regions and addresses -----------------------------------------------------------------------


def test_region_of_the_bucket_is_found(
    localstack: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither the configuration nor the session says it rightly."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    bucket = f"coldhaul-{secrets.token_hex(8)}"
    place = {"LocationConstraint": "eu-central-1"}
    localstack.client().create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    store = S3Store(f"s3://{bucket}", StoreSettings())
    assert store.vendor == "amazon-s3"
    works(store)
    client = S3Client(parse_address(store.url), StoreSettings())
    assert client.connection.boto.meta.region_name == "eu-central-1"


@pytest.mark.parametrize(
    ("bucket", "settings", "asked"),
    [
        ("vault", {}, "https://vault.s3.eu-west-1.amazonaws.com/a%20b/x"),
        ("my.vault", {}, "https://s3.eu-west-1.amazonaws.com/my.vault/a%20b/x"),
        ("vault", {"endpoint": "https://e:9/"}, "https://e:9/vault/a%20b/x"),
    ],
)
def test_bucket_is_in_the_host_s_name_at_amazon_alone(
    s3_credentials: None, bucket: str, settings: dict[str, str], asked: str
) -> None:
    address = parse_address(f"s3://{bucket}/a b")
    chosen = replace(StoreSettings(region="eu-west-1"), **settings)  # type: ignore[arg-type]
    connection = S3Client(address, chosen).connection
    signed = obstore.sign(connection.fast, "GET", "a b/x", timedelta(minutes=1))
    assert signed.partition("?")[0] == asked
    url = connection.boto.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b/x"})
    # boto3 signs URLs for Amazon's host without a region, which knows them all.
    assert url.partition("?")[0].replace(".eu-west-1", "") == asked.replace(".eu-west-1", "")
