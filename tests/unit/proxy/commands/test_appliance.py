"""``coldhaul appliance``: what is found, what is shown, and what is run."""

import os
import shlex
from pathlib import Path

import pytest

from proxy.version import own_version
from tests.cli.place import Place
from tests.emulators.services import S3Service
from tests.support.appliances import SUCCEEDS, deploy

APPLIANCE = 'appliance = { kind = "aws", stack = "coldhaul-vault", region = "us-east-1"'


AZURE = (
    'appliance = { kind = "azure", url = "https://coldhaul-vault.azurewebsites.net", '
    'audience = "api://coldhaul", resource_group = "copies", '
    'parameters = { proxyPrincipalIds = "[]" } }'
)


@pytest.fixture
def azure(place: Place) -> Place:
    """A place whose repositories are declared to be in Azure; nothing is asked of it."""
    place.drop_encryption()
    for name, container in (("primary", "backups"), ("vault", "copies")):
        place.edit(f'"file://{place.root}/{name}"', f'"az://{container}/{name}"\nstore = "azure"')
    place.edit('retention = "7 years"', f'retention = "7 years"\n{AZURE}')
    with place.config.open("a") as file:
        file.write('\n[stores.azure]\nendpoint = "https://account.blob.core.windows.net"\n')
    return place


@pytest.fixture
def cloud(place: Place) -> Place:
    """A place whose repositories are declared to be in S3; nothing is asked of it."""
    place.drop_encryption()
    place.edit(f"file://{place.root}/primary", "s3://backups/primary")
    place.edit(f"file://{place.root}/vault", "s3://copies/vault")
    place.edit('retention = "7 years"', f'retention = "7 years"\n{APPLIANCE} }}')
    return place


def tool(place: Place, code: int, name: str = "sam") -> Path:
    """Put a tool into a folder that keeps what it is called with and ends with ``code``."""
    folder = place.root / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(
        f'#!/bin/sh\necho "$PWD|$COLDHAUL_ARCHITECTURE|$*" >> "{place.root}/called"\n'
        f"echo working\nexit {code}\n"
    )
    (folder / name).chmod(0o755)
    return folder


def sources(place: Place, version: str) -> Path:
    folder = place.root / "sources"
    folder.mkdir(exist_ok=True)
    (folder / "template.yaml").write_text("Resources: {}\n")
    (folder / "infra/azure").mkdir(parents=True, exist_ok=True)
    (folder / "infra/azure/main.bicep").write_text("param appName string\n")
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    return folder


def test_the_commands_are_shown_and_not_run(cloud: Place) -> None:
    shown = cloud.done("appliance", "deploy", "vault", "--set", "MaxConcurrency=20").out
    build, deploy_line = shown.splitlines()
    assert build.endswith("--template-file template.yaml --build-dir build/sam-coldhaul-vault")
    for words in ("--stack-name coldhaul-vault", "TargetBucket=copies", "MaxConcurrency=20"):
        assert words in deploy_line
    document = cloud.json("appliance", "deploy", "vault")
    assert document["is_deployed"] is False
    assert document["parameters"]["SourcePrefix"] == "primary"


