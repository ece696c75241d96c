"""A stand-in for a function app: it replays the documents of its routes, and what goes wrong there.

Nothing of the app itself is in it. What an execution does is told by the same small machines that
stacks in LocalStack are deployed with (``tests.support.appliances``), so that one test watches both
kinds; faults of the platform before the app are told one by one.
"""

import json
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from proxy.version import own_version
from tests.emulators.identity import audience_of

AUDIENCE = "api://0a1b2c3d-0000-4000-8000-00000000c01d"
_SESSION = re.compile(r"/api/sessions/([0-9a-f]{32})")
_TERMINATE = re.compile(r"/api/sessions/([0-9a-f]{32})/terminate")
_RUNNING = re.compile(r"/api/jobs/([\w-]+)/running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer as it goes over the line. ``cut`` leaves the end of its body away."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False


def said(status: int, document: object, **headers: str) -> Said:
    """Return an answer with a document."""
    return Said(status=status, body=json.dumps(document).encode(), headers=headers)


def refused(status: int, category: str, message: str, hint: str = "") -> Said:
    """Return a refusal as the app writes it."""
    document = {"category": category, "message": message, "hint": hint, "problems": []}
    return said(status, document)


NOT_THERE = refused(404, "not-found", "there is no such session")


@dataclass(kw_only=True)
class Fault:
    """What comes instead of, or with ``is_late`` after, the work; so many times, or for ever."""

    answer: Said
    where: str = ""
    method: str = ""
    count: int = -1
    is_late: bool = False

    def takes(self, method: str, path: str) -> bool:
        """Say whether it is this request's turn, and count it."""
        if self.count == 0 or self.method not in {"", method} or self.where not in path:
            return False
        self.count -= self.count > 0
        return True


@dataclass(kw_only=True)
class Instance:
    """The newest attempt at a session."""

    order: Mapping[str, Any]
    started: datetime
    machine: Mapping[str, Any]
    stopped: datetime | None = None
    succeeded: datetime | None = None

    def document(self) -> dict[str, Any]:
        """Return what the route says of it now."""
        standing, ended, error, cause = self._standing()
        return {
            "attempt": self.order["attempt"],
            "standing": standing,
            "started": self.started.isoformat(),
            "ended": ended.isoformat() if ended else None,
            "error": error,
            "cause": cause,
            "counts": {"round": 0, "batches": 0, "done": 0},
        }

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._standing()[0] != "running"

    def _standing(self) -> tuple[str, datetime | None, str, str]:
        if self.stopped:
            return "aborted", self.stopped, "", ""
        state = self.machine["States"][self.machine["StartAt"]]
        if state["Type"] == "Fail":
            return "failed", self.started, state["Error"], state["Cause"]
        if state["Type"] == "Pass":
            return "succeeded", self.started, "", ""
        if self.succeeded:
            return "succeeded", self.succeeded, "", ""
        return "running", None, "", ""


class StandInApp:
    """Serves the routes of one app on this machine while it is entered."""

    def __init__(
        self,
        machine: Mapping[str, Any],
        told: Mapping[str, str] | None = None,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        """Run such a machine for each order; ``told`` is what the app was deployed with.

        ``tls`` is a certificate and its key.
        """
        self.machine = machine
        self.deployment = {
            "version": own_version(),
            "target_url": "az://copies/vault",
            "target_endpoint": "https://account.blob.core.windows.net",
            "source_url": "az://backups/primary",
            "source_endpoint": "https://account.blob.core.windows.net",
            "source_kind": "repository",
            "storage_class": "",
            "metadata_class": "",
            "retention_type": "",
            **(told or {}),
        }
        self.findings: list[dict[str, str]] = []
        self.ordered: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.asks_for_token = True
        self.calls: list[str] = []
        self._started: list[Instance] = []
        self._instances: dict[str, Instance] = {}
        self._changing = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def executions(self) -> list[dict[str, Any]]:
        """Return what was started, newest first."""
        with self._changing:
            return [
                {"name": f"{each.order['session']}-{each.order['attempt']}", **each.document()}
                for each in reversed(self._started)
            ]

    def orders(self) -> list[dict[str, Any]]:
        """Return what executions were started with, newest first."""
        with self._changing:
            return [dict(each.order) for each in reversed(self._started)]

    def terminate(self, session: str, attempt: int) -> None:
        """End an execution from outside."""
        with self._changing:
            instance = self._instances[session]
            assert instance.order["attempt"] == attempt
            instance.stopped = datetime.now(UTC)

    def succeed(self) -> None:
        """Let the newest execution come to its end."""
        with self._changing:
            self._started[-1].succeeded = datetime.now(UTC)

    def answer(self, method: str, path: str, token: str, body: bytes) -> Said:
        """Do what is asked for, unless a fault has its turn."""
        self.calls.append(f"{method} {path}")
        fault = next((each for each in self.faults if each.takes(method, path)), None)
        if fault is not None and not fault.is_late:
            return fault.answer
        if self.asks_for_token and audience_of(token.removeprefix("Bearer ")) != AUDIENCE:
            return Said(status=401, headers={"WWW-Authenticate": "Bearer"})
        with self._changing:
            done = self._do(method, path, body)
        return done if fault is None else fault.answer

    def _do(self, method: str, path: str, body: bytes) -> Said:
        if (method, path) == ("GET", "/api/deployment"):
            return said(200, self.deployment)
        if (method, path) == ("GET", "/api/check"):
            return said(200, {"findings": self.findings})
        for pattern, verb, do in (
            (_SESSION, "GET", lambda session: self._look(session)),
            (_SESSION, "POST", lambda session: self._start(session, json.loads(body))),
            (_TERMINATE, "POST", lambda session: self._stop(session, json.loads(body))),
            (_RUNNING, "GET", lambda job: self._ordered(job)),
        ):
            found = pattern.fullmatch(path)
            if found and method == verb:
                act: Callable[[str], Said] = do
                return act(found[1])
        return Said(status=404, body=b"<html>nothing here</html>")

    def _look(self, session: str) -> Said:
        found = self._instances.get(session)
        return NOT_THERE if found is None else said(200, found.document())

    def _start(self, session: str, order: Mapping[str, Any]) -> Said:
        before = self._instances.get(session)
        if before and (not before.is_over or before.order["attempt"] >= order["attempt"]):
            return refused(409, "conflict", "it runs already, or did")
        instance = Instance(order=order, started=datetime.now(UTC), machine=self.machine)
        self._instances[session] = instance
        self._started.append(instance)
        return said(202, {"instance": session})

    def _stop(self, session: str, asked: Mapping[str, Any]) -> Said:
        found = self._instances.get(session)
        if found is None:
            return NOT_THERE
        if found.order["attempt"] != asked["attempt"] or found.is_over:
            return refused(409, "conflict", "it is over")
        found.stopped = datetime.now(UTC)
        return Said(status=202)

    def _ordered(self, job: str) -> Said:
        found = self.ordered.get(job)
        return NOT_THERE if found is None else said(200, {"instance": found})


def _handler(app: StandInApp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            reply = app.answer(self.command, self.path, token, body)
            if not reply.status:
                # The connection ends without a word.
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.is_cut else reply.body)
            self.close_connection = self.close_connection or reply.is_cut

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    for method in ("GET", "POST"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler
