"""A place to run commands in, and where appliances of either kind are deployed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.place import Place
from tests.support.appliance_clouds import Cloud, cloud_of


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A configuration in a folder of its own; no repository yet."""
    return Place(tmp_path)


@pytest.fixture
def vault(place: Place) -> Place:
    """A place with the encrypted repository created."""
    place.done("repository", "create", "vault")
    return place


@pytest.fixture(scope="module", params=["aws", "azure"])
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Where appliances of a kind are deployed: a test that asks for it runs for both."""
    with cloud_of(request.param, request) as found:
        yield found
