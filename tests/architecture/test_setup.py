"""`make setup` says what is missing, and the command that mends it, before it makes anything."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

# What the script itself needs of a system.
PROGRAMS = ("sh", "dirname", "cksum", "cat", "cmp", "env", "grep", "id", "rm", "pwd")


class Machine:
    """A tree with the setup script, and a PATH that has nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.tree / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.tree)
        for name in PROGRAMS:
            found = shutil.which(name)
            assert found, f"this system has no {name}"
            (self.programs / name).symlink_to(found)

    def add(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def add_python(self, name: str, version: str, *, has_venv: bool = True) -> None:
        """Put an interpreter there that knows only what the script asks it."""
        minor = version.rsplit(".", 1)[0]
        is_old = int(minor.split(".")[1]) < 11
        self.add(
            name,
            f"""case "$*" in
            *'%d.%d.%d'*) echo {version} ;;
            *python%d.%d*) echo python{minor} ;;
            *version_info\\ \\<*) exit {int(is_old)} ;;
            *ensurepip*) exit {int(not has_venv)} ;;
            *venv*) echo "made by {name}" >&2; exit 9 ;;
            esac""",
        )

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "scripts/setup.sh"],
            cwd=self.tree,
            env={"PATH": str(self.programs), **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_python_the_command_that_installs_it_is_said(machine: Machine) -> None:
    machine.add("apt-get", "exit 1")
    outcome = machine.setup()
    assert outcome.returncode == 1
    assert "needs Python 3.11 or newer" in outcome.stderr
    assert "apt-get install -y python3 python3-venv" in outcome.stderr


def test_too_old_a_python_is_named_with_its_version(machine: Machine) -> None:
    machine.add("dnf", "exit 1")
    machine.add_python("python3", "3.9.2")
    outcome = machine.setup()
    assert outcome.returncode == 1
    assert "python3 is 3.9.2" in outcome.stderr
    assert "dnf install -y python3.12" in outcome.stderr


def test_a_missing_venv_module_is_said_with_its_package(machine: Machine) -> None:
    machine.add("apt-get", "exit 1")
    machine.add_python("python3.12", "3.12.250", has_venv=False)
    outcome = machine.setup()
    assert outcome.returncode == 1
    assert "lacks the venv or ensurepip module" in outcome.stderr
    assert "apt-get install -y python3.12-venv" in outcome.stderr


def test_an_interpreter_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.add("python3.13", "echo 'python3.13: not installed' >&2; exit 127")
    machine.add_python("python3", "3.12.1")
    outcome = machine.setup()
    assert "Python 3.12.1" in outcome.stdout
    assert "made by python3\n" in outcome.stderr


def test_one_without_venv_is_passed_over_for_one_with_it(machine: Machine) -> None:
    machine.add_python("python3.13", "3.13.0", has_venv=False)
    machine.add_python("python3.11", "3.11.2")
    assert "made by python3.11\n" in machine.setup().stderr


def test_the_python_that_was_asked_for_is_taken(machine: Machine) -> None:
    machine.add_python("python3.13", "3.13.0")
    machine.add_python("mine", "3.11.9")
    outcome = machine.setup(PYTHON="mine")
    assert "Python 3.11.9" in outcome.stdout
    assert "made by mine\n" in outcome.stderr


def test_one_asked_for_that_is_too_old_is_refused_not_replaced(machine: Machine) -> None:
    machine.add_python("python3.13", "3.13.0")
    machine.add_python("mine", "3.8.1")
    outcome = machine.setup(PYTHON="mine")
    assert outcome.returncode == 1
    assert "mine is 3.8.1" in outcome.stderr
    assert "make setup PYTHON=" in outcome.stderr


def test_it_says_what_it_installs_and_where_before_it_does(machine: Machine) -> None:
    machine.add_python("python3", "3.11.2")
    outcome = machine.setup()
    assert str(machine.tree / ".venv") in outcome.stdout
    assert "constraints.txt" in outcome.stdout
    assert not (machine.tree / ".venv" / "made-from").exists()
