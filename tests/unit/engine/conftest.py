"""A workspace, and an encrypted repository, made once: to derive keys is slow on purpose."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catalog.workspace import Workspace
from core.stores.store import Store
from tests.support.copies import MEMORY_SIZE
from tests.support.repositories import SECRET, create_in, new_store


@pytest.fixture(scope="session")
def encrypted_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is; nobody changes it there."""
    folder = tmp_path_factory.mktemp("encrypted")
    create_in(new_store(folder), SECRET)
    return folder


@pytest.fixture
def encrypted(encrypted_folder: Path, tmp_path: Path) -> Store:
    """Return a copy of it for one test."""
    shutil.copytree(encrypted_folder, tmp_path / "vault")
    return new_store(tmp_path / "vault")


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        yield workspace
