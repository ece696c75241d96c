"""A machine on which the scripts find nothing but what a test has put there."""

import shutil
import subprocess
from pathlib import Path

from tests.architecture.tree import ROOT

# What the scripts themselves need of a system.
PROGRAMS = (
    "sh", "cat", "cksum", "cmp", "cp", "date", "dirname", "env", "grep", "id", "ln", "mkdir", "pwd",
    "rm", "sed",
)  # fmt: skip


class Machine:
    """A tree with the scripts, and a PATH that has nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.tree / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.tree)
        lists = self.tree / "tests/emulators"
        lists.mkdir(parents=True)
        for path in (ROOT / "tests/emulators").glob("*[!y]"):
            if path.is_file():
                shutil.copy(path, lists)
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
        return self.run("scripts/setup.sh", **environment)

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", script],
            cwd=self.tree,
            env={"PATH": str(self.programs), "HOME": str(self.tree.parent), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
