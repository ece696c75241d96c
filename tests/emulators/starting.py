"""From the name of an emulator to the one that this run of the tests shares."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.tree import ROOT
from tests.emulators.folder import RunFolder

_PATIENCE_SECONDS = 180
# Functions leave some thousand files, which are removed.
_STOP_SECONDS = 60
_POLL_SECONDS = 0.05
_TAIL_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """One that answers."""

    endpoint: str
    ca_bundle: str
    keeper: int


@contextlib.contextmanager
def run_of_tests() -> Iterator[RunFolder]:
    """Make the folder of a run; at the end, or when this process is killed, all are stopped."""
    run = RunFolder(Path(tempfile.mkdtemp(prefix="coldhaul-emulators-")))
    try:
        with run.run():
            yield run
        for name in run.keepers():
            if not run.wait_for_keeper(name, _STOP_SECONDS):
                raise TimeoutError(f"{name} does not stop; its log is {run.log(name)}")
    finally:
        shutil.rmtree(run.path, ignore_errors=True)


def emulator(run: RunFolder, name: str) -> Emulator:
    """Return an emulator; whoever asks first waits for its start, and so do all others."""
    with run.lock(f"{name}.start"):
        text = run.answered(name) or _start(run, name)
    answer = json.loads(text)
    if "problem" in answer:
        # Neither here nor anywhere else in this run is it tried again.
        raise AssertionError(f"{answer['problem']}\n{_tail(run.log(name))}")
    return Emulator(**answer)


def _start(run: RunFolder, name: str) -> str:
    log = os.open(run.log(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # Not a Popen: the keeper outlives this process, and its end is no concern of ours. In a
        # session of its own it does not hear of an interrupt at the keyboard.
        keeper = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "tests.emulators.keeper", str(run.path), name],
            {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"},
            file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
            setsid=True,
        )
    finally:
        os.close(log)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (text := run.answered(name)) is not None:
            return text
        if os.waitpid(keeper, os.WNOHANG)[0]:
            break
        time.sleep(_POLL_SECONDS)
    problem = json.dumps({"problem": f"{name} did not start"})
    run.answer(name, problem)
    return problem


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join([f"The end of {log.name}:", *lines[-_TAIL_LINES:]])
