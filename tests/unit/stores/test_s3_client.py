"""One connection for all threads, until its credentials expire."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from core.errors import InputError
from core.stores.address import parse_address
from core.stores.s3_client import Connection, S3Client
from core.stores.settings import StoreSettings

THREADS = 8


@pytest.fixture
def client(s3_credentials: None) -> S3Client:
    settings = StoreSettings(endpoint="https://store.invalid", region="r")
    return S3Client(parse_address("s3://vault/a"), settings)


def test_all_threads_share_a_connection_and_make_one_new_one(client: S3Client) -> None:
    barrier = Barrier(THREADS)

    def use(_: int) -> tuple[Connection, Connection]:
        barrier.wait()
        before = client.connection
        barrier.wait()
        client.refresh()
        return before, client.connection

    with ThreadPoolExecutor(THREADS) as pool:
        pairs = list(pool.map(use, range(THREADS)))
    assert len({id(before) for before, _ in pairs}) == 1
    assert len({id(after) for _, after in pairs}) == 1
    assert pairs[0][0] is not pairs[0][1]


def test_nothing_is_asked_before_it_is_needed(client: S3Client) -> None:
    assert client.endpoint == "https://store.invalid"
    client.refresh()
    assert client.connection.region == "r"


@pytest.mark.parametrize(
    ("permission", "resource"),
    [
        ("s3:GetObject", "arn:aws:s3:::vault/a/*"),
        ("s3:ListBucket", "arn:aws:s3:::vault"),
        ("s3:ListBucketMultipartUploads", "arn:aws:s3:::vault"),
        ("s3:AbortMultipartUpload", "arn:aws:s3:::vault/a/*"),
    ],
)
def test_permission_is_on_the_bucket_or_on_what_is_below_the_prefix(
    client: S3Client, permission: str, resource: str
) -> None:
    assert client.request("read", "x", permission).resource == resource


def test_endpoint_that_is_no_url_is_the_configuration_s_fault(s3_credentials: None) -> None:
    broken = S3Client(parse_address("s3://vault"), StoreSettings(endpoint="nowhere", region="r"))
    with pytest.raises(InputError, match="nowhere"):
        _ = broken.connection
