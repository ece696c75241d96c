"""The vendors' own clients through the fault proxy: signatures hold, restores take their time."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import RehydratePriority, StandardBlobTier
from botocore.exceptions import ClientError

from core.stores.address import parse_address
from tests.emulators.fault_proxy import HELD
from tests.emulators.services import AzureService, S3Service


def test_signatures_of_s3_hold_behind_it(rclone_s3: S3Service) -> None:
    """``rclone serve s3`` is the one that checks them."""
    bucket = parse_address(rclone_s3.new_url()).container
    with rclone_s3.fault_proxy() as proxy:
        client = rclone_s3.behind(proxy.endpoint).client()
        client.put_object(Bucket=bucket, Key="a b/c+d", Body=b"content")
        found = client.list_objects_v2(Bucket=bucket, Prefix="a b/")["Contents"]
        client.close()
    assert [each["Key"] for each in found] == ["a b/c+d"]
    assert proxy.operations == {"PutObject": 1, "ListObjectsV2": 1}


def test_keys_of_azure_hold_behind_it(azurite: AzureService) -> None:
    container = parse_address(azurite.new_url()).container
    with azurite.fault_proxy() as proxy, azurite.behind(proxy.endpoint).client() as client:
        client.get_blob_client(container, "a b/c+d").upload_blob(b"content")
        names = list(client.get_container_client(container).list_blob_names())
    assert names == ["a b/c+d"]
    assert proxy.operations == {"PutBlob": 1, "ListBlobs": 1}


def test_a_restore_in_s3_takes_until_the_test_says(localstack: S3Service) -> None:
    bucket = parse_address(localstack.new_url()).container
    place = {"Bucket": bucket, "Key": "p"}
    order = {**place, "RestoreRequest": {"Days": 1}}
    with localstack.fault_proxy(delays_restores=True) as proxy:
        client = localstack.behind(proxy.endpoint).client()
        client.put_object(**place, Body=b"content", StorageClass="DEEP_ARCHIVE")
        client.restore_object(**order)
        with pytest.raises(ClientError, match="RestoreAlreadyInProgress"):
            client.restore_object(**order)
        assert client.head_object(**place)["Restore"] == 'ongoing-request="true"'
        with pytest.raises(ClientError, match="InvalidObjectState"):
            client.get_object(**place)
        proxy.complete_restores()
        assert client.get_object(**place)["Body"].read() == b"content"
        client.close()
    assert proxy.counts["POST", "RestoreObject", HELD] == 2


def test_what_is_not_archived_is_no_business_of_the_delay(localstack: S3Service) -> None:
    bucket = parse_address(localstack.new_url()).container
    with localstack.fault_proxy(delays_restores=True) as proxy:
        client = localstack.behind(proxy.endpoint).client()
        client.put_object(Bucket=bucket, Key="p", Body=b"content")
        with pytest.raises(ClientError, match="InvalidObjectState"):
            client.restore_object(Bucket=bucket, Key="p", RestoreRequest={"Days": 1})
        client.close()


def test_a_rehydration_in_azure_takes_until_the_test_says(azurite: AzureService) -> None:
    container = parse_address(azurite.new_url()).container
    proxy = azurite.fault_proxy(delays_restores=True)
    with proxy, azurite.behind(proxy.endpoint).client() as client:
        blob = client.get_blob_client(container, "p")
        blob.upload_blob(b"content", standard_blob_tier=StandardBlobTier.ARCHIVE)
        blob.set_standard_blob_tier("Hot", rehydrate_priority=RehydratePriority.HIGH)
        with pytest.raises(HttpResponseError, match="BlobBeingRehydrated"):
            blob.set_standard_blob_tier("Hot")
        assert blob.get_blob_properties().archive_status == "rehydrate-pending-to-hot"
        with pytest.raises(HttpResponseError, match="BlobArchived"):
            blob.download_blob()
        proxy.complete_restores()
        assert blob.download_blob().readall() == b"content"
        assert blob.get_blob_properties().blob_tier == "Hot"
