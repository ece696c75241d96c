"""A place to run commands in."""

from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A configuration in a folder of its own; no repository yet."""
    return Place(tmp_path)
