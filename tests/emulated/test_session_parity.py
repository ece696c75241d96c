"""Both appliances make the same of the same sessions: one set of scenarios, run by each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.session import CopySession
from core.stores.address import parse_address
from tests.emulated.azure_site import AzureSite, AzureWays
from tests.emulated.copy_place import CopyPlace
from tests.emulated.session_scenario import Fault, Scenario, load_sessions, run_scenario
from tests.emulated.site import Site, Ways
from tests.emulators.faults import Rule, refusal

SCENARIOS = load_sessions()
# What is copied, not what it takes to open the source: then a report can be left.
_PATHS = {"source": "/primary/blobs/", "packs": "/vault/packs/"}


class AwsSide:
    """Amazon's, in LocalStack."""

    def __init__(self, folder: Path, ways: Ways) -> None:
        """Serve nothing yet."""
        self._folder, self._ways = folder, ways
        self._places: dict[str, Site] = {}
        self._site: Site

    def place(self, kind: str) -> CopyPlace:
        """Return the place of a kind; the functions serve one at a time."""
        if kind not in self._places:
            folder = self._folder / kind
            folder.mkdir()
            self._site = Site(folder, self._ways, kind=kind, storage_class="GLACIER_IR")
            self._places[kind] = self._site
            self._site.create()
            self._site.serve()
        assert self._places[kind] is self._site, "scenarios of a kind are beside each other"
        return self._site

    def put(self, key: str, content: bytes | None) -> None:
        """Ask S3."""
        client, where = self._site.stack.service.client(), self._where(key)
        if content is None:
            client.delete_object(**where)
        else:
            client.put_object(**where, Body=content)

    def listed(self) -> list[str]:
        """Ask S3."""
        where = self._where("")
        listed = self._site.stack.service.client().list_objects_v2(
            Bucket=where["Bucket"], Prefix=where["Key"]
        )
        return [each["Key"].removeprefix(where["Key"]) for each in listed.get("Contents", [])]

    def _where(self, key: str) -> dict[str, str]:
        address = parse_address(self._site.source_url)
        return {"Bucket": address.container, "Key": f"{address.prefix}/{key}"}

    def strike(self, fault: Fault) -> None:
        """Have S3 refuse what the functions ask."""
        name = {"busy": "SlowDown", "denied": "AccessDenied"}[fault.what]
        operation = {"source": "GetObject", "packs": "PutObject"}[fault.where]
        self._ways.functions.add(
            Rule(
                fault=refusal("s3", name),
                operations=frozenset({operation}),
                path=_PATHS[fault.where],
                count=fault.count,
            )
        )

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._ways.clear()

    def execute(self, session: CopySession, attempt: int) -> bool:
        """Ask Step Functions."""
        return self._site.execute(session, attempt).status == "SUCCEEDED"


class AzureSide:
    """Azure's, in the host of the tests."""

    def __init__(self, folder: Path, ways: AzureWays) -> None:
        """Serve nothing yet."""
        self._folder, self._ways = folder, ways
        self._places: dict[str, AzureSite] = {}
        self._site: AzureSite

    def place(self, kind: str) -> CopyPlace:
        """Return the place of a kind; the app serves one at a time."""
        if kind not in self._places:
            folder = self._folder / kind
            folder.mkdir()
            self._site = AzureSite(folder, self._ways, kind=kind, storage_class="Cool")
            self._places[kind] = self._site
            self._site.create()
            self._site.serve()
        assert self._places[kind] is self._site, "scenarios of a kind are beside each other"
        return self._site

    def put(self, key: str, content: bytes | None) -> None:
        """Ask Blob Storage."""
        with self._site.blob(self._site.source_url, key) as blob:
            if content is None:
                blob.delete_blob()
            else:
                blob.upload_blob(content, overwrite=True)

    def listed(self) -> list[str]:
        """Ask Blob Storage."""
        address = parse_address(self._site.source_url)
        below = f"{address.prefix}/"
        with self._ways.service.client() as client:
            container = client.get_container_client(address.container)
            return [
                name.removeprefix(below)
                for name in container.list_blob_names(name_starts_with=below)
            ]

    def strike(self, fault: Fault) -> None:
        """Have Blob Storage refuse what the functions ask."""
        name = {"busy": "ServerBusy", "denied": "AuthorizationPermissionMismatch"}[fault.what]
        operation = {"source": "GetBlob", "packs": "PutBlob"}[fault.where]
        self._ways.objects.add(
            Rule(
                fault=refusal("azure", name),
                operations=frozenset({operation}),
                path=_PATHS[fault.where],
                count=fault.count,
            )
        )

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._ways.clear()

    def execute(self, session: CopySession, attempt: int) -> bool:
        """Order it as the proxy does."""
        return self._site.execute(session, attempt).status == "Completed"


@pytest.fixture(scope="module")
def aws_side(light_ways: Ways, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsSide]:
    """Amazon's appliance."""
    side = AwsSide(tmp_path_factory.mktemp("aws"), light_ways)
    yield side
    side.clear()


@pytest.fixture(scope="module")
def azure_side(
    azure_ways: AzureWays, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AzureSide]:
    """Azure's appliance."""
    side = AzureSide(tmp_path_factory.mktemp("azure"), azure_ways)
    yield side
    side.clear()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_amazon_makes_of_it_what_is_expected(aws_side: AwsSide, scenario: Scenario) -> None:
    aws_side.clear()
    run_scenario(aws_side, scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_azure_makes_of_it_the_same(azure_side: AzureSide, scenario: Scenario) -> None:
    azure_side.clear()
    run_scenario(azure_side, scenario)
