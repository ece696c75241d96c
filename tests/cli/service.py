"""The service as a process of its own, whose events are read as they come."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.cli.place import ROOT, Place

PATIENCE_SECONDS = 60
_PROGRAM = """
import sys
from core import limits
from core.engine import repack
limits.POOL_JOIN_AFTER_SECONDS = float(sys.argv.pop(1))
from proxy.start import main
main()
"""

Event = dict[str, Any]


def declare_proxy(place: Place, who: str = 'name = "hq"', more: str = "") -> None:
    """Add a proxy that looks every second, and listens at a free port."""
    text = f'\n[proxy]\n{who}\nlook_every = "1 s"\nlisten = "127.0.0.1:0"\nlog = "json"\n{more}'
    place.config.write_text(place.config.read_text() + text)


def far_moment() -> str:
    """Return a time of day that is as far from now as any: no test lasts until it comes."""
    return f"{datetime.now(UTC).astimezone() + timedelta(hours=12):%H:00}"


class ProxyProcess:
    """A running ``coldhaul proxy run``."""

    def __init__(self, place: Place, join_after: float = 600) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(join_after), "proxy", "run"],
            cwd=place.root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[Event] = []
        self._new: queue.Queue[Event] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._new.put(json.loads(line))

    def wait_for(self, event: str, **fields: object) -> Event:
        """Return the next event with this name and these fields; it has to come in time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                found = self._new.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event} {fields} in {self.events}") from None
            self.events.append(found)
            if found["event"] == event and all(found.get(k) == v for k, v in fields.items()):
                return found

    def drain(self) -> list[Event]:
        """Return all events so far."""
        while not self._new.empty():
            self.events.append(self._new.get_nowait())
        return self.events

    def named(self, event: str) -> list[Event]:
        """Return all events of a name so far."""
        return [each for each in self.drain() if each["event"] == event]

    @property
    def address(self) -> str:
        """Where it listens."""
        found = self.named("listening") or [self.wait_for("listening")]
        return str(found[0]["address"])

    def get(self, path: str) -> tuple[int, str]:
        """Ask it over HTTP."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def health(self) -> tuple[int, Event]:
        """Ask how it is."""
        status, text = self.get("/health")
        return status, json.loads(text)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        if self.process.poll() is None:
            self.send(number)
        assert self.process.stdout is not None
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        self.process.stdout.close()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


class Hook:
    """A web server that keeps what is sent to it."""

    def __init__(self) -> None:
        """Listen at a free port."""
        received: queue.Queue[Event] = queue.Queue()
        self.received = received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received.put(json.loads(self.rfile.read(length)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Requests are no news."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