def test_the_commands_are_run_in_the_sources(cloud: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tool(cloud, 0)}:{os.environ['PATH']}")
    folder = sources(cloud, own_version())
    answer = cloud.spawn(
        "appliance", "deploy", "vault", "--run", "--source", str(folder),
        "--config", str(cloud.config), "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.document["is_deployed"] is True
    assert "working" in answer.err
    build, deploy_line = (cloud.root / "called").read_text().splitlines()
    assert build.startswith(f"{folder}|arm64|build --template-file template.yaml")
    assert deploy_line.startswith(f"{folder}||deploy --template-file build/sam-coldhaul-vault/")


def test_the_commands_of_an_app_are_shown_and_run(
    azure: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = azure.json("appliance", "deploy", "vault", "--set", "alarmEmail=a@example.com")
    assert document["is_deployed"] is False
    assert document["resource_group"] == "copies"
    assert document["parameters"]["sourceContainer"] == "backups"
    for name in ("az", "make"):
        folder = tool(azure, 0, name)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    answer = azure.spawn(
        "appliance", "deploy", "vault", "--run", "--source", str(sources(azure, own_version())),
        "--set", "alarmEmail=a@example.com", "--config", str(azure.config),
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert "Deployed coldhaul-vault in the resource group copies." in answer.out
    called = [line.split("|")[2] for line in (azure.root / "called").read_text().splitlines()]
    assert called[0] == "azure-package"
    assert called[1].startswith("deployment group create --resource-group copies")
    assert called[1].endswith(" proxyPrincipalIds=[] alarmEmail=a@example.com")
    assert called[2].startswith("functionapp deployment source config-zip")
    shown = [shlex.split(line)[1:] for line in document["commands"]]
    assert [" ".join(words) for words in shown] == called


def test_an_app_at_a_domain_of_ones_own_has_to_be_named(azure: Place) -> None:
    azure.edit("https://coldhaul-vault.azurewebsites.net", "https://vault.example.com")
    error = azure.json("appliance", "deploy", "vault", code=2)["error"]
    (problem,) = error["problems"]
    assert problem.startswith("repositories.vault.appliance.parameters.appName: it is missing")
    document = azure.json("appliance", "deploy", "vault", "--set", "appName=mine")
    assert document["parameters"]["appName"] == "mine"
    assert all("--name mine" in line for line in document["commands"][1:])


def test_sources_of_another_version_are_not_deployed(cloud: Place) -> None:
    folder = sources(cloud, "9.9.9")
    answer = cloud.run("appliance", "deploy", "vault", "--run", "--source", str(folder))
    assert answer.code == 2
    assert "9.9.9" in answer.err


def test_a_deployment_that_fails_or_cannot_begin_is_an_error(
    cloud: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sources(cloud, own_version())
    words = ["appliance", "deploy", "vault", "--run", "--source", str(folder)]
    monkeypatch.setenv("PATH", str(tool(cloud, 3)))
    answer = cloud.spawn(*words, "--config", str(cloud.config))
    assert answer.code == 6
    assert "'sam build' ended with 3" in answer.err
    (cloud.root / "bin" / "sam").unlink()
    answer = cloud.spawn(*words, "--config", str(cloud.config))
    assert answer.code == 2
    assert "AWS SAM CLI" in answer.err


def test_what_functions_cannot_open_is_refused(cloud: Place) -> None:
    cloud.edit(APPLIANCE, f'encryption.passphrase = "env:VAULT"\n{APPLIANCE}')
    error = cloud.json("appliance", "deploy", "vault", code=2)["error"]
    (problem,) = error["problems"]
    assert "secretsmanager:ARN" in problem


def test_a_job_has_to_be_named_where_there_are_several(cloud: Place) -> None:
    second = '\n[repositories.second]\nurl = "s3://backups/second"\nproxy = "hq"\n'
    second += 'retention_type = "snapshot-based"\nretention = "1 year"\n'
    second += '\n[jobs.other]\nsource = "second"\ntarget = "vault"\nschedule = "immediate"\n'
    cloud.config.write_text(cloud.config.read_text() + second)
    error = cloud.json("appliance", "deploy", "vault", code=2)["error"]
    assert error["problems"] == ["nightly", "other"]
    document = cloud.json("appliance", "deploy", "vault", "--job", "other")
    assert document["parameters"]["SourcePrefix"] == "second"


@pytest.mark.parametrize("command", ["check", "deploy"])
def test_a_repository_without_an_appliance_is_refused(place: Place, command: str) -> None:
    error = place.json("appliance", command, "vault", code=2)["error"]
    assert "[repositories.vault.appliance]" in error["hint"]


@pytest.mark.xdist_group("appliances")
def test_a_check_shows_everything_and_ends_by_the_worst(
    cloud: Place, localstack: S3Service
) -> None:
    settings = localstack.settings
    cloud.config.write_text(
        cloud.config.read_text()
        + f'\n[stores.cloud]\nendpoint = "{settings.endpoint}"\nregion = "{settings.region}"\n'
        'vendor = "amazon-s3"\n'
    )
    for name in ("backups/primary", "copies/vault"):
        cloud.edit(f'url = "s3://{name}"', f'url = "s3://{name}"\nstore = "cloud"')
    stack = deploy(localstack, SUCCEEDS, {"Version": "9.9.9"})
    cloud.edit(APPLIANCE, f'{APPLIANCE.replace("coldhaul-vault", stack.name)}, store = "cloud"')
    document = cloud.json("appliance", "check", "vault", code=6)
    levels = {each["what"]: each["level"] for each in document["findings"]}
    assert (levels["version"], levels["job nightly"]) == ("error", "ok")
    assert "deployed by coldhaul 9.9.9" in cloud.run("appliance", "check", "vault").out
