"""The pages that take a reader from nothing to a copy in a cloud say what happens."""

import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from core.stores.settings import StoreSettings
from infra.azure.package import kept_package
from proxy.exits import NOT_READY
from tests.cli.pages import Page
from tests.cli.place import ROOT
from tests.emulated.stack import ARCHITECTURE
from tests.emulators.fault_proxy import Call
from tests.emulators.programs import ACCESS_KEY_ID, INSTALLED, SECRET_ACCESS_KEY
from tests.emulators.services import AZURE_KEY_VARIABLE, AzureService, S3Service
from tests.emulators.vault import KeyVault
from tests.support.served_apps import ServedCloud

S3_ENDPOINT = "http://127.0.0.1:4566"
AZURE_ENDPOINT = "http://127.0.0.1:10000/devstoreaccount1"
SERVICE = "coldhaul proxy run"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:coldhaul/vault-AbCdEf"
# So that the service has something to do at once, and no port is taken that others want.
PARAMETERS = "[repositories.vault.appliance.parameters]"
SERVED = {"daily 22:00": "immediate", "127.0.0.1:9464": "127.0.0.1:0"}
# Which permission a request needs; the names of requests are the vendor's.
ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObjects": "s3:DeleteObject",
    "DeleteObject": "s3:DeleteObject",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What is backed up: some small files."""
    folder, chance = tmp_path / "data", random.Random(1)
    folder.mkdir()
    for number in range(60):
        below = folder / str(number % 5)
        below.mkdir(exist_ok=True)
        lines = (f"line {chance.randrange(1000)}\n" for _ in range(chance.randrange(1, 1000)))
        (below / f"{number}.txt").write_text("".join(lines))
    return folder


def follow(page: Page, config: str, retrieve: Callable[[], None]) -> Iterator[str]:
    """Do what the page says, with this configuration; yield each command before it is run.

    Whoever is told that packs are archived orders them by ``retrieve``.
    """
    (page.folder / "coldhaul.toml").write_text(config)
    for command in page.commands():
        yield command
        if command == SERVICE:
            page.serve(command, until='"session ended"')
            continue
        ran = page.run(command)
        if ran is None:
            continue
        expected = re.search(r"# ends with (\d)", command)
        assert ran.code == (int(expected[1]) if expected else 0), f"{command}: {ran.err}"
        if ran.code == NOT_READY:
            retrieve()


def page_of_s3(folder: Path, data: Path, service: S3Service) -> Page:
    """Return the page of S3, to be followed in an emulator with two profiles."""
    profiles = folder / "credentials"
    keys = f"aws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
    profiles.write_text(f"[backups]\n{keys}[copies]\n{keys}")
    return Page(
        path=ROOT / "docs" / "s3.md",
        folder=folder,
        replaced={
            S3_ENDPOINT: service.endpoint,
            "s3://example-backups": service.new_url(),
            "s3://example-copies": service.new_url(),
            "/srv/data": str(data),
            "/srv/restored": str(folder / "restored"),
            **SERVED,
        },
        environment={"AWS_SHARED_CREDENTIALS_FILE": str(profiles)},
    )


def test_the_page_of_s3_is_true_and_its_policies_are_enough(
    tmp_path: Path, data: Path, localstack: S3Service
) -> None:
    page = page_of_s3(tmp_path, data, localstack)
    with localstack.fault_proxy() as backups, localstack.fault_proxy() as copies:
        config = page.blocks("toml")[0].replace(localstack.endpoint, backups.endpoint, 1)
        config = config.replace(localstack.endpoint, copies.endpoint, 1)
        for command in follow(page, config, lambda: restore_in_s3(localstack, page)):
            if command == SERVICE:
                back_up_more(page, data)
                before = len(backups.calls)
        read = backups.calls[before:]
        done = [*backups.calls, *copies.calls]
    assert page.unlike() == []
    assert read_tree(tmp_path / "restored") == read_tree(data)
    writer, reader = policies()
    assert [call for call in read if not is_allowed(reader, call)] == []
    assert [call for call in done if not is_allowed(writer, call)] == []
    assert {ACTIONS[call.operation] for call in done} == actions(writer)
    assert {ACTIONS[call.operation] for call in read} == actions(reader)


def test_the_page_of_azure_is_true(tmp_path: Path, data: Path, azurite: AzureService) -> None:
    replaced = {
        AZURE_ENDPOINT: azurite.endpoint,
        "az://example-backups": azurite.new_url(),
        "az://example-copies": azurite.new_url(),
        "env:AZURE_ACCOUNT_KEY": f"env:{AZURE_KEY_VARIABLE}",
        "/srv/data": str(data),
        "/srv/restored": str(tmp_path / "restored"),
        **SERVED,
    }
    path = ROOT / "docs" / "azure.md"
    page = Page(path=path, folder=tmp_path, replaced=replaced, environment={})
    for command in follow(page, page.blocks("toml")[0], lambda: restore_in_azure(azurite, page)):
        if command == SERVICE:
            back_up_more(page, data)
    assert page.unlike() == []
    assert read_tree(tmp_path / "restored") == read_tree(data)


@pytest.mark.xdist_group("aws stack")
@pytest.mark.timeout(1200)
def test_the_page_of_aws_is_true(tmp_path: Path, data: Path, localstack: S3Service) -> None:
    """Its functions are built and deployed by its own command, and make the copy."""
    secret = localstack.client("secretsmanager").create_secret(
        Name=f"coldhaul/{tmp_path.name}", SecretString="correct horse battery staple"
    )
    replaced = {
        S3_ENDPOINT: localstack.endpoint,
        SECRET: secret["ARN"],
        "eu-central-1": localstack.settings.region,
        "example-backups": localstack.new_url().removeprefix("s3://"),
        "example-copies": localstack.new_url().removeprefix("s3://"),
        "--source /srv/coldhaul": f"--source {ROOT} --set Architecture={ARCHITECTURE}",
        "/srv/data": str(data),
        **SERVED,
    }
    environment = {
        "AWS_ENDPOINT_URL": localstack.endpoint,
        "AWS_DEFAULT_REGION": localstack.settings.region,
        "PATH": f"{INSTALLED / 'sam/bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "SAM_CLI_TELEMETRY": "0",
    }
    path = ROOT / "docs" / "aws.md"
    page = Page(path=path, folder=tmp_path, replaced=replaced, environment=environment)
    for command in follow(page, page.blocks("toml")[0], lambda: None):
        if command == SERVICE:
            back_up_more(page, data)
    assert page.unlike() == []


@pytest.fixture(scope="session")
def azure_package() -> Path:
    """The packaged app, put together before a vault stands in the way to where packages are."""
    return kept_package()


@pytest.mark.xdist_group("package")
@pytest.mark.usefixtures("azure_package")
@pytest.mark.timeout(600)
def test_the_page_of_functions_in_azure_is_true(
    tmp_path: Path, data: Path, azurite_https: AzureService, key_vault: KeyVault
) -> None:
    """The app is the one that is deployed, and makes the copy."""
    bundle, endpoint = tmp_path / "authorities.pem", azurite_https.endpoint
    authorities = (azurite_https.settings.ca_bundle, key_vault.certificate)
    bundle.write_text("".join(Path(each).read_text() for each in authorities))
    backups, copies = azurite_https.new_url(), azurite_https.new_url()
    secret = key_vault.new_secret("correct horse battery staple")
    service = replace(
        azurite_https, settings=StoreSettings(endpoint=endpoint, ca_bundle=str(bundle))
    )
    told = {"COLDHAUL_TARGET_SECRET": secret, "COLDHAUL_STORAGE_CLASS": "Archive"}
    environment = {"REQUESTS_CA_BUNDLE": str(bundle), "SSL_CERT_FILE": str(bundle)}
    with ServedCloud(service, key_vault.environment) as cloud:
        app = cloud.serve(f"{backups}/primary", f"{copies}/vault", {**told, **environment})
        replaced = {
            "https://127.0.0.1:10000/devstoreaccount1": endpoint,
            "/srv/emulator/certificate.pem": str(bundle),
            "example-backups": backups.removeprefix("az://"),
            "example-copies": copies.removeprefix("az://"),
            "https://example-vault.vault.azure.net/secrets/vault": secret,
            "https://coldhaul-vault.azurewebsites.net": app.host.url,
            # Which is no name of Azure's.
            PARAMETERS: f'{PARAMETERS}\nappName = "coldhaul-vault"',
            "Account=devstoreaccount1": f"Account={azurite_https.account}",
            "/srv/data": str(data),
            **SERVED,
        }
        path = ROOT / "docs" / "azure-functions.md"
        page = Page(path=path, folder=tmp_path, replaced=replaced, environment=environment)
        for command in follow(page, page.blocks("toml")[0], lambda: None):
            if command == SERVICE:
                back_up_more(page, data)
    assert page.unlike() == []


def back_up_more(page: Page, data: Path) -> None:
    """Make something new for the service to copy."""
    (data / "new").write_text("one more")
    ran = page.run(f"coldhaul backup {data} --to primary")
    assert ran is not None
    assert ran.code == 0, ran.err


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def restore_in_s3(service: S3Service, page: Page) -> None:
    """Do what the page has Amazon's tool do."""
    client, bucket = service.client(), page.replaced["s3://example-copies"].removeprefix("s3://")
    found = client.list_objects_v2(Bucket=bucket, Prefix="vault/packs/")["Contents"]
    packs = [each["Key"] for each in found if each["StorageClass"] == "DEEP_ARCHIVE"]
    for key in packs:
        order = {"Days": 7, "GlacierJobParameters": {"Tier": "Bulk"}}
        client.restore_object(Bucket=bucket, Key=key, RestoreRequest=order)


