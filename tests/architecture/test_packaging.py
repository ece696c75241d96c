"""What is installed elsewhere is what is in the tree, from the packages that are named here."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import PACKAGES, ROOT, modules, project_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Imports every module named, from the folder named and not from the tree.
IMPORTS = """
import importlib, pathlib, sys
site, tree, *names = sys.argv[1:]
sys.path[:] = [site] + [entry for entry in sys.path if pathlib.Path(entry).resolve() != pathlib.Path(tree)]
for name in names:
    module = importlib.import_module(name)
    assert pathlib.Path(module.__file__).is_relative_to(site), (name, module.__file__)
"""  # noqa: E501


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, with the hatchling that is installed: no isolation, no network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, and nothing else, into an empty folder."""
    folder = tmp_path_factory.mktemp("site")
    pip = (sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", "--target")
    run(*pip, str(folder), str(wheel), cwd=folder)
    return folder


def run(*command: str, cwd: Path) -> None:
    outcome = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def module_names() -> list[str]:
    paths = [path.with_suffix("") for path in modules(*PACKAGES)]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    # Importing a __main__ would run it.
    return [name for name in names if not name.endswith("__main__")]


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert files == {str(path) for path in project_files() if path.parts[0] in PACKAGES}


def test_every_module_is_imported_from_the_wheel(site: Path, tmp_path: Path) -> None:
    arguments = (str(site), str(ROOT), *module_names())
    run(sys.executable, "-I", "-c", IMPORTS, *arguments, cwd=tmp_path)


def test_the_command_exists_in_the_wheel(site: Path, tmp_path: Path) -> None:
    module, function = PROJECT["scripts"]["coldhaul"].split(":")
    program = f"{IMPORTS}\nassert callable(module.{function})"
    run(sys.executable, "-I", "-c", program, str(site), str(ROOT), module, cwd=tmp_path)


def test_no_index_would_publish_it() -> None:
    assert "Private :: Do Not Upload" in PROJECT["classifiers"]


def direct_requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for group in (PROJECT["dependencies"], *extras) for text in group]


def is_for_this_python(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate()


def pins() -> dict[str, str]:
    """Return the versions for this Python."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = [[(each.operator, each.version) for each in pin.specifier] for pin in found]
    exact = [len(each) == 1 and each[0][0] == "==" for each in versions]
    assert all(exact), "constraints.txt: only exact versions"
    return {
        canonicalize_name(pin.name): each[0][1]
        for pin, each in zip(found, versions, strict=True)
        if is_for_this_python(pin)
    }


def needed(requirements: list[Requirement]) -> Iterator[Requirement]:
    """Yield the requirements and, as installed here, all that they need in turn."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [each for each in requirements if is_for_this_python(each)]
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        yield requirement
        if key in seen:
            continue
        seen.add(key)
        for text in requires(requirement.name) or []:
            further = Requirement(text)
            extras = ("", *requirement.extras)
            if not further.marker or any(further.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(further)


def test_every_package_that_is_needed_is_pinned_within_its_range() -> None:
    pinned = pins()
    wrong = [
        str(requirement)
        for requirement in needed(direct_requirements())
        if not requirement.specifier.contains(
            pinned.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]
    assert wrong == []


def test_what_is_installed_is_what_is_pinned() -> None:
    pinned = pins()
    names = {canonicalize_name(r.name) for r in needed(direct_requirements())}
    assert "azure-functions" in names
    installed = {name: version(name) for name in names}
    assert installed == {name: pinned[name] for name in names}


def test_every_requirement_is_a_range_with_its_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    bare = [line for line in lines if re.match(r' +"[a-z-]+[<>=~]', line) and "#" not in line]
    assert bare == []
    assert all({s.operator for s in r.specifier} == {">=", "<"} for r in direct_requirements())


def test_readme_and_setup_tell_how_much_is_installed() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    count = sum(line[:1].isalpha() for line in lines)
    size = re.search(r"about (\d+) MB", (ROOT / "scripts/setup.sh").read_text())
    assert size is not None
    assert f"(up to {count} packages, pinned, {size[1]} MB)" in (ROOT / "README.md").read_text()
