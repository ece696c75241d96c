"""A place whose job copies between two repositories in LocalStack, with an appliance if wanted."""

from collections.abc import Mapping
from pathlib import Path

from core.engine.jobs import load_definition
from core.ids import JobId
from core.sources.repository import Repository, open_repository
from core.stores.opening import open_store
from tests.cli.clouds import move_to
from tests.cli.place import Place
from tests.emulators.services import S3Service
from tests.support.appliances import Functions, Stack, deploy


class Site(Place):
    """A place with a job between two repositories in LocalStack, and one new point for it."""

    def __init__(self, root: Path, service: S3Service) -> None:
        """Create the repositories and the job, and back something up."""
        super().__init__(root)
        self.service = service
        self.drop_encryption()
        self.url = move_to(self, service, "primary", "vault")
        self.done("repository", "create", "primary")
        self.done("repository", "create", "vault")
        self.done("job", "create", "nightly")
        (self.tree / "a").write_bytes(b"content")
        self.done("backup", str(self.tree), "--to", "primary")

    def appoint(self, machine: Mapping[str, object], **outputs: str) -> Stack:
        """Deploy a stack for the job and declare it as the appliance of the vault."""
        served = {"SourceUrl": f"{self.url}/primary", "TargetUrl": f"{self.url}/vault"}
        stack = deploy(self.service, machine, {**served, **outputs})
        self.edit(
            f'url = "{self.url}/vault"\n',
            f'url = "{self.url}/vault"\nappliance = {{ kind = "aws", stack = "{stack.name}", '
            f'region = "{stack.region}", store = "cloud" }}\n',
        )
        return stack

    def functions(self) -> Functions:
        """Return what does the work of the appliance."""
        target = self.target()
        return Functions(target, self.source(), load_definition(target, JobId("nightly")))

    def target(self) -> Repository:
        """Open the vault."""
        return self._open("vault")

    def source(self) -> Repository:
        """Open the primary."""
        return self._open("primary")

    def _open(self, name: str) -> Repository:
        return open_repository(open_store(f"{self.url}/{name}", self.service.settings), None)