def restore_in_azure(service: AzureService, page: Page) -> None:
    """Do what the page has Azure's tool do."""
    container = page.replaced["az://example-copies"].removeprefix("az://")
    with service.client() as client:
        blobs = client.get_container_client(container)
        for blob in list(blobs.list_blobs(name_starts_with="vault/packs/")):
            if blob.blob_tier == "Archive":
                blobs.get_blob_client(blob.name).set_standard_blob_tier("Hot")


def policies() -> list[dict[str, Any]]:
    """Return the policies of the page about S3: who writes, who only reads."""
    page = Page(path=ROOT / "docs" / "s3.md", folder=ROOT, replaced={}, environment={})
    return [json.loads(block) for block in page.blocks("json")]


def is_allowed(policy: dict[str, Any], call: Call) -> bool:
    """Say whether a policy of primary grants what a request to it, or to the vault, did."""
    key = call.path.split("/", 2)[2:]
    resource = "/".join(["arn:aws:s3:::example-backups", *filter(None, key)])
    resource = resource.replace("/vault/", "/primary/")
    action = ACTIONS[call.operation]
    if call.operation == "DeleteObjects":
        # The names are in the body; tests/crash proves that they are below sessions/.
        resource += "/primary/sessions/x"
    return any(
        action in _list(statement["Action"]) and fnmatchcase(resource, pattern)
        for statement in policy["Statement"]
        for pattern in _list(statement["Resource"])
    )


def actions(policy: dict[str, Any]) -> set[str]:
    """Return everything that a policy grants somewhere."""
    return {each for statement in policy["Statement"] for each in _list(statement["Action"])}


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
