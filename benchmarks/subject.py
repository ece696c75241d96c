"""Coldhaul itself, run as a user runs it: the command, in processes of its own."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.measure import Usage, run
from core.ids import JobId
from core.sources.repository import Repository, open_repository
from core.stores.folder import FolderStore

JOB = JobId("bench")
SOURCE, TARGET = "primary", "vault"
# The plain objects, and where their copies go: only between two buckets.
RAW, BUCKET_TARGET = "raw", "objects-vault"
PASSPHRASE_VARIABLE = "BENCH_PASSPHRASE"
_PASSPHRASE = "benchmarks are not secret"
ENVIRONMENT = {
    PASSPHRASE_VARIABLE: _PASSPHRASE,
    "PYTHONPATH": str(ROOT),
    # What is installed has its bytecode with it; here the runs before the measured ones make it.
    "PYTHONDONTWRITEBYTECODE": "",
}
_COMMAND = (sys.executable, "-c", "from proxy.start import main; main()")
_CONFIG = """\
version = 1

[repositories.primary]
url = "file://{folder}/primary"
proxy = "bench"
retention_type = "snapshot-based"
retention = "1 year"
encryption.passphrase = "env:BENCH_PASSPHRASE"

[repositories.vault]
url = "file://{folder}/vault"
proxy = "bench"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "env:BENCH_PASSPHRASE"

[repositories.objects-vault]
url = "file://{folder}/objects-vault"
proxy = "bench"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "env:BENCH_PASSPHRASE"

[jobs.bench]
source = "primary"
target = "vault"
schedule = "daily 22:00"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A run of the job: what it took, moved and wrote."""

    usage: Usage
    blob_count: int
    pack_count: int
    written_count: int
    archived_size: int

    @property
    def request_count(self) -> int:
        """Blobs read from the source and objects written to the target."""
        return self.blob_count + self.written_count


class Subject:
    """A sealed source, a sealed target and a job between them."""

    def __init__(self, folder: Path, repositories: Path) -> None:
        """Write the configuration into ``folder`` and create both repositories, each a folder."""
        self.folder = folder
        self.repositories = repositories
        (folder / "coldhaul.toml").write_text(_CONFIG.format(folder=repositories))
        for name in (SOURCE, TARGET):
            self.create_repository(name)

    def create_repository(self, name: str) -> None:
        """Create a repository of the configuration."""
        self._run("repository", "create", name)

    def backup(self, tree: Path) -> Usage:
        """Back the tree up."""
        return self._run("backup", str(tree), "--to", SOURCE)[0]

    def create_job(self) -> None:
        """Create the job so that it copies the point that is there."""
        self._run("job", "create", JOB, "--include-newest")

    def run_job(self) -> Session:
        """Run the job once."""
        return self.session(lambda: self._run("job", "run", JOB))

    def session(
        self, command: Callable[[], tuple[Usage, dict[str, Any]]], target: str = TARGET
    ) -> Session:
        """Run a job by a command that prints what ``job run --json`` does."""
        count, size = self._written(target)
        usage, document = command()
        count_after, size_after = self._written(target)
        session = document["session"] or {"blob_count": 0, "pack_count": 0}
        return Session(
            usage=usage,
            blob_count=session["blob_count"],
            pack_count=session["pack_count"],
            written_count=count_after - count,
            archived_size=size_after - size,
        )

    def open_source(self) -> Repository:
        """Open the source as a library would."""
        return open_repository(FolderStore(self.repositories / SOURCE), lambda: _PASSPHRASE)

    def blob_files(self) -> Path:
        """Return the folder of the source's loose blobs."""
        return self.repositories / SOURCE / "blobs"

    def _written(self, target: str) -> tuple[int, int]:
        """Count a target's objects, and the bytes of those that lie in the cold class."""
        count = size = 0
        for folder, _, files in os.walk(self.repositories / target):
            count += len(files)
            if Path(folder).relative_to(self.repositories).parts[1:2] == ("packs",):
                size += sum((Path(folder) / name).stat().st_size for name in files)
        return count, size

    def _run(self, *words: str) -> tuple[Usage, dict[str, Any]]:
        usage, text = run([*_COMMAND, *words, "--json"], self.folder, ENVIRONMENT)
        document: dict[str, Any] = json.loads(text)
        return usage, document
