"""Runs a command and says what it took: wall time, CPU of all its processes, memory.

CPU is what the kernel counted for the process and all the children it waited for. Memory is read
from ``/proc`` twenty times a second: the largest process by its own high-water mark, and the sum
of all resident sizes, in which pages that processes share count once for each. As often the files
in the folder that it was given for temporary ones are counted.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import ColdhaulError

_SAMPLE_SECONDS = 0.05
# The unit of st_blocks, whatever the file system.
_BLOCK_SIZE = 512
_ERROR_SIZE = 2_000


class CommandError(ColdhaulError):
    """A command that is measured did not succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a command took: seconds, and bytes of memory and of temporary files."""

    wall: float
    cpu: float
    peak: int
    peak_sum: int
    temporary: int = 0

    def plus(self, other: "Usage") -> "Usage":
        """Add a command that ran after this one."""
        return Usage(
            wall=self.wall + other.wall,
            cpu=self.cpu + other.cpu,
            peak=max(self.peak, other.peak),
            peak_sum=max(self.peak_sum, other.peak_sum),
            temporary=max(self.temporary, other.temporary),
        )


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[Usage, str]:
    """Run a command to its end; return what it took and what it wrote to stdout."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
        tempfile.TemporaryDirectory() as temporary,
    ):
        # What was written before must not be synced at the expense of what is measured.
        os.sync()
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "TMPDIR": temporary, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
        sampler = _Sampler(process.pid, Path(temporary))
        _, status, resources = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace")[-_ERROR_SIZE:]
            raise CommandError(f"{command[0]} ended with {process.returncode}: {said}")
        out.seek(0)
        text = out.read().decode(errors="replace")
    usage = Usage(
        wall=wall,
        cpu=resources.ru_utime + resources.ru_stime,
        peak=sampler.peak,
        peak_sum=sampler.peak_sum,
        temporary=sampler.temporary,
    )
    return usage, text


class _Sampler:
    """Watches the memory of a process and of everything below it, and its temporary folder."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.peak = 0
        self.peak_sum = 0
        self.temporary = 0
        self._pid = pid
        self._folder = folder
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self._sample()
            if self._is_over.wait(_SAMPLE_SECONDS):
                return

    def _sample(self) -> None:
        sizes = [_memory(pid) for pid in _tree(self._pid)]
        self.peak = max([self.peak, *(high for high, _ in sizes)])
        self.peak_sum = max(self.peak_sum, sum(now for _, now in sizes))
        self.temporary = max(self.temporary, _stored_size(self._folder))


def _tree(pid: int) -> Iterator[int]:
    """Yield a process and all below it, as far as they still live."""
    yield pid
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        try:
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text()
        except OSError:
            continue
        for child in children.split():
            yield from _tree(int(child))


def _memory(pid: int) -> tuple[int, int]:
    """Return a process's highest and present resident size; zeros when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = {key: value for key, _, value in (line.partition(":") for line in lines)}
    return _kibibytes(found.get("VmHWM", "")), _kibibytes(found.get("VmRSS", ""))


def _stored_size(folder: Path) -> int:
    """Return what the files below a folder take on disk."""
    size = 0
    for above, _, files in os.walk(folder):
        for file in files:
            with suppress(FileNotFoundError):
                size += os.stat(os.path.join(above, file)).st_blocks * _BLOCK_SIZE
    return size


def _kibibytes(text: str) -> int:
    digits = text.split()
    return int(digits[0]) << 10 if digits else 0
