"""The Azure store keeps the promises of every store."""

import secrets
from functools import cache

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from core.stores.address import parse_address
from core.stores.opening import open_store
from core.stores.settings import StoreSettings
from core.stores.store import Store
from tests.conformance.medium import Medium
from tests.conformance.suite import StoreConformance
from tests.emulators.services import AzureService


class AzureMedium:
    """A prefix of a container, looked at with Azure's own library."""

    def __init__(self, service: AzureService, container: ContainerClient, url: str) -> None:
        address = parse_address(f"{url}/{secrets.token_hex(4)}/place")
        self._service = service
        self._container = container
        self._root = f"{address.prefix}/"
        self.settings: StoreSettings = service.settings
        self.store: Store = open_store(address.url, self.settings)

    def names(self) -> set[str]:
        """List the prefix."""
        listed = self._container.list_blob_names(name_starts_with=self._root)
        return {name.removeprefix(self._root) for name in listed}

    def read(self, name: str) -> bytes:
        """Download the blob."""
        return self._container.download_blob(self._root + name).readall()

    def write(self, name: str, data: bytes) -> None:
        """Upload the blob, over whatever is there."""
        self._container.upload_blob(self._root + name, data, overwrite=True)

    def remove(self, name: str) -> None:
        """Delete the blob."""
        self._container.delete_blob(self._root + name)

    def leftovers(self) -> set[str]:
        """Find names that have staged blocks and no blob."""
        listed = self._container.list_blobs(
            name_starts_with=self._root, include=["uncommittedblobs"]
        )
        return {blob.name.removeprefix(self._root) for blob in listed} - self.names()

    def gone(self) -> Store:
        """Point at a container that nobody made."""
        name = f"{self._container.container_name}-gone"
        with pytest.raises(ResourceNotFoundError), self._service.client() as client:
            client.get_container_client(name).get_container_properties()
        return open_store(f"az://{name}/place", self.settings)


class TestAzurite(StoreConformance):
    """The promises of every store, at the size that an emulator can take."""

    race_count = 60
    create_turns = 6
    seen_count = 16
    kill_turns = 3
    neighbour_turns = 4
    listed_count = 600
    # One request deletes 256.
    deleted_count = 270

    @pytest.fixture
    def medium(self, azurite: AzureService, monkeypatch: pytest.MonkeyPatch) -> Medium:
        # Azure's own pages have 5,000: too many to be written for one test.
        monkeypatch.setattr("core.stores.azure.AZURE_PAGE_MAX", 250)
        return AzureMedium(azurite, *share_container(azurite))


@cache
def share_container(service: AzureService) -> tuple[ContainerClient, str]:
    """Return one container for all tests, and its URL: each uses a prefix of its own."""
    url = service.new_url()
    address = parse_address(url)
    return service.client().get_container_client(address.container), url
