"""A restore in a process of its own, to be killed, or to be given a small disk or odd mounts."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from core.engine.points import find_point
from core.engine.progress import Silent
from core.engine.restore import restore_point
from core.errors import ColdhaulError
from core.sources.repository import open_repository
from core.stores.folder import FolderStore
from tests.architecture.tree import ROOT


def command(repository: Path, folder: Path) -> Sequence[str]:
    """Return the command that restores the newest point over what is in ``folder``."""
    return [sys.executable, "-m", "tests.support.restoring", str(repository), str(folder)]


def start(repository: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a restore."""
    return subprocess.Popen(command(repository, folder), cwd=ROOT, stdout=subprocess.PIPE)


def mounted(mount: str, repository: Path, folder: Path) -> dict[str, object] | None:
    """Restore where ``mount``, a shell command, was run first; None where that is forbidden.

    ``$0`` in it is the folder. What it mounts only the child sees.
    """
    child = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', str(folder)]
    try:
        allowed = subprocess.run([*child, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        return None
    run = subprocess.run(
        [*child, *command(repository, folder)], cwd=ROOT, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr
    answer: dict[str, object] = json.loads(run.stdout)
    return answer


def main(repository: str, folder: str) -> None:
    """Restore, and tell how it went, and what is there afterwards."""
    answer: dict[str, object] = {}
    opened = open_repository(FolderStore(Path(repository)), None)
    try:
        outcome = restore_point(
            opened,
            find_point(opened, None),
            Path(folder),
            include=(),
            overwrite=True,
            progress=Silent(),
            stop=lambda: False,
        )
        answer["item_count"] = outcome.item_count
        answer["failed"] = [[str(item.path), item.reason] for item in outcome.failed]
    except ColdhaulError as error:
        answer |= {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    answer["files"] = {str(path.relative_to(folder)): path.stat().st_size for path in paths}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
