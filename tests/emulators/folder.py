"""The folder of one run of the tests: who lives, what answers where, logs.

Locks are POSIX record locks: the system lets go of them when their process ends, in whatever way,
and no child inherits them.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_POLL_SECONDS = 0.05


class RunFolder:
    """Where the processes of one run meet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def data(self, name: str) -> Path:
        """Return the folder of an emulator's own."""
        return self.path / name

    def log(self, name: str) -> Path:
        """Return the file with all that an emulator printed."""
        return self.path / f"{name}.log"

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock, once nobody else does."""
        descriptor = self._open(f"{name}.lock")
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def alive(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Hold what says that an emulator's keeper lives."""
        return self.lock(f"{name}.alive")

    def run(self) -> contextlib.AbstractContextManager[None]:
        """Hold what says that the run of tests lives."""
        return self.lock("run")

    def wait_for_end(self) -> None:
        """Wait until nobody holds ``run``."""
        with self.run():
            pass

    def keepers(self) -> list[str]:
        """Return the names of all emulators that were ever asked for."""
        return sorted(p.name.removesuffix(".alive.lock") for p in self.path.glob("*.alive.lock"))

    def wait_for_keeper(self, name: str, seconds: float) -> bool:
        """Wait until an emulator's keeper has ended; say whether it has."""
        descriptor = self._open(f"{name}.alive.lock")
        deadline = time.monotonic() + seconds
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                if time.monotonic() > deadline:
                    return False
                time.sleep(_POLL_SECONDS)
        finally:
            os.close(descriptor)

    def answer(self, name: str, text: str) -> None:
        """Say where an emulator answers, or why it does not."""
        path = self.path / f"{name}.json"
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)

    def answered(self, name: str) -> str | None:
        """Return what was said, None before that."""
        try:
            return (self.path / f"{name}.json").read_text()
        except FileNotFoundError:
            return None

    def _open(self, name: str) -> int:
        return os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
