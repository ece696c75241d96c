"""A bucket's URL, read and judged."""

import pytest

from core.errors import InputError
from core.stores.address import derive_vendor, parse_address, parse_plain_address


@pytest.mark.parametrize(
    ("url", "container", "prefix", "same"),
    [
        ("s3://vault/a/b", "vault", "a/b", "s3://vault/a/b"),
        ("s3://vault", "vault", "", "s3://vault"),
        ("s3://vault/", "vault", "", "s3://vault"),
        ("s3://my.vault-1/a/", "my.vault-1", "a", "s3://my.vault-1/a"),
        ("az://backups/x%20y", "backups", "x%20y", "az://backups/x%20y"),
    ],
)
def test_an_address_is_read_and_written_in_one_form(
    url: str, container: str, prefix: str, same: str
) -> None:
    address = parse_address(url)
    assert (address.container, address.prefix, address.url) == (container, prefix, same)


@pytest.mark.parametrize(
    "url",
    [
        "vault",
        "gs://vault/a",
        "file:///a",
        "s3://",
        "s3:///a",
        "s3://V/a",
        "s3://a..b",
        "az://a--b",
    ],
)
def test_what_names_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(url)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "endpoint", "vendor"),
    [
        ("s3://b", "", "amazon-s3"),
        ("s3://b", "https://s3.eu-west-1.amazonaws.com", "amazon-s3"),
        ("s3://b", "https://s3.cn-north-1.amazonaws.com.cn", "amazon-s3"),
        ("s3://b", "https://amazonaws.com.example.org", "s3-compatible"),
        ("s3://b", "http://127.0.0.1:9000", "s3-compatible"),
        ("az://c", "https://a.blob.core.windows.net", "azure-blob"),
        ("file:///a", "", "filesystem"),
    ],
)
def test_the_vendor_follows_from_url_and_endpoint(url: str, endpoint: str, vendor: str) -> None:
    assert derive_vendor(url, endpoint) == vendor


@pytest.mark.parametrize(
    "url", ["s3://bucket/a//b", "az://con/./a", "s3://bucket/..", "az://con/a/../b"]
)
def test_a_prefix_that_other_tools_cannot_reach_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="in its prefix") as caught:
        parse_plain_address(url)
    assert caught.value.hint


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/.b", "az://con/a b/..."])
def test_other_prefixes_are_plain(url: str) -> None:
    assert parse_plain_address(url) == parse_address(url)
