"""The appliance's function app as it is packaged, in a host of our own, copying within Azurite.

What stands in for Azure: the host (``tests/emulators/functions_host.py``), a managed identity, and
Azurite, which takes any token. The worker, its client of Durable Functions, azure-identity, both
libraries of blobs and all of the package are the real ones.
"""

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.engine.history import SessionView, list_sessions
from core.engine.jobs import load_definition
from core.engine.plan import run_plan
from core.engine.run import begin_session
from core.engine.session import CopySession, claim_name, system_clock
from core.ids import JobId
from core.model import Parameters
from core.sources.repository import Repository
from core.stores.address import parse_address
from core.stores.opening import open_store
from core.stores.settings import StoreSettings
from infra.azure.package import kept_package
from proxy.version import own_version
from tests.cli.clouds import store_table
from tests.cli.place import PASSPHRASE, Place
from tests.emulators.functions_host import FunctionsHost
from tests.emulators.identity import audience_of, found_identity
from tests.emulators.services import AzureService
from tests.emulators.task_hub import Instance
from tests.support.copies import pin_batches
from tests.support.function_apps import AUDIENCE
from tests.support.repositories import create_in, reopen
from tests.support.trees import copy_tree

JOB = JobId("nightly")
REASON = "a test ordered it"
# Small enough that little content has several packs.
SMALL = Parameters(pack_size=64 << 10, frame_size=16 << 10, zstd_level=1)
PATIENCE = 240
_CLIENT_ID = "00000000-0000-0000-0000-000000000003"
_CONFIG = """\
version = 1

[repositories.primary]
url = "{source_url}"
store = "cloud"
proxy = "hq"
retention_type = "snapshot-based"
retention = "1 year"

[repositories.vault]
url = "{target_url}"
store = "cloud"
storage_class = "Archive"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
{encryption}appliance = {{ kind = "azure", url = "{app}", audience = "{audience}" }}

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "{schedule}"

[stores.cloud]
{cloud}"""


class AzureApp:
    """The app, made to serve whatever a test says; ``host`` is what runs it.

    It serves one source and one target, and starting it takes seconds, so tests that use it share a
    worker (conftest.py).
    """

    def __init__(self, host: FunctionsHost, service: AzureService) -> None:
        """Take a host that runs."""
        self.host = host
        self.service = service
        self._served: set[str] = set()

    def serve(self, others: Mapping[str, str] | None = None, /, **environment: str) -> None:
        """Set settings, by their names without COLDHAUL_ and in lower case; all else is unset."""
        changed = {f"COLDHAUL_{name.upper()}": value for name, value in environment.items()}
        changed |= others or {}
        before = dict.fromkeys(self._served, "")
        self._served = set(changed)
        self.host.configure(**before | changed)

    def wait(self, instance: str) -> Instance:
        """Wait for an instance's end."""
        return self.host.hub.wait(instance, PATIENCE)


@contextlib.contextmanager
def serve_app(service: AzureService) -> Iterator[AzureApp]:
    """Lend the app, deployed for nothing yet, and an identity that this process has as well."""
    bundle = service.settings.ca_bundle
    with found_identity() as identity:
        settings = {
            **identity.environment,
            "AZURE_CLIENT_ID": _CLIENT_ID,
            # Azurite's certificate is signed by nobody whom a system knows.
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
        }
        with FunctionsHost(kept_package(), settings, sign_in=_sign_in, worker_count=2) as host:
            yield AzureApp(host, service)


def _sign_in(token: str) -> str | None:
    return "the proxy" if audience_of(token) == AUDIENCE else None


