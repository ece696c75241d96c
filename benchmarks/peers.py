"""What a user would run instead, with its own settings for speed and with compression on."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Usage, run

# The largest that restic takes.
RESTIC_PACK_MIB = 128
_RESTIC = ("restic", "--no-cache", "--quiet")
_ENVIRONMENT = {"RESTIC_PASSWORD": "bench", "RESTIC_FROM_PASSWORD": "bench"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRun:
    """What a peer took for the same content, and what it left."""

    name: str
    usage: Usage
    stored_size: int
    object_count: int


def run_restic(tree: Path, folder: Path) -> list[PeerRun]:
    """Back the tree up with restic, and copy the snapshot into a second repository."""
    first, second = folder / "restic-1", folder / "restic-2"
    size = ("--pack-size", str(RESTIC_PACK_MIB))
    for repository in (first, second):
        _restic(folder, "init", "--repository-version", "2", "-r", str(repository))
    backup = _restic(folder, "backup", "-r", str(first), *size, str(tree))
    copy = _restic(folder, "copy", "--from-repo", str(first), "-r", str(second), *size)
    return [
        _peer("restic backup", backup, first),
        _peer("restic copy", copy, second),
    ]


def _restic(folder: Path, *words: str) -> Usage:
    return run([*_RESTIC, *words], folder, _ENVIRONMENT)[0]


def run_tar(tree: Path, name: str, folder: Path) -> PeerRun:
    """Pipe a tree through ``tar | zstd -3 -T0 | age`` into one file, synced as ours are."""
    archive = folder / "archive.tar.zst.age"
    script = (
        'set -o pipefail; tar -cf - -C "$0" . | zstd -q -3 -T0 | age -r "$1" > "$2" && sync "$2"'
    )
    command = ["bash", "-c", script, str(tree), new_recipient(), str(archive)]
    peer = _peer(name, run(command, folder)[0], archive)
    archive.unlink()
    return peer


def new_recipient() -> str:
    """Return a public key of age whose private key nobody keeps."""
    keys = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True)
    return keys.stderr.split()[-1]


def stored_in(stored: Path) -> tuple[int, int]:
    """Return the size and number of the files that a path holds or is."""
    files = [path for path in stored.rglob("*") if path.is_file()] if stored.is_dir() else [stored]
    return sum(path.stat().st_size for path in files), len(files)


def _peer(name: str, usage: Usage, stored: Path) -> PeerRun:
    size, count = stored_in(stored)
    return PeerRun(name=name, usage=usage, stored_size=size, object_count=count)
