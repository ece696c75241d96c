"""Put together the package of the appliance's functions: our own wheel and what it needs there.

``package.py FOLDER [--architecture arm64|x86_64]``, with any Python that has pip; ``sam build``
calls it for each function (function/Makefile). What was put together once is kept in
build/aws-ARCHITECTURE and taken again until something that it is made of has changed.
"""

import argparse
import email
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What Lambda runs: Python 3.13 on Amazon Linux 2023, whose C library is glibc 2.34.
PYTHON_VERSION = "3.13"
GLIBC_MINORS = range(34, 16, -1)
# Lambda's names of the architectures, and those of wheels.
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
# Lambda refuses 250 MB unpacked. Below this there is room for what a day brings.
PACKAGE_SIZE_MAX = 200_000_000
# Of the wheel's packages, what functions run.
OURS = ("core", "appliance_aws")
# What only the proxy, or another vendor's stores, need of the packages that we name.
NOT_IN_FUNCTIONS = frozenset(
    {
        *("azure-functions", "azure-functions-durable", "azure-identity", "azure-keyvault-keys"),
        *("azure-keyvault-secrets", "azure-storage-blob"),
        *("prometheus-client", "rich", "typer", "tzdata"),
    }
)
# Of the hundreds of services that botocore describes, those that functions ask.
SERVICES = frozenset({"kms", "s3", "secretsmanager", "sts"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    architecture = os.environ.get("COLDHAUL_ARCHITECTURE", "arm64")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default=architecture)
    chosen = parser.parse_args(arguments)
    shutil.copytree(kept_package(chosen.architecture), chosen.folder, dirs_exist_ok=True)


def kept_package(architecture: str) -> Path:
    """Return the folder of a package as it is now, put together unless it was before."""
    kept = ROOT / "build" / f"aws-{architecture}"
    with _lock(kept):
        stamp, package = kept / "made-from", kept / "package"
        made_from = fingerprint(architecture)
        if not stamp.is_file() or stamp.read_text() != made_from:
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            put_together(package, architecture)
            stamp.write_text(made_from)
        return package


def fingerprint(architecture: str) -> str:
    """Say what a package is made of: it is another one when this is."""
    sources = [ROOT / "pyproject.toml", ROOT / "constraints.txt", Path(__file__)]
    for name in OURS:
        sources += sorted(path for path in (ROOT / name).rglob("*") if _is_source(path))
    digest = hashlib.sha256(architecture.encode())
    for path in sources:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def put_together(folder: Path, architecture: str) -> None:
    """Install our wheel and what it needs into a folder, and refuse what Lambda would."""
    with tempfile.TemporaryDirectory() as temporary:
        _pip("wheel", "--no-deps", "--wheel-dir", temporary, str(ROOT))
        (wheel,) = Path(temporary).glob("*.whl")
        _install(folder, architecture, "--no-deps", str(wheel))
        _install(folder, architecture, *requirements(wheel))
    for name in _packages_of(ROOT) - set(OURS):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for service in (folder / "botocore/data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    if size(folder) > PACKAGE_SIZE_MAX:
        raise SystemExit(
            f"{folder} has {size(folder):,} bytes, more than {PACKAGE_SIZE_MAX:,}: Lambda takes "
            "250 MB, and there has to be room. Keep a dependency out of it (NOT_IN_FUNCTIONS)."
        )


def requirements(wheel: Path) -> list[str]:
    """Return what a wheel says that it needs, but for what functions do not."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (each for each in file.namelist() if each.endswith(".dist-info/METADATA"))
        found = email.message_from_bytes(file.read(name)).get_all("Requires-Dist") or []
    named = [each for each in found if "extra ==" not in each]
    return [each for each in named if _name_of(each) not in NOT_IN_FUNCTIONS]


def _name_of(requirement: str) -> str:
    for index, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:index].lower()
    return requirement.lower()


def size(folder: Path) -> int:
    """Return how many bytes Lambda counts of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _packages_of(root: Path) -> set[str]:
    return {path.parent.name for path in root.glob("*/__init__.py")}


def _install(folder: Path, architecture: str, *what: str) -> None:
    platforms = [f"manylinux_2_{minor}_{ARCHITECTURES[architecture]}" for minor in GLIBC_MINORS]
    platforms.append(f"manylinux2014_{ARCHITECTURES[architecture]}")
    _pip(
        *("install", "--target", str(folder), "--upgrade", "--no-compile"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON_VERSION),
        *(part for platform in platforms for part in ("--platform", platform)),
        *("--constraint", str(ROOT / "constraints.txt")),
        *what,
    )


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("the package was not put together; pip's message is above")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Have functions that are built at the same time put one package together."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()
