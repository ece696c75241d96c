"""Another process at the same store: races, and is killed. Started by ``start``."""

import pickle
import subprocess
import sys
import threading
from typing import IO

from core.errors import ConflictError
from core.stores.opening import open_store
from core.stores.store import Store
from tests.architecture.tree import ROOT
from tests.conformance.medium import Medium

PATIENCE_SECONDS = 60


class Child:
    """A running child process that takes one line to begin and answers in lines."""

    def __init__(self, action: str, medium: Medium, label: str, count: str) -> None:
        place = [medium.store.url, pickle.dumps(medium.settings).hex()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.child", action, *place, label, count],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready", "the child did not start"

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def begin(self) -> None:
        """Let it work."""
        pipe = _open(self._process.stdin)
        pipe.write("begin\n")
        pipe.flush()

    def line(self) -> str:
        """Wait for its next line."""
        return self._line()

    def rest(self) -> list[str]:
        """Wait for its end and return the lines that are left."""
        output = _open(self._process.stdout).read()
        assert self._process.wait(PATIENCE_SECONDS) == 0, "the child failed"
        return output.split()

    def kill(self) -> None:
        """Kill it as ``kill -9`` does, and wait until it is dead."""
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)
        _open(self._process.stdin).close()
        _open(self._process.stdout).close()

    def _line(self) -> str:
        return _open(self._process.stdout).readline().strip()


def content(label: str, name: str, size: int = 40_000) -> bytes:
    """Return bytes that say who wrote them, and where they end."""
    line = f"{label} {name}\n".encode()
    return (line * (size // len(line) + 1))[: size - 4] + b"END\n"


def race(store: Store, label: str, count: int) -> None:
    """Put ``count`` names that others put too; say which ones this process won."""
    for number in range(count):
        name = f"race/{number % 7}/{number}"
        try:
            store.put(name, content(label, name))
        except ConflictError:
            continue
        say(name)


def put_for_ever(store: Store, label: str, count: int) -> None:
    """Put whole objects, each in one of ``count`` folders, until somebody kills this process."""
    number = 0
    while True:
        name = f"{number % count}/{label}-{number}"
        store.put(name, content(label, name))
        say(name)
        number += 1


def upload_for_ever(store: Store, label: str, count: int) -> None:
    """Write ``count`` MiB of an upload and never end it."""
    upload = store.upload(f"large/{label}")
    for _ in range(count):
        upload.write(bytes(1 << 20))
    say("written")
    threading.Event().wait()


def say(line: str) -> None:
    """Answer with a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _open(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def main(action: str, url: str, settings: str, label: str, count: str) -> None:
    """Say that the imports are done, wait for the word, then act."""
    actions = {"race": race, "put": put_for_ever, "upload": upload_for_ever}
    store = open_store(url, pickle.loads(bytes.fromhex(settings)))
    say("ready")
    sys.stdin.readline()
    actions[action](store, label, int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
