"""The Azure bucket keeps the promises of every bucket, and those about its own names."""

import secrets

import pytest
from azure.storage.blob import BlobClient

from core.stores.address import parse_address
from core.stores.bucket import WritableBucket
from core.stores.opening import open_bucket
from tests.conformance.bucket_suite import BucketConformance
from tests.conformance.test_azure import share_container
from tests.emulators.services import AzureService


class TestAzurite(BucketConformance):
    """A prefix of its own for every test, looked at with Azure's own library."""

    # Azure makes a slash of a backslash; writing such a name is refused.
    ODD_KEYS = (
        *(key for key in BucketConformance.ODD_KEYS if "\\" not in key and "\n" not in key),
        "double//slash", "/first", "last/", "%", "100%", "a%2Fb", "?", "#", "tilde~", "*", "\u200b",
    )  # fmt: skip

    @pytest.fixture
    def bucket(self, azurite: AzureService) -> WritableBucket:
        _, url = share_container(azurite)
        return open_bucket(f"{url}/{secrets.token_hex(4)}/place", azurite.settings)

    def remove(self, bucket: WritableBucket, key: str) -> None:
        """Delete the blob."""
        self._blob(bucket, key).delete_blob()

    def _blob(self, bucket: WritableBucket, key: str) -> BlobClient:
        container, _ = share_container(self._service)
        return container.get_blob_client(f"{parse_address(bucket.url).prefix}/{key}")

    @pytest.fixture(autouse=True)
    def _keep_service(self, azurite: AzureService) -> None:
        self._service = azurite
