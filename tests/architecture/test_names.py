"""Our packages have generic names: no other installed distribution may claim them."""

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, modules

OURS = "coldhaul"
# Drawers, not names: what is in them could be anywhere.
DRAWERS = {"common", "helpers", "managers", "misc", "shared", "tools", "util", "utils"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_claims(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {OURS}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_that_they_are_typed(package: str) -> None:
    assert (Path(package) / "py.typed").is_file()


def test_no_module_is_a_drawer() -> None:
    drawers = [str(path) for path in modules(*PACKAGES) if path.stem in DRAWERS]
    assert drawers == []


def test_a_test_file_says_what_it_tests() -> None:
    odd = [
        str(path)
        for path in modules("tests")
        if path.name.startswith("test") and not re.fullmatch(r"test_[a-z0-9_]+\.py", path.name)
    ]
    assert odd == []
