"""Two repositories, each in a folder or on an emulator, and the commands run on them."""

import time
from pathlib import Path

from core.sources.repository import Repository
from core.stores.address import parse_address
from core.stores.opening import open_store
from core.stores.settings import StoreSettings
from tests.cli.place import PASSPHRASE, Place
from tests.emulators.services import AZURE_KEY_VARIABLE, AzureService, S3Service
from tests.support.repositories import reopen

Service = S3Service | AzureService
# Everything cold has its class from these; what a repository keeps hot has no class of them.
ARCHIVE = {"GLACIER", "DEEP_ARCHIVE", "Archive"}
_PATIENCE_SECONDS = 60

_CONFIG = """\
version = 1

[repositories.primary]
url = "{source_url}"
{source_store}proxy = "hq"
retention_type = "snapshot-based"
retention = "1 year"

[repositories.vault]
url = "{target_url}"
{target_store}{storage_class}proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "file:{passphrase}"

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"
"""


class Pair(Place):
    """A place whose primary and vault are where a test says; None is a folder of the place."""

    def __init__(
        self,
        root: Path,
        source: Service | None,
        target: Service | None,
        *,
        storage_class: str = "",
    ) -> None:
        """Take a new bucket or container for each and write the configuration."""
        super().__init__(root)
        self.source = source
        self.target = target
        self.source_url = self._url(source, "primary")
        self.target_url = self._url(target, "vault")
        self._storage_class = storage_class
        self.declare()

    def declare(self) -> None:
        """Write the configuration anew, with the endpoints as they are now."""
        text = _CONFIG.format(
            source_url=self.source_url,
            target_url=self.target_url,
            source_store='store = "source"\n' if self.source else "",
            target_store='store = "target"\n' if self.target else "",
            storage_class=f'storage_class = "{self._storage_class}"\n'
            if self._storage_class
            else "",
            passphrase=self.passphrase,
        )
        tables = [
            f"\n[stores.{name}]\n{_store_table(service.settings)}"
            for name, service in (("source", self.source), ("target", self.target))
            if service
        ]
        self.config.write_text(text + "".join(tables))

    def move_source(self, service: S3Service) -> None:
        """Copy the primary from its folder into a bucket, object for object, and go on there."""
        folder = self.root / "primary"
        self.source, self.source_url = service, self._url(service, "primary")
        address, client = parse_address(self.source_url), service.client()
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                key = f"{address.prefix}/{path.relative_to(folder)}"
                client.put_object(Bucket=address.container, Key=key, Body=path.read_bytes())
        client.close()
        self.declare()

    def vault(self, service: Service | None = None) -> Repository:
        """Open the vault as another process does; past a proxy in front of it, by its service."""
        target = service or self.target
        settings = target.settings if target else StoreSettings()
        return reopen(open_store(self.target_url, settings), PASSPHRASE)

    def _url(self, service: Service | None, name: str) -> str:
        return f"{service.new_url()}/{name}" if service else f"file://{self.root}/{name}"


def _store_table(settings: StoreSettings) -> str:
    keys = {
        "vendor": settings.vendor,
        "endpoint": settings.endpoint,
        "region": settings.region,
        "profile": settings.profile,
        "ca_bundle": settings.ca_bundle,
        "account_key": f"env:{AZURE_KEY_VARIABLE}" if settings.account_key else "",
    }
    return "".join(f'{key} = "{value}"\n' for key, value in keys.items() if value)


def classes_below(service: Service, url: str) -> dict[str, str]:
    """Return the class of each object below a URL, asked of the vendor's own library."""
    address = parse_address(url)
    prefix = f"{address.prefix}/"
    if isinstance(service, AzureService):
        with service.client() as azure:
            blobs = azure.get_container_client(address.container).list_blobs(prefix)
            return {blob.name.removeprefix(prefix): str(blob.blob_tier) for blob in blobs}
    client = service.client()
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=address.container, Prefix=prefix
    )
    found = {
        each["Key"].removeprefix(prefix): each["StorageClass"]
        for page in pages
        for each in page["Contents"]
    }
    client.close()
    return found


def archived_below(service: Service, url: str) -> set[str]:
    """Return the names of what is in an archive class."""
    return {name for name, kind in classes_below(service, url).items() if kind in ARCHIVE}


def retrieve(service: Service, url: str) -> None:
    """Make everything below a URL readable by the vendor's own means, and wait until it is."""
    ordered = order(service, url)
    if isinstance(service, AzureService):
        return  # Azurite takes no time.
    address, client = parse_address(url), service.client()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for name in ordered:
        while not _is_restored(client, address.container, f"{address.prefix}/{name}"):
            assert time.monotonic() < deadline, f"{name} is still on its way"
            time.sleep(0.1)
    client.close()


def order(service: Service, url: str) -> list[str]:
    """Ask the vendor for everything archived below a URL; return the names."""
    address = parse_address(url)
    names = sorted(archived_below(service, url))
    if isinstance(service, AzureService):
        with service.client() as azure:
            for name in names:
                blob = azure.get_blob_client(address.container, f"{address.prefix}/{name}")
                blob.set_standard_blob_tier("Hot")
        return names
    client = service.client()
    for name in names:
        client.restore_object(
            Bucket=address.container,
            Key=f"{address.prefix}/{name}",
            RestoreRequest={"Days": 1, "GlacierJobParameters": {"Tier": "Standard"}},
        )
    client.close()
    return names


def _is_restored(client: object, bucket: str, key: str) -> bool:
    head = client.head_object(Bucket=bucket, Key=key)  # type: ignore[attr-defined]
    return 'ongoing-request="false"' in head.get("Restore", "")
