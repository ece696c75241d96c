"""A place whose job copies between two repositories in a cloud, with an appliance if wanted."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from core.engine.jobs import load_definition
from core.ids import JobId
from core.sources.repository import Repository, open_repository
from core.stores.opening import open_store
from tests.cli.clouds import Service, move_to
from tests.cli.place import Place
from tests.support.appliance_clouds import Cloud, Deployed, Functions


class Site(Place):
    """A place with a job between two repositories in an emulator, and one new point for it."""

    def __init__(self, root: Path, service: Service, cloud: Cloud) -> None:
        """Create the repositories and the job, and back something up."""
        super().__init__(root)
        self.service = service
        self.cloud = cloud
        self.drop_encryption()
        self.url = move_to(self, service, "primary", "vault")
        self.done("repository", "create", "primary")
        self.done("repository", "create", "vault")
        self.done("job", "create", "nightly")
        (self.tree / "a").write_bytes(b"content")
        self.done("backup", str(self.tree), "--to", "primary")

    def appoint(self, machine: Mapping[str, object], **told: str) -> Deployed:
        """Deploy an appliance for the job and declare it as that of the vault."""
        served = {"source_url": f"{self.url}/primary", "target_url": f"{self.url}/vault"}
        if self.cloud.kind == "azure":
            endpoint = self.service.endpoint
            served |= {"source_endpoint": endpoint, "target_endpoint": endpoint}
        deployed = self.cloud.deploy(machine, **{**served, **told})
        # In AWS the store says where the emulator is; an app is where its own URL says.
        store = ', store = "cloud"' if self.cloud.kind == "aws" else ""
        self.edit(
            f'url = "{self.url}/vault"\n',
            f'url = "{self.url}/vault"\nappliance = {{ {deployed.table}{store} }}\n',
        )
        return deployed

    def functions(self, deployed: Deployed) -> Functions:
        """Return what does the work of the appliance."""
        target = self.target()
        definition = load_definition(target, JobId("nightly"))
        return Functions(deployed, target, self.source(), definition)

    def target(self) -> Repository:
        """Open the vault."""
        return self._open("vault")

    def source(self) -> Repository:
        """Open the primary."""
        return self._open("primary")

    def _open(self, name: str) -> Repository:
        return open_repository(open_store(f"{self.url}/{name}", self.service.settings), None)


def site_of(root: Path, cloud: Cloud, request: pytest.FixtureRequest) -> Site:
    """Return a site beside a cloud's own storage."""
    emulator = {"aws": "localstack", "azure": "azurite"}[cloud.kind]
    return Site(root, request.getfixturevalue(emulator), cloud)
