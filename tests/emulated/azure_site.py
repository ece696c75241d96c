"""A customer with an appliance in Azure: source and target in its account, its function app.

The packaged app runs in workers of Microsoft's own library, behind the host of the tests; objects
are in Azurite, which both the app's identity and the proxy reach by one endpoint over TLS.
"""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from core.engine.points import list_points
from core.engine.session import CopySession, claim_name
from core.sources.repository import Repository
from core.stores.address import parse_address
from core.stores.azure_session import open_identity
from core.stores.settings import StoreSettings
from infra.azure.package import kept_package
from proxy.appliance import Order
from proxy.appliance_azure import AzureAppliance
from proxy.version import own_version
from tests.cli.clouds import store_table
from tests.emulated.copy_place import REASON, CopyPlace
from tests.emulators.certificate import make_certificate
from tests.emulators.fault_proxy import Call, FaultProxy
from tests.emulators.folder import RunFolder
from tests.emulators.functions_host import FunctionsHost, created_event
from tests.emulators.identity import audience_of
from tests.emulators.programs import AZURE_ACCOUNT
from tests.emulators.services import AzureService, KeyReference
from tests.emulators.starting import emulator
from tests.emulators.task_hub import Instance
from tests.emulators.vault import KeyVault
from tests.emulators.wire import Tls
from tests.support.function_apps import AUDIENCE
from tests.support.trees import compare_trees

CLIENT_ID = "0a1b2c3d-0000-4000-8000-00000000c0de"
WORKERS = 2
_PATIENCE_SECONDS = 240
# What opens a repository, and what starts sessions: empty unless a test says it.
_OPTIONAL = (
    "COLDHAUL_TARGET_SECRET", "COLDHAUL_SOURCE_SECRET", "COLDHAUL_TARGET_VAULT_KEY",
    "COLDHAUL_SOURCE_VAULT_KEY", "COLDHAUL_JOB", "COLDHAUL_SCHEDULE", "COLDHAUL_EVENTS",
)  # fmt: skip

_CONFIG = """\
version = 1

[repositories.primary]
{source}url = "{source_url}"
store = "cloud"
proxy = "hq"
retention_type = "snapshot-based"

[repositories.vault]
url = "{target_url}"
store = "cloud"
storage_class = "{storage_class}"
{metadata_class}proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
{encryption}appliance = {{ kind = "azure", url = "{app}", audience = "{audience}" }}

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "{schedule}"

[stores.cloud]
{cloud}"""


def _sign_in(token: str) -> str | None:
    return "the proxy" if audience_of(token) == AUDIENCE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureWays:
    """The function app, and how it and the proxy reach blobs and keys; both are watched."""

    host: FunctionsHost
    service: AzureService
    objects: FaultProxy
    vault: KeyVault

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a process finds the vault, its identity, and whom to trust."""
        bundle = self.service.settings.ca_bundle
        trust = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), bundle)
        return {**self.vault.environment, **trust}

    def asked(self, before: int = 0) -> list[Call]:
        """Return what the functions have asked of storage since so many calls: by tokens."""
        return [call for call in self.objects.calls[before:] if call.credentials == "Bearer"]

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.objects.clear()
        self.vault.denied.clear()
        self.host.hub.disturb = lambda _: None


@contextlib.contextmanager
def azure_ways_to(run: RunFolder, folder: Path, key: KeyReference) -> Iterator[AzureWays]:
    """Start the app, and put in front of Azurite what watches it."""
    found = emulator(run, "azurite-oauth")
    certificate, private = make_certificate(folder / "blobs")
    tls = Tls(certificate, private, found.ca_bundle)
    with KeyVault(folder / "vault") as vault, FaultProxy(found.endpoint, "azure", tls=tls) as way:
        bundle = folder / "trusted.pem"
        bundle.write_bytes(certificate.read_bytes() + vault.certificate.read_bytes())
        settings = StoreSettings(
            vendor="azure-blob",
            endpoint=f"{way.endpoint}/{AZURE_ACCOUNT}",
            account_key=key,
            ca_bundle=str(bundle),
        )
        service = AzureService(settings=settings, account=AZURE_ACCOUNT)
        host = FunctionsHost(
            kept_package(),
            {},
            sign_in=_sign_in,
            worker_count=WORKERS,
            timer_seconds_max=0.5,
        )
        with host:
            yield AzureWays(host=host, service=service, objects=way, vault=vault)


@contextlib.contextmanager
def reached(ways: AzureWays) -> Iterator[AzureWays]:
    """Have this process find the same vault and identity."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ways.environment.items():
            patch.setenv(name, value)
        # This process's chain may have found the one of a test before.
        open_identity.cache_clear()
        yield ways
    open_identity.cache_clear()


