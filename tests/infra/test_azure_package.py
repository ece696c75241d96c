"""The function app's package: small, for Azure's processors, and found whole by its worker."""

import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from appliance_azure.app import FORGETTING_SCHEDULE
from core.limits import AZURE_FUNCTION_SECONDS_MAX, AZURE_INSTANCE_DAYS_MAX
from infra.azure import package
from infra.packaging import size
from tests.emulators.functions_host import FunctionsHost
from tests.infra.test_package import MACHINES, fits
from tests.unit.appliance_azure.test_app import ALWAYS
from tests.unit.appliance_azure.test_settings import ENVIRONMENT

pytestmark = [pytest.mark.xdist_group("package"), pytest.mark.timeout(600)]

ARCHITECTURE = package.ARCHITECTURE


@pytest.fixture(scope="module")
def folder() -> Path:
    """The app, put together in build/ as ``make azure-package`` has it done."""
    return package.kept_package()


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[FunctionsHost]:
    with FunctionsHost(folder, ENVIRONMENT, sign_in=None) as host:
        yield host


def test_it_is_small_enough_for_an_instance_to_begin_soon(folder: Path) -> None:
    assert 50_000_000 < size(folder) <= package.PACKAGE_SIZE_MAX


def test_every_wheel_in_it_is_for_python_3_13_and_these_processors(folder: Path) -> None:
    wheels = list((folder / package.LIBRARIES).glob("*.dist-info/WHEEL"))
    wrong = []
    for wheel in wheels:
        lines = wheel.read_text().splitlines()
        tags = [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]
        if not any(fits(tag, ARCHITECTURE) for tag in tags):
            wrong.append((wheel.parent.name, tags))
    assert wrong == []
    assert len(wheels) > 30


def test_every_library_in_it_is_for_these_processors(folder: Path) -> None:
    libraries = [path for path in folder.rglob("*.so*") if path.is_file()]
    heads = {str(path.relative_to(folder)): path.read_bytes()[:20] for path in libraries}
    assert {head[:4] for head in heads.values()} == {b"\x7fELF"}
    machines = {int.from_bytes(head[18:20], "little") for head in heads.values()}
    assert machines == {MACHINES[ARCHITECTURE]}
    needed = {"duckdb", "obstore", "zstandard", "pydantic_core", "cryptography", "aiohttp"}
    assert {part for part in needed if any(part in name for name in heads)} == needed


def test_it_holds_nothing_that_only_the_proxy_or_amazon_runs(folder: Path) -> None:
    names = {path.name.partition("-")[0] for path in (folder / package.LIBRARIES).iterdir()}
    assert not names & {"proxy", "appliance_aws", "boto3", "botocore", "rich", "typer"}
    assert {"core", "appliance_azure", "azure"} <= names


def test_what_is_deployed_is_the_same_as_the_folder(folder: Path) -> None:
    with zipfile.ZipFile(package.archive_of(folder)) as archive:
        sizes = {each.filename: each.file_size for each in archive.infolist()}
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sizes == {str(path.relative_to(folder)): path.stat().st_size for path in files}
    assert {"host.json", "function_app.py"} <= sizes.keys()


def test_the_worker_finds_exactly_these_functions_in_it(host: FunctionsHost) -> None:
    triggers = {name: each.trigger["type"] for name, each in host.functions.items()}
    assert triggers == ALWAYS | {"on_event": "eventGridTrigger", "on_time": "timerTrigger"}


def test_routes_are_those_that_the_proxy_asks(host: FunctionsHost) -> None:
    routes = {
        (*each.trigger["methods"], each.trigger["route"], each.trigger["authLevel"])
        for each in host.functions.values()
        if each.trigger["type"] == "httpTrigger"
    }
    assert routes == {
        ("GET", "deployment", "ANONYMOUS"),
        ("GET", "check", "ANONYMOUS"),
        ("POST", "sessions/{session}", "ANONYMOUS"),
        ("GET", "sessions/{session}", "ANONYMOUS"),
        ("GET", "jobs/{job}/running", "ANONYMOUS"),
        ("POST", "sessions/{session}/terminate", "ANONYMOUS"),
    }


def test_bindings_are_those_that_functions_need(host: FunctionsHost) -> None:
    with_client = {name for name, each in host.functions.items() if each.named("durableClient")}
    without = {"session", "batches", "plan", "publish"}
    assert with_client == host.functions.keys() - without
    assert host.functions["on_time"].trigger["schedule"] == ENVIRONMENT["COLDHAUL_SCHEDULE"]
    assert host.functions["forget"].trigger["schedule"] == FORGETTING_SCHEDULE


def test_each_week_the_hub_forgets_what_ended_long_ago(host: FunctionsHost) -> None:
    hub = host.hub
    for instance, days in (("old", AZURE_INSTANCE_DAYS_MAX + 1), ("young", 1)):
        hub.start("session", instance, json.dumps("{}"))
        hub.terminate(instance, "by a test")
        hub.instances[instance].created -= timedelta(days=days)
    host.tick("forget")
    assert hub.instances.keys() & {"old", "young"} == {"young"}
    told = [json.loads(line["message"]) for line in host.logged() if line["logger"] == "coldhaul"]
    assert told[-1] == {"message": "forget", "instances": 1}
    host.tick("forget")


def test_the_host_gives_a_call_the_time_that_deadlines_count_on() -> None:
    settings = json.loads((package.FUNCTION / "host.json").read_text())
    minutes = AZURE_FUNCTION_SECONDS_MAX // 60
    assert settings["functionTimeout"] == f"00:{minutes}:00"
    durable = settings["extensions"]["durableTask"]
    assert durable["maxConcurrentActivityFunctions"] == 1
    assert durable["overridableExistingInstanceStates"] == "NonRunningStates"
    assert durable["extendedSessionsEnabled"] is False
    # A queue that was empty for a while is looked at every 30 seconds otherwise, on each step.
    assert durable["storageProvider"]["maxQueuePollingInterval"] == "00:00:10"
    assert durable["tracing"]["traceInputsAndOutputs"] is False
    sampling = settings["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";")
    assert settings["extensionBundle"]["version"] == "[4.*, 5.0.0)"
