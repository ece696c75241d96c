"""The programs that the benchmarks run: peers and servers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from core.errors import NotFoundError

PACKAGES = {"restic": "restic", "age": "age", "zstd": "zstd", "tar": "tar"}
# These come with the packages of the development environment, beside its interpreter.
SERVED_PACKAGES = {"nginx": "nginx-light"}


def tool(name: str) -> str:
    """Return the path of a program, from this environment first; a known name if it is nowhere."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or name


def need_tools(*, is_served: bool) -> None:
    """Make sure that all are there; with ``INSTALL=1`` root installs what is missing.

    ``is_served`` asks for the servers as well.
    """
    needed = PACKAGES | SERVED_PACKAGES if is_served else PACKAGES
    missing = _missing(needed)
    if not missing:
        return
    packages = [needed[name] for name in missing]
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.environ.get("INSTALL") == "1" and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(command, check=False)
    if missing := _missing(needed):
        raise NotFoundError(
            f"the benchmark needs {', '.join(needed)}; missing: {', '.join(missing)}",
            hint=f"{' '.join(command)}, or run it as root with INSTALL=1.",
        )


def _missing(needed: dict[str, str]) -> list[str]:
    return [name for name in needed if shutil.which(name) is None]