class AzureSite(CopyPlace):
    """A place whose vault has an appliance that serves it."""

    def __init__(
        self,
        root: Path,
        ways: AzureWays,
        *,
        kind: str = "repository",
        storage_class: str = "Archive",
        metadata_class: str = "",
        is_encrypted: bool = False,
        is_source_encrypted: bool = False,
        schedule: str = "daily 22:00",
    ) -> None:
        """Write a configuration of new places."""
        super().__init__(
            root,
            kind=kind,
            storage_class=storage_class,
            is_encrypted=is_encrypted,
            is_source_encrypted=is_source_encrypted,
        )
        self.ways, self.host, self.metadata_class = ways, ways.host, metadata_class
        self.schedule = schedule
        self.source_url = f"{ways.service.new_url()}/primary"
        self.target_url = f"{ways.service.new_url()}/vault"
        self.client = AzureAppliance(ways.host.url, AUDIENCE, StoreSettings())
        self.declare()

    # --- What is set up ----------------------------------------------------------------------

    def declare(self) -> None:
        """Write the configuration."""
        encryption = f'encryption.passphrase = "file:{self.passphrase}"\n'
        metadata = f'metadata_class = "{self.metadata_class}"\n' if self.metadata_class else ""
        self.config.write_text(
            _CONFIG.format(
                source=self.source_keys() + (encryption if self.is_source_encrypted else ""),
                source_url=self.source_url,
                target_url=self.target_url,
                storage_class=self.storage_class,
                metadata_class=metadata,
                encryption=encryption if self.is_encrypted else "",
                app=self.host.url,
                audience=AUDIENCE,
                schedule=self.schedule,
                cloud=store_table(self.own_settings),
            )
        )

    def serve(self, **settings: str) -> None:
        """Have the app serve this site, by what opens its vault if that is named."""
        endpoint = self.own_settings.endpoint
        self.host.configure(
            **{
                **self.ways.environment,
                "AZURE_CLIENT_ID": CLIENT_ID,
                "COLDHAUL_MEMORY_MB": "2048",
                "COLDHAUL_TARGET_URL": self.target_url,
                "COLDHAUL_TARGET_ENDPOINT": endpoint,
                "COLDHAUL_SOURCE_URL": self.source_url,
                "COLDHAUL_SOURCE_ENDPOINT": endpoint,
                "COLDHAUL_SOURCE_KIND": self.kind,
                "COLDHAUL_RETENTION_TYPE": "snapshot-based" if self.kind == "bucket" else "",
                "COLDHAUL_STORAGE_CLASS": self.storage_class,
                "COLDHAUL_METADATA_CLASS": self.metadata_class,
                **dict.fromkeys(_OPTIONAL, ""),
                **settings,
            }
        )

    @property
    def own_settings(self) -> StoreSettings:
        """How the proxy reaches its objects."""
        return self.ways.service.settings

    @property
    def target_settings(self) -> StoreSettings:
        """The same, for the vault."""
        return replace(
            self.own_settings,
            storage_class=self.storage_class,
            metadata_class=self.metadata_class,
        )

    # --- What the proxy does -----------------------------------------------------------------

    def order(self, session: CopySession, attempt: int = 1, version: str = "") -> None:
        """Order the appliance to run a session, as the proxy's own client does."""
        self.client.start(
            Order(
                session=session.id,
                claim=claim_name(session),
                attempt=attempt,
                version=version or own_version(),
                reason=REASON,
            )
        )

    def execute(self, session: CopySession, attempt: int = 1) -> Instance:
        """Have a session run to an end."""
        self.order(session, attempt)
        return self.wait(session.id)

    def wait(self, instance: str) -> Instance:
        """Wait for the end of an instance."""
        return self.host.hub.wait(instance, _PATIENCE_SECONDS)

    # --- Behind everybody's back ---------------------------------------------------------------

    def keys(self, prefix: str = "") -> dict[str, str]:
        """Return the tier of each object of the vault."""
        address = parse_address(self.target_url)
        below = f"{address.prefix}/"
        with self.ways.service.client() as client:
            container = client.get_container_client(address.container)
            found = list(container.list_blobs(name_starts_with=below + prefix))
        return {each.name.removeprefix(below): str(each.blob_tier) for each in found}

    def blob(self, url: str, name: str) -> Any:  # noqa: ANN401  # Its own client closes with it.
        """Return a client of the vendor's for a blob below a URL."""
        address = parse_address(url)
        client = self.ways.service.client()
        return client.get_blob_client(address.container, f"{address.prefix}/{name}")

    def event_of_newest(self) -> dict[str, object]:
        """Return what Event Grid tells when the source's newest point has been made."""
        source = self.source()
        assert isinstance(source, Repository)
        address = parse_address(self.source_url)
        record = list_points(source)[-1].name
        return created_event(address.container, f"{address.prefix}/{record}")

    def retrieve(self) -> None:
        """Make the vault's archived objects readable, by the vendor's own means."""
        for name, tier in self.keys("packs/").items():
            if tier == "Archive":
                with self.blob(self.target_url, name) as blob:
                    blob.set_standard_blob_tier("Hot")

    def check_newest(self) -> None:
        """Restore the newest point out of the archive and compare it with what was backed up."""
        self.retrieve()
        folder = self.root / secrets.token_hex(4)
        self.done("restore", "vault", "--to", str(folder))
        differences = compare_trees(self.tree, folder)
        assert differences == []
