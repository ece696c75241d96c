"""Each key of a store by itself."""

import pytest
from pydantic import ValidationError

from proxy.store_table import AZURE_KEYS, S3_KEYS, StoreTable

ROLE = "arn:aws:iam::123456789012:role/service/coldhaul"
KMS_ARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CLIENT_ID = "0b5e2a4c-1111-2222-3333-444455556666"


def test_every_key_is_optional() -> None:
    table = StoreTable.model_validate({})
    assert table.endpoint == table.vendor == ""
    assert table.account_key is None
    assert table.read_bandwidth is None


def test_the_keys_of_one_vendor_are_keys() -> None:
    assert {*S3_KEYS, *AZURE_KEYS} <= set(StoreTable.model_fields)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("endpoint", "https://s3.example.com"),
        ("region", "eu-central-1"),
        ("profile", "coldhaul"),
        ("role_arn", ROLE),
        ("managed_identity", CLIENT_ID),
        ("ca_bundle", "/etc/ssl/own-ca.pem"),
        ("http_proxy", "http://proxy.example.com:3128"),
        ("kms_key", KMS_ARN),
        ("kms_key", "1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("kms_key", "alias/coldhaul"),
        ("vendor", "amazon-s3"),
        ("vendor", "s3-compatible"),
        ("vendor", "azure-blob"),
    ],
)
def test_a_text_is_kept_as_it_is(key: str, value: str) -> None:
    assert getattr(StoreTable.model_validate({key: value}), key) == value


def test_a_secret_is_a_reference_and_a_rate_is_a_rate() -> None:
    table = StoreTable.model_validate({"account_key": "env:KEY", "write_bandwidth": "8 Mbit/s"})
    assert str(table.account_key) == "env:KEY"
    assert table.write_bandwidth is not None
    assert table.write_bandwidth.bytes_per_second == 1_000_000


def test_a_path_has_one_form() -> None:
    assert StoreTable.model_validate({"ca_bundle": "//etc//a/../b"}).ca_bundle == "/etc/b"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("endpoint", "s3.example.com"),
        ("region", "EU Central"),
        ("region", ""),
        ("profile", ""),
        ("profile", "two words"),
        ("role_arn", "coldhaul"),
        ("role_arn", "arn:aws:iam::123456789012:user/x"),
        ("managed_identity", "coldhaul"),
        ("account_key", "c2VjcmV0"),
        ("ca_bundle", "own-ca.pem"),
        ("http_proxy", "proxy:3128"),
        ("kms_key", "two words"),
        ("read_bandwidth", "fast"),
        ("vendor", "filesystem"),
        ("vendor", "minio"),
        ("region", 3),
    ],
)
def test_anything_else_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        StoreTable.model_validate({key: value})
