"""One execution environment of Lambda: a function's own runtime behind Lambda's Runtime API.

Needs nothing but Python, so that LocalStack's Python runs it (``lambda_executor``) as well as ours
does. What Amazon's own environment does to a function is done here too: at the time limit it is
killed with all that it started, above its memory it is killed without a word, after either it
starts anew with the next event.
"""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_VERSION = "2018-06-01"
_POLL_SECONDS = 0.05
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a function is called with."""

    request_id: str
    function_arn: str
    trace_id: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one call: what the function returned, or which error ended it, and its log."""

    payload: bytes
    is_error: bool
    log: str


class NotStartedError(Exception):
    """The function's module could not be loaded; ``payload`` is what Lambda says of it."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


class RuntimeApi(ThreadingHTTPServer):
    """The API through which one process takes events and gives answers."""

    daemon_threads = True

    def __init__(self, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds = seconds
        self.events: queue.Queue[Event | None] = queue.Queue()
        self.answers: queue.Queue[tuple[bytes, bool]] = queue.Queue()
        self.has_asked = threading.Event()
        self.initialization_error = b""
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """What the runtime finds in AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        """Let go of whoever waits for an event, and answer no more."""
        self.events.put(None)
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401
        pass

    def do_GET(self) -> None:
        """Wait for an event and hand it out; before the first one, the function is ready."""
        assert self.path == f"/{_VERSION}/runtime/invocation/next", self.path
        self.server.has_asked.set()
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        body = event.payload.encode()
        self.send_response(200)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": event.request_id,
            "Lambda-Runtime-Invoked-Function-Arn": event.function_arn,
            "Lambda-Runtime-Trace-Id": event.trace_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.server.seconds) * 1000)),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Take an answer or an error."""
        body = self._read_body()
        if self.path == f"/{_VERSION}/runtime/init/error":
            self.server.initialization_error = body
            self.server.has_asked.set()
        else:
            kind = self.path.rpartition("/")[2]
            assert kind in {"response", "error"}, self.path
            self.server.answers.put((body, kind == "error"))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)


class FunctionProcess:
    """One environment, from its start to its end; one call at a time."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        code: Path,
        seconds: float,
        mebibytes: int,
    ) -> None:
        """Name what runs the function's code, its time limit and its memory."""
        self._command = command
        self._environment = environment
        self._code = code
        self._seconds = seconds
        self._bytes = mebibytes * _MEBIBYTE
        self._folder = Path(tempfile.mkdtemp(prefix="lambda-"))
        self._log = self._folder / "log"
        self._log.touch()
        self._api: RuntimeApi | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, patience: float) -> None:
        """Start the runtime and wait until it asks for an event, or raise NotStartedError.

        A failed start is tried once more, as Lambda does: it initializes anew in the first call.
        """
        try:
            self._start(patience)
        except NotStartedError:
            self._start(patience)

    def _start(self, patience: float) -> None:
        assert self._process is None, "already started"
        self._api = api = RuntimeApi(self._seconds)
        temporary = self._folder / "tmp"
        temporary.mkdir(exist_ok=True)
        with self._log.open("ab") as log:
            self._process = process = subprocess.Popen(
                self._command,
                cwd=self._code,
                env={
                    **self._environment,
                    "AWS_LAMBDA_RUNTIME_API": api.address,
                    "TMPDIR": str(temporary),
                },
                # Ends when this process does, however that ends: the function hears it.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        deadline = time.monotonic() + patience
        while not api.has_asked.wait(_POLL_SECONDS):
            if process.poll() is not None or time.monotonic() > deadline:
                break
        if not api.has_asked.is_set() or api.initialization_error:
            self._end()
            raise NotStartedError(
                api.initialization_error
                or _error("Runtime.ExitError", f"it did not start:\n{self.read_log()}")
            )

    def call(self, event: Event, patience: float) -> Outcome:
        """Call the function; whatever ends it in the middle is the outcome's error."""
        if self._process is None:
            self.start(patience)
        assert self._api is not None
        position = self._log.stat().st_size
        self._api.events.put(event)
        payload, is_error = self._wait(event.request_id)
        return Outcome(payload=payload, is_error=is_error, log=self.read_log(position))

    def stop(self) -> None:
        """End it and remove what it left."""
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def read_log(self, start: int = 0) -> str:
        """Return what it printed, from a position on."""
        with self._log.open("rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")

    def _wait(self, request_id: str) -> tuple[bytes, bool]:
        """Wait for an answer, and see to the limits meanwhile."""
        assert self._api is not None
        assert self._process is not None
        deadline = time.monotonic() + self._seconds
        while True:
            with contextlib.suppress(queue.Empty):
                return self._api.answers.get(timeout=_POLL_SECONDS)
            if (status := self._process.poll()) is not None:
                self._end()
                what = f"exit status {status}" if status >= 0 else _signal_name(-status)
                text = f"Runtime exited with error: {what}"
            elif _anonymous_bytes(self._process.pid) > self._bytes:
                self._end()
                text = "Runtime exited with error: signal: killed"
            elif time.monotonic() > deadline:
                self._end()
                text = f"Task timed out after {self._seconds:.2f} seconds"
                return _error("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}"), True
            else:
                continue
            return _error("Runtime.ExitError", f"RequestId: {request_id} Error: {text}"), True

    def _end(self) -> None:
        """Kill it and all that it started; what waits for an event of it is let go."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None
        if self._api is not None:
            self._api.close()
            self._api = None


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _signal_name(number: int) -> str:
    return f"signal: {signal.strsignal(number) or number}".lower()


def _anonymous_bytes(pid: int) -> int:
    """Return how much memory a process has for itself; elsewhere than Linux, nothing is known."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))
