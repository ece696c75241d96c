"""A process that starts one emulator, and stops it when the run of tests has ended.

``python -m tests.emulators.keeper FOLDER NAME`` is started by whichever test first asks for the
emulator. It waits for a lock that the run holds for as long as its process lives, so that it also
notices when that was killed; whoever is killed without a word himself takes the emulator along,
where the system knows how (Linux).
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.emulators.folder import RunFolder
from tests.emulators.programs import PROGRAMS, Program

# LocalStack takes 3 to 5 seconds on two idle cores.
START_SECONDS = 120
STOP_SECONDS = 5
# A port that was free may be somebody else's a moment later.
ATTEMPTS = 3
_PR_SET_PDEATHSIG = 1


class NotStartedError(Exception):
    """The emulator did not come up; the message says why as far as is known."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Keeper:
    """One emulator, from its start to its end."""

    def __init__(self, run: RunFolder, name: str, ended: threading.Event) -> None:
        self._run = run
        self._name = name
        self._ended = ended
        self._folder = run.data(name)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Program:
        """Start it and wait until it answers; a second time where its port was taken."""
        for _ in range(ATTEMPTS):
            (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
            program = PROGRAMS[self._name](self._folder, free_port())
            if not program.needs.exists():
                raise NotStartedError(
                    f"{program.needs} is missing; run: sh scripts/emulators.sh, "
                    "or say in COLDHAUL_EMULATORS where it was installed"
                )
            with self._run.log(self._name).open("ab") as log:
                self._process = self._spawn(program, log.fileno())
            if self._wait_until_ready(program):
                return program
            self.stop()
            if not self._is_port_taken():
                break
        raise NotStartedError(f"{self._name} did not start")

    def _spawn(self, program: Program, log: int) -> subprocess.Popen[bytes]:
        kept = ("PATH", "LANG", "LC_ALL")
        environment = {
            # Nothing of the user's own: no credentials, profiles or proxies.
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder / "tmp"),
            **program.environment,
        }
        return subprocess.Popen(
            program.command,
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )

    def _wait_until_ready(self, program: Program) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not self._ended.is_set():
            is_ready = program.is_ready()
            if self._process.poll() is not None:
                return False  # What answered is somebody else.
            if is_ready:
                return True
            time.sleep(0.1)
        return False

    def _is_port_taken(self) -> bool:
        text = self._run.log(self._name).read_text(errors="replace").lower()
        return any(words in text for words in ("address already in use", "already in use"))

    def stop(self) -> None:
        """End the emulator and all that it started, and remove its data."""
        if self._process is not None:
            self._signal_all(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self._signal_all(signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def die_with_parent() -> None:
    """Ask the system to kill this process when its parent dies; elsewhere than Linux, nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def keep(run: RunFolder, name: str) -> None:
    """Start the emulator, say so or why not, and stop it at the end of the run."""
    ended = threading.Event()
    keeper = Keeper(run, name, ended)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())

    def watch() -> None:
        run.wait_for_end()
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    with run.alive(name):
        try:
            program = keeper.start()
            answer = {"endpoint": program.endpoint, "ca_bundle": program.ca_bundle}
            run.answer(name, json.dumps({**answer, "keeper": os.getpid()}))
            ended.wait()
        except NotStartedError as error:
            run.answer(name, json.dumps({"problem": str(error)}))
        finally:
            keeper.stop()


if __name__ == "__main__":
    keep(RunFolder(Path(sys.argv[1])), sys.argv[2])
