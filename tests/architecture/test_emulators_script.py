"""``scripts/emulators.sh`` says all that is missing at once, and never passes it over."""

from pathlib import Path

import pytest

from tests.architecture.machine import Machine

SCRIPT = "scripts/emulators.sh"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def add_node(machine: Machine, major: int) -> None:
    machine.add("node", f"exit {int(major < 20)}")
    machine.add("npm", "echo 'npm was asked' >&2; exit 7")


def add_python(machine: Machine, name: str, version: str) -> None:
    """Put an interpreter there that says its version and fails to make an environment."""
    machine.add(name, f"""case "$*" in *version_info*) echo {version} ;; *) exit 9 ;; esac""")


def test_everything_that_is_missing_is_said_with_its_command(machine: Machine) -> None:
    machine.add("apt-get", "exit 1")
    machine.add("apt-cache", "echo python3.13-venv")
    outcome = machine.run(SCRIPT)
    assert outcome.returncode == 1
    assert "apt-get install -y python3.13 python3.13-venv" in outcome.stderr
    assert "apt-get install -y nodejs npm" in outcome.stderr


def test_where_apt_has_no_such_python_pyenv_is_told_of(machine: Machine) -> None:
    machine.add("apt-get", "exit 1")
    machine.add("apt-cache", "exit 0")
    add_node(machine, 20)
    outcome = machine.run(SCRIPT)
    assert outcome.returncode == 1
    assert "pyenv install 3.13" in outcome.stderr
    assert "Node" not in outcome.stderr


def test_too_old_a_node_is_no_node(machine: Machine) -> None:
    add_python(machine, "python3.13", "3.13.1")
    add_node(machine, 18)
    outcome = machine.run(SCRIPT)
    assert outcome.returncode == 1
    assert "needs Node 20 or newer" in outcome.stderr


def test_another_python_is_not_taken(machine: Machine) -> None:
    add_python(machine, "python3.13", "3.12.9")
    add_python(machine, "mine", "3.11.2")
    add_node(machine, 22)
    assert "need Python 3.13" in machine.run(SCRIPT).stderr
    assert "PYTHON313=mine is no Python 3.13" in machine.run(SCRIPT, PYTHON313="mine").stderr


def test_one_that_pyenv_has_made_is_found(machine: Machine) -> None:
    add_node(machine, 22)
    add_python(machine, "made", "3.13.5")
    made = machine.tree.parent / ".pyenv/versions/3.13.5/bin/python"
    made.parent.mkdir(parents=True)
    (machine.programs / "made").rename(made)
    outcome = machine.run(SCRIPT)
    assert "installing localstack" in outcome.stdout
    assert "localstack could not be installed" in outcome.stderr


def test_it_says_what_it_installs_and_fails_with_what_it_starts(machine: Machine) -> None:
    add_python(machine, "python3.13", "3.13.1")
    add_node(machine, 20)
    outcome = machine.run(SCRIPT)
    assert outcome.returncode == 1
    assert f"{machine.tree}/.emulators/localstack, about 290 MB" in outcome.stdout
    assert not (machine.tree / ".emulators/localstack/made-from").exists()
