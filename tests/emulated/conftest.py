"""What whole sessions share."""

from collections.abc import Iterator

import pytest

from proxy import appliance_run
from tests.emulated.azure_site import AzureWays, azure_ways_to, reached
from tests.emulated.light import deploy_light
from tests.emulated.site import Ways, ways_to
from tests.emulated.stack import AwsStack, Deployed, deploy
from tests.emulators.folder import RunFolder
from tests.emulators.services import KeyReference, S3Service

# The first test that asks for the stack waits for its deployment, on a busy machine for minutes.
_SECONDS_MAX = 600


# What is deployed once, and the tests of it: there is one in a run, whoever asks for it.
_GROUPS = {
    "aws_stack": "aws stack",
    "light_ways": "aws stack",
    "scripted_machine": "scripted machine",
    "azure_ways": "azure appliance",
}


# Before xdist reads the marks, in whatever order the two are loaded.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have all tests of a stack run one after the other, by one worker."""
    for item in items:
        for fixture in _GROUPS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(_GROUPS[fixture]))
            item.add_marker(pytest.mark.timeout(_SECONDS_MAX))


@pytest.fixture(scope="session")
def deployed_stack(emulators: RunFolder, localstack: S3Service) -> Deployed:
    """The appliance of Amazon, deployed into LocalStack when it is first asked for."""
    return deploy(emulators, localstack)


@pytest.fixture
def aws_stack(localstack: S3Service, deployed_stack: Deployed) -> Iterator[AwsStack]:
    """The same for one test, which may change it: then it is again as it was deployed."""
    stack = AwsStack(localstack, deployed_stack)
    yield stack
    stack.reset()


@pytest.fixture
def aws_ways(aws_stack: AwsStack) -> Iterator[Ways]:
    """The same, and who reaches what there."""
    with ways_to(aws_stack) as ways:
        yield ways


@pytest.fixture(scope="session")
def light_ways(emulators: RunFolder, localstack: S3Service) -> Iterator[Ways]:
    """The same functions and state machine without CloudFormation, and who reaches what there."""
    with ways_to(AwsStack(localstack, deploy_light(emulators, localstack))) as ways:
        yield ways


@pytest.fixture(scope="session")
def azure_app(
    emulators: RunFolder, azure_key: KeyReference, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AzureWays]:
    """The packaged function app in its workers, and how it reaches blobs and keys."""
    with azure_ways_to(emulators, tmp_path_factory.mktemp("azure"), azure_key) as ways:
        yield ways


@pytest.fixture(scope="module")
def azure_ways(azure_app: AzureWays) -> Iterator[AzureWays]:
    """The same, with this process as one that finds vault and identity too."""
    with reached(azure_app) as ways:
        yield ways


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches an execution looks after it every moment: here they take seconds."""
    monkeypatch.setattr(appliance_run, "WATCH_SECONDS", 0.3)
