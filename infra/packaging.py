"""Put together a package of functions: our own wheel and what it needs where they run.

With any Python that has pip. What is installed is for the Python and the processors of the
functions, whatever runs here.
"""

import email
import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Python 3.13 on a system whose C library is glibc 2.34 or newer: Amazon Linux 2023, Debian 12.
PYTHON_VERSION = "3.13"
GLIBC_MINORS = range(34, 16, -1)
# The clouds' names of the architectures, and those of wheels.
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
_MARKER = re.compile(r"python_version *(<|>=) *['\"](\d+)\.(\d+)['\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a package holds: of our packages ``ours``, and of what these need not ``without``."""

    ours: tuple[str, ...]
    without: frozenset[str]


def fingerprint(architecture: str, contents: Contents, more: Sequence[Path]) -> str:
    """Say what a package is made of, ``more`` files as well: it is another one when this is."""
    sources = [ROOT / "pyproject.toml", ROOT / "constraints.txt", Path(__file__), *more]
    for name in contents.ours:
        sources += sorted(path for path in (ROOT / name).rglob("*") if _is_source(path))
    digest = hashlib.sha256(architecture.encode())
    for path in sources:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def install(folder: Path, architecture: str, contents: Contents) -> None:
    """Install our wheel and what it needs into a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        _pip("wheel", "--no-deps", "--wheel-dir", temporary, str(ROOT))
        (wheel,) = Path(temporary).glob("*.whl")
        constraints = Path(temporary, "constraints.txt")
        constraints.write_text("\n".join(_for_functions(_lines(ROOT / "constraints.txt"))))
        _install(folder, architecture, constraints, "--no-deps", str(wheel))
        _install(folder, architecture, constraints, *requirements(wheel, contents.without))
    for name in _packages_of(ROOT) - set(contents.ours):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)


def requirements(wheel: Path, without: frozenset[str]) -> list[str]:
    """Return what a wheel says that it needs, but for what functions do not."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (each for each in file.namelist() if each.endswith(".dist-info/METADATA"))
        found = email.message_from_bytes(file.read(name)).get_all("Requires-Dist") or []
    named = _for_functions([each for each in found if "extra ==" not in each])
    return [each for each in named if name_of(each) not in without]


def name_of(requirement: str) -> str:
    """Return the name of what is required."""
    for index, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:index].lower()
    return requirement.lower()


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def _for_functions(lines: Sequence[str]) -> Iterator[str]:
    """Yield what holds for the Python of the functions; pip would ask the one that runs it."""
    own = tuple(map(int, PYTHON_VERSION.split(".")))
    for line in lines:
        requirement, _, marker = line.partition(";")
        if marker:
            found = _MARKER.fullmatch(marker.strip())
            if found is None:
                raise SystemExit(f"{line}: what its condition means for functions is not known")
            bound = (int(found[2]), int(found[3]))
            if (own < bound) != (found[1] == "<"):
                continue
        yield requirement.strip()


def size(folder: Path) -> int:
    """Return how many bytes a cloud counts of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _packages_of(root: Path) -> set[str]:
    return {path.parent.name for path in root.glob("*/__init__.py")}


def _install(folder: Path, architecture: str, constraints: Path, *what: str) -> None:
    platforms = [f"manylinux_2_{minor}_{ARCHITECTURES[architecture]}" for minor in GLIBC_MINORS]
    platforms.append(f"manylinux2014_{ARCHITECTURES[architecture]}")
    _pip(
        *("install", "--target", str(folder), "--upgrade", "--no-compile"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON_VERSION),
        *(part for platform in platforms for part in ("--platform", platform)),
        # It would ask the Python that runs it; what fits that of the functions is pinned.
        *("--ignore-requires-python", "--no-warn-conflicts", "--constraint", str(constraints)),
        *what,
    )


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("the package was not put together; pip's message is above")


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Have those who need a package at the same time put one together."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield
