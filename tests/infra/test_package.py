"""The package of the functions: small enough for Lambda, and all of it for the right processors."""

import platform
import subprocess
from pathlib import Path

import pytest

from infra import packaging
from infra.aws import package
from infra.packaging import ARCHITECTURES, GLIBC_MINORS, size
from tests.emulators.programs import INSTALLED

# What an ELF file says of the processors it is for.
MACHINES = {"arm64": 183, "x86_64": 62}
HERE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")

pytestmark = pytest.mark.xdist_group("package")


@pytest.fixture(params=sorted(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def folder(architecture: str) -> Path:
    """The package, put together in build/ as ``sam build`` has it done."""
    return package.kept_package(architecture)


def test_it_is_small_enough_for_lambda(folder: Path) -> None:
    assert 50_000_000 < size(folder) <= package.PACKAGE_SIZE_MAX


def test_every_wheel_in_it_is_for_python_3_13_and_these_processors(
    folder: Path, architecture: str
) -> None:
    wrong = []
    for wheel in folder.glob("*.dist-info/WHEEL"):
        lines = wheel.read_text().splitlines()
        tags = [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]
        if not any(fits(tag, architecture) for tag in tags):
            wrong.append((wheel.parent.name, tags))
    assert wrong == []
    assert len(list(folder.glob("*.dist-info/WHEEL"))) > 15


def fits(tag: str, architecture: str) -> bool:
    python, abi, platforms = tag.split("-")
    if platforms == "any":
        return "py3" in python.split(".")
    is_ours = python == "cp313" or (abi == "abi3" and int(python[3:]) <= 13)
    return is_ours and any(fits_platform(each, architecture) for each in platforms.split("."))


def fits_platform(platform_tag: str, architecture: str) -> bool:
    processor = ARCHITECTURES[architecture]
    if platform_tag == f"manylinux2014_{processor}":
        return True
    name, _, rest = platform_tag.partition("_2_")
    minor, _, of = rest.partition("_")
    return name == "manylinux" and of == processor and int(minor) in GLIBC_MINORS


def test_every_library_in_it_is_for_these_processors(folder: Path, architecture: str) -> None:
    libraries = [path for path in folder.rglob("*.so*") if path.is_file()]
    heads = {str(path.relative_to(folder)): path.read_bytes()[:20] for path in libraries}
    assert {head[:4] for head in heads.values()} == {b"\x7fELF"}
    machines = {int.from_bytes(head[18:20], "little") for head in heads.values()}
    assert machines == {MACHINES[architecture]}
    needed = {"duckdb", "obstore", "zstandard", "pydantic_core", "cryptography"}
    assert {part for part in needed if any(part in name for name in heads)} == needed


def test_it_holds_nothing_that_only_the_proxy_runs(folder: Path) -> None:
    names = {path.name.partition("-")[0] for path in folder.iterdir()}
    assert not names & {"proxy", "azure", "azure_identity", "rich", "typer", "prometheus_client"}
    assert {"core", "appliance_aws"} <= names


def test_functions_can_be_loaded_from_it() -> None:
    """By the Python of the functions, with nothing else beside the package."""
    code = "from appliance_aws import handlers; print(handlers.plan, handlers.publish)"
    done = subprocess.run(
        [str(INSTALLED / "lambda/bin/python"), "-S", "-c", code],
        env={"PYTHONPATH": str(package.kept_package(HERE)), "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_is_needed_is_read_from_the_wheel_itself() -> None:
    assert packaging.name_of("aws-lambda-powertools<4,>=3.37") == "aws-lambda-powertools"
    assert packaging.name_of("azure.identity[x]>=1") == "azure.identity"
    assert packaging.name_of("six") == "six"


def test_it_is_another_one_when_our_code_is() -> None:
    first = package.fingerprint("arm64")
    assert first == package.fingerprint("arm64")
    assert first != package.fingerprint("x86_64")