class AzureSite(Place):
    """A place whose vault has the app, which serves it, for its appliance."""

    def __init__(
        self,
        root: Path,
        app: AzureApp,
        *,
        is_encrypted: bool = False,
        schedule: str = "daily 22:00",
    ) -> None:
        """Take new containers and write a configuration."""
        super().__init__(root)
        self.app, self.is_encrypted, self.schedule = app, is_encrypted, schedule
        self.source_url = f"{app.service.new_url()}/primary"
        self.target_url = f"{app.service.new_url()}/a/vault"
        self.declare()

    def declare(self) -> None:
        """Write the configuration."""
        encryption = f'encryption.passphrase = "file:{self.passphrase}"\n'
        self.config.write_text(
            _CONFIG.format(
                source_url=self.source_url,
                target_url=self.target_url,
                encryption=encryption if self.is_encrypted else "",
                app=self.app.host.url,
                audience=AUDIENCE,
                schedule=self.schedule,
                cloud=store_table(self.settings),
            )
        )

    def serve(self, others: Mapping[str, str] | None = None, /, **environment: str) -> None:
        """Have the app serve this site, by what opens its vault if that is named."""
        endpoint = self.settings.endpoint
        served = {
            "target_url": self.target_url,
            "target_endpoint": endpoint,
            "source_url": self.source_url,
            "source_endpoint": endpoint,
            "source_kind": "repository",
            "storage_class": "Archive",
            "memory_mb": "2048",
        }
        self.app.serve(others, **served | environment)

    def create(self, parameters: Parameters = SMALL) -> None:
        """Create the repositories, with small packs, and the job."""
        self.done("repository", "create", "primary")
        secret = PASSPHRASE if self.is_encrypted else None
        create_in(open_store(self.target_url, self.target_settings), secret, parameters=parameters)
        self.done("job", "create", "nightly")

    @property
    def settings(self) -> StoreSettings:
        """How all reach Azurite."""
        return self.app.service.settings

    @property
    def target_settings(self) -> StoreSettings:
        """The same, for the vault."""
        return replace(self.settings, storage_class="Archive")

    def target(self) -> Repository:
        """Open the vault."""
        secret = PASSPHRASE if self.is_encrypted else None
        return reopen(open_store(self.target_url, self.target_settings), secret)

    def source(self) -> Repository:
        """Open the source."""
        return reopen(open_store(self.source_url, self.settings))

    def back_up(self, files: Mapping[str, bytes]) -> None:
        """Write files into the tree and make a restore point of it."""
        for name, content in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.done("backup", str(self.tree), "--to", "primary")

    def begin(self, batch_size: int = 0) -> CopySession:
        """Claim the newest point, as the proxy does; with batches of so many bytes if said."""
        target = self.target()
        definition = load_definition(target, JOB)
        begun = begin_session(target, self.source(), definition, system_clock)
        assert begun is not None
        if batch_size:
            with pytest.MonkeyPatch.context() as patch:
                pin_batches(patch, batch_size)
                run_plan(begun.session, 0.0)
        return begun.session

    def order(self, session: CopySession, attempt: int = 1, **others: object) -> dict[str, Any]:
        """Return the order for a session, as the proxy gives it."""
        return {
            "session": session.id,
            "claim": claim_name(session),
            "attempt": attempt,
            "version": own_version(),
            "reason": REASON,
            **others,
        }

    def begin_attempt(self, session: CopySession, attempt: int = 1) -> None:
        """Have an attempt at a session begin, as if it had been ordered over HTTP."""
        given = json.dumps(json.dumps(self.order(session, attempt)))
        assert self.app.host.hub.start("session", session.id, given)

    def execute(self, session: CopySession, attempt: int = 1) -> Instance:
        """Have a session run to an end."""
        self.begin_attempt(session, attempt)
        return self.app.wait(session.id)

    def session_view(self) -> SessionView:
        """Return how the newest session stands."""
        return list_sessions(self.target(), JOB)[-1]

    def copied(self, runner: str) -> Path:
        """Have the newest point copied; return a folder that keeps how the tree looked."""
        session = self.json("job", "run", "nightly")["session"]
        assert (session["status"], session["runner"]) == ("Success", runner)
        look = self.root / f"look-{secrets.token_hex(4)}"
        copy_tree(self.tree, look)
        return look

    def keys(self, prefix: str = "") -> dict[str, str]:
        """Return the tier of each object of the vault below a prefix, asked behind its back."""
        address = parse_address(self.target_url)
        below = f"{address.prefix}/"
        with self.app.service.client() as client:
            blobs = client.get_container_client(address.container).list_blobs(below + prefix)
            return {blob.name.removeprefix(below): str(blob.blob_tier) for blob in blobs}

    def parts(self, session: CopySession) -> list[str]:
        """Return the names of the parts that a session has."""
        return sorted(self.keys(f"sessions/{session.id}/parts/"))

    def retrieve(self) -> None:
        """Make the vault's archived objects readable, by the vendor's own means."""
        address = parse_address(self.target_url)
        archived = [name for name, tier in self.keys().items() if tier == "Archive"]
        with self.app.service.client() as client:
            for name in archived:
                blob = client.get_blob_client(address.container, f"{address.prefix}/{name}")
                blob.set_standard_blob_tier("Hot")
