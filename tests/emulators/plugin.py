"""The emulators as fixtures, and the run that they live and die with. Loaded by tests/conftest.py.

Each fixture is there in every test, starts its emulator when it is first asked for in the whole
run, whichever worker asks, and fails where it cannot. tests/README.md says which is used for what
and how a real endpoint is given instead.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.stores.settings import StoreSettings
from tests.emulators import given
from tests.emulators.folder import RunFolder
from tests.emulators.identity import IdentityEndpoint, found_identity
from tests.emulators.programs import (
    ACCESS_KEY_ID,
    AZURE_ACCOUNT,
    AZURE_ACCOUNT_KEY,
    SECRET_ACCESS_KEY,
)
from tests.emulators.services import (
    AZURE_KEY_VARIABLE,
    AmazonService,
    AzureService,
    KeyReference,
    S3Service,
)
from tests.emulators.starting import emulator, run_of_tests
from tests.emulators.vault import KeyVault

REGION = "us-east-1"
_RUN = pytest.StashKey[RunFolder]()
_END = pytest.StashKey[contextlib.ExitStack]()
_INPUT = "emulators"


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run, or in a worker join it."""
    worker_input = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[_RUN] = RunFolder(Path(worker_input[_INPUT]))
        return
    end = contextlib.ExitStack()
    config.stash[_END] = end
    config.stash[_RUN] = end.enter_context(run_of_tests())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker of pytest-xdist where its run is."""
    config, worker_input = node.config, node.workerinput  # type: ignore[attr-defined]
    worker_input[_INPUT] = str(config.stash[_RUN].path)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run: whatever was started for it is stopped before this returns."""
    if _END in config.stash:
        config.stash[_END].close()


@pytest.fixture(scope="session")
def emulators(pytestconfig: pytest.Config) -> RunFolder:
    """The run that this test is part of."""
    return pytestconfig.stash[_RUN]


@pytest.fixture(scope="session")
def s3_credentials() -> Iterator[None]:
    """Credentials where boto3's chain, and that of every child process, finds them first."""
    with pytest.MonkeyPatch.context() as patch:
        if not given.is_s3_given():
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            patch.setenv("AWS_CONFIG_FILE", os.devnull)
            patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(scope="session")
def azure_key() -> Iterator[KeyReference]:
    """The emulator's account key, where the reference finds it."""
    with pytest.MonkeyPatch.context() as patch:
        if not given.is_azure_given():
            patch.setenv(AZURE_KEY_VARIABLE, AZURE_ACCOUNT_KEY)
        yield KeyReference()


@pytest.fixture(scope="session")
def localstack(emulators: RunFolder, s3_credentials: None) -> Iterator[S3Service]:
    """S3 with archive classes and conditions: LocalStack, or what COLDHAUL_TEST_S3 names."""
    if given.is_s3_given():
        with given.s3() as service:
            yield service
        return
    yield _s3(emulators, "localstack", vendor="amazon-s3")


@pytest.fixture
def amazon(
    emulators: RunFolder, s3_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> AmazonService:
    """KMS and Secrets Manager, found where boto3 looks for their endpoints: always LocalStack."""
    service = AmazonService(endpoint=emulator(emulators, "localstack").endpoint, region=REGION)
    service.reach_by(service.endpoint, monkeypatch)
    return service


@pytest.fixture(scope="session")
def ministack(emulators: RunFolder, s3_credentials: None) -> S3Service:
    """S3 whose restores from an archive take two seconds."""
    return _s3(emulators, "ministack", vendor="amazon-s3")


@pytest.fixture(scope="session")
def rclone_s3(emulators: RunFolder, s3_credentials: None) -> S3Service:
    """S3 that checks signatures and ignores all conditions."""
    return _s3(emulators, "rclone-s3", vendor="s3-compatible")


@pytest.fixture(scope="session")
def azurite(emulators: RunFolder, azure_key: KeyReference) -> Iterator[AzureService]:
    """Blob storage reached with an account key: Azurite, or what COLDHAUL_TEST_AZURE names."""
    if given.is_azure_given():
        with given.azure() as service:
            yield service
        return
    found = emulator(emulators, "azurite")
    yield AzureService(
        settings=StoreSettings(
            vendor="azure-blob",
            endpoint=f"{found.endpoint}/{AZURE_ACCOUNT}",
            account_key=azure_key,
        ),
        account=AZURE_ACCOUNT,
    )


@pytest.fixture
def azure_identity() -> Iterator[IdentityEndpoint]:
    """A managed identity that azure-identity finds, in this and in every child process."""
    with found_identity() as identity:
        yield identity


@pytest.fixture
def azurite_oauth(azurite_https: AzureService, azure_identity: IdentityEndpoint) -> AzureService:
    """Azurite over HTTPS, reached with tokens of a managed identity, as on an App Service."""
    return azurite_https


@pytest.fixture(scope="session")
def azurite_https(emulators: RunFolder) -> AzureService:
    """Azurite over HTTPS, for whoever brings an identity."""
    found = emulator(emulators, "azurite-oauth")
    return AzureService(
        settings=StoreSettings(
            vendor="azure-blob",
            endpoint=f"{found.endpoint}/{AZURE_ACCOUNT}",
            ca_bundle=found.ca_bundle,
        ),
        account=AZURE_ACCOUNT,
    )


@pytest.fixture
def key_vault(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KeyVault]:
    """A stand-in for Azure Key Vault, reached by its own host name with a managed identity."""
    from core.stores.azure_session import open_identity

    with KeyVault(tmp_path_factory.mktemp("key-vault")) as vault:
        for name, value in vault.environment.items():
            monkeypatch.setenv(name, value)
        # An identity of another test asks another test's endpoint.
        open_identity.cache_clear()
        yield vault
    open_identity.cache_clear()


def _s3(run: RunFolder, name: str, *, vendor: str) -> S3Service:
    endpoint = emulator(run, name).endpoint
    return S3Service(settings=StoreSettings(vendor=vendor, endpoint=endpoint, region=REGION))
