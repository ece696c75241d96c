"""Imports point one way, and the contracts that say so do bite."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT

# What a mistake looks like, by the contract that has to refuse it.
MISTAKES = [
    ("outside-in", "core/engine/mistake.py", "import proxy"),
    ("outside-in", "core/engine/mistake.py", "import appliance_aws"),
    ("outside-in", "core/engine/mistake.py", "import appliance_azure"),
    ("outside-in", "appliance_aws/mistake.py", "import proxy"),
    ("outside-in", "appliance_azure/mistake.py", "import proxy"),
    ("outside-in", "appliance_azure/mistake.py", "import appliance_aws"),
    ("outside-in", "proxy/mistake.py", "import appliance_aws"),
    ("layers", "core/utils.py", "import core.errors"),
    ("pure", "core/plan/mistake.py", "import os"),
    ("single-threaded", "core/plan/mistake.py", "import threading"),
    ("no-chance", "core/plan/mistake.py", "import secrets"),
    ("due-is-pure", "proxy/weekdays.py", "import time"),
    ("stores-know-bytes", "core/stores/mistake.py", "import core.model"),
    ("no-screen", "core/engine/mistake.py", "import rich"),
]


def lint_imports(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo", *arguments],
        cwd=root,
        env={"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_tree_keeps_its_layers() -> None:
    outcome = lint_imports(ROOT)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(("contract", "path", "line"), MISTAKES)
def test_a_contract_refuses_the_mistake_it_is_for(
    contract: str, path: str, line: str, copied_tree: Path
) -> None:
    (copied_tree / path).write_text(f"{line}\n")
    outcome = lint_imports(copied_tree, "--contract", contract)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert "BROKEN" in outcome.stdout
