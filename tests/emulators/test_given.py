"""A real endpoint that is given is used, cleaned up after, and never passed over in silence."""

from contextlib import AbstractContextManager

import pytest
from botocore.exceptions import EndpointConnectionError

from core.stores.address import parse_address
from tests.emulators import given
from tests.emulators.keeper import free_port
from tests.emulators.services import AzureService, S3Service


def give(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"COLDHAUL_TEST_{name}", value)


def test_a_given_bucket_is_used_below_its_prefix_and_left_as_it_was(
    ministack: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, client = parse_address(ministack.new_url()).container, ministack.client()
    client.put_object(Bucket=bucket, Key="prefix", Body=b"mine")
    endpoint, region = ministack.settings.endpoint, ministack.settings.region
    give(monkeypatch, S3=f"s3://{bucket}/prefix", S3_ENDPOINT=endpoint, S3_REGION=region)
    with given.s3() as service:
        address = parse_address(service.new_url())
        assert address.prefix.startswith("prefix/coldhaul-")
        service.client().put_object(Bucket=bucket, Key=f"{address.prefix}/a", Body=b"test")
        service.client().create_multipart_upload(Bucket=bucket, Key=f"{address.prefix}/b")
    assert [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["prefix"]
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_a_given_container_is_used_below_its_prefix_and_left_as_it_was(
    azurite: AzureService, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = parse_address(azurite.new_url()).container
    give(monkeypatch, AZURE=f"az://{container}/prefix", AZURE_ENDPOINT=azurite.endpoint)
    with azurite.client() as client:
        mine = client.get_container_client(container)
        mine.upload_blob("prefix", b"mine")
        with given.azure() as service:
            address = parse_address(service.new_url())
            assert address.prefix.startswith("prefix/coldhaul-")
            mine.upload_blob(f"{address.prefix}/a", b"test")
        assert list(mine.list_blob_names()) == ["prefix"]


def test_a_given_bucket_that_does_not_answer_fails(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    give(monkeypatch, S3="s3://bucket", S3_ENDPOINT=endpoint, S3_REGION="us-east-1")
    with pytest.raises(EndpointConnectionError):
        enter(given.s3())


def test_a_given_container_without_its_account_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLDHAUL_TEST_AZURE_ENDPOINT", raising=False)
    give(monkeypatch, AZURE="az://container")
    with pytest.raises(KeyError, match="COLDHAUL_TEST_AZURE_ENDPOINT"):
        enter(given.azure())


def enter(manager: AbstractContextManager[object]) -> None:
    with manager:
        pass
