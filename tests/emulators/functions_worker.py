"""One worker of a function app: a process of Microsoft's worker library, called over its pipes."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.emulators.programs import INSTALLED

PYTHON = INSTALLED / "functions/bin/python"
_SCRIPT = Path(__file__).with_name("start_functions_worker.py")


class NotLoadedError(Exception):
    """The app could not be loaded."""


class WorkerDiedError(Exception):
    """The process of a worker ended by itself in the middle of a call."""


class WorkerLostError(Exception):
    """The host took a worker away in the middle of a call, which is made again elsewhere."""


class CallFailedError(Exception):
    """A function raised an error; the text is what the worker says of it."""


class TimeIsUpError(Exception):
    """A call took longer than a function may: its worker was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of an app, by what the worker has found."""

    name: str
    id: str
    bindings: list[dict[str, Any]] = field(repr=False)

    @property
    def trigger(self) -> dict[str, Any]:
        """What calls it."""
        (found,) = (each for each in self.bindings if each["type"].endswith("Trigger"))
        return found

    def named(self, kind: str) -> list[str]:
        """Return what its parameters of a kind of binding are called."""
        return [each["name"] for each in self.bindings if each["type"] == kind]


class FunctionsWorker:
    """One process, from its start to its end. Safe to call from several threads."""

    def __init__(self, folder: Path, environment: Mapping[str, str], log: Path) -> None:
        """Name the folder of the app, its environment, and where its log goes."""
        self._folder = folder
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[str, Future[dict[str, Any]]] = {}
        self._is_taken_away = False
        self._has_ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self.functions: dict[str, Function] = {}

    def start(self, patience: float) -> None:
        """Start it and have the app loaded, or raise ``NotLoadedError``."""
        assert PYTHON.exists(), f"{PYTHON} is missing; run: sh scripts/emulators.sh"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(PYTHON), str(_SCRIPT), str(self._folder)],
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,
            )
        watch = threading.Timer(patience, self.kill)
        watch.start()
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        watch.cancel()
        loaded: dict[str, Any] = json.loads(first) if first else {"problem": "it did not start"}
        if "problem" in loaded:
            self.close()
            raise NotLoadedError(loaded["problem"])
        self.functions = {
            name: Function(name=name, **each) for name, each in loaded["functions"].items()
        }
        self._reader.start()

    def call(self, name: str, inputs: Mapping[str, object], seconds: float) -> Any:  # noqa: ANN401
        """Call a function and return its value, or raise what ended the call."""
        number = str(next(self._ids))
        waiting: Future[dict[str, Any]] = Future()
        call = {"id": number, "function": self.functions[name].id, "inputs": inputs}
        with self._lock:
            if self._has_ended:
                raise WorkerLostError(name)
            self._waiting[number] = waiting
            with contextlib.suppress(BrokenPipeError):
                assert self._process is not None
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps(call).encode() + b"\n")
                self._process.stdin.flush()
        try:
            answer = waiting.result(timeout=seconds)
        except TimeoutError:
            self.crash()
            raise TimeIsUpError(f"{name} took more than {seconds} s") from None
        if answer["error"] is not None:
            raise CallFailedError(answer["error"])
        return answer["value"]

    def take_away(self) -> None:
        """End it as a host that is recycled ends: what it was doing is done elsewhere."""
        self._is_taken_away = True
        self.kill()

    def kill(self) -> None:
        """Kill it, and with it all that it started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def crash(self) -> None:
        """Kill it as if it had died of what it does; nobody meets it afterwards."""
        self.kill()
        self._reader.join()

    def close(self) -> None:
        """Take it away and wait until nothing is left of it."""
        self.take_away()
        if self._process is None:
            return
        self._process.wait()
        if self._reader.is_alive():
            self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()

    @property
    def is_alive(self) -> bool:
        """Whether it can be called."""
        return not self._has_ended

    def _read(self) -> None:
        """Hand out answers; at the end let go of whoever waits for one."""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            self._waiting.pop(answer["id"]).set_result(answer)
        self._process.wait()
        ended = WorkerLostError if self._is_taken_away else WorkerDiedError
        with self._lock:
            self._has_ended = True
            while self._waiting:
                _, waiting = self._waiting.popitem()
                waiting.set_exception(ended("the worker ended"))
