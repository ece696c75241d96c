"""Each emulator starts, keeps what is written, and is shared by the whole run."""

import pytest

from core.stores.address import parse_address
from tests.emulators.services import AzureService, S3Service


@pytest.mark.parametrize("name", ["localstack", "ministack", "rclone_s3"])
def test_an_object_in_s3_is_read_back(request: pytest.FixtureRequest, name: str) -> None:
    service: S3Service = request.getfixturevalue(name)
    address = parse_address(service.new_url())
    client = service.client()
    key = f"{address.prefix}/a".lstrip("/")
    client.put_object(Bucket=address.container, Key=key, Body=b"content")
    assert client.get_object(Bucket=address.container, Key=key)["Body"].read() == b"content"


@pytest.mark.parametrize("name", ["azurite", "azurite_oauth"])
def test_a_blob_in_azure_is_read_back(request: pytest.FixtureRequest, name: str) -> None:
    service: AzureService = request.getfixturevalue(name)
    address = parse_address(service.new_url())
    with service.client() as client:
        blob = client.get_blob_client(address.container, f"{address.prefix}/a".lstrip("/"))
        blob.upload_blob(b"content")
        assert blob.download_blob().readall() == b"content"
