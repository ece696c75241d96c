"""`make setup` says what is missing, and the command that mends it, before it makes anything."""

from pathlib import Path

import pytest

from tests.architecture.machine import Machine


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
