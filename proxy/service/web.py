"""The small HTTP server of ``/health`` and ``/metrics``."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from core.errors import StoreError
from proxy.listening import ListenPlace

# Whoever connects and says nothing must not keep a thread for ever.
_TIMEOUT_SECONDS = 10

Health = Callable[[], Mapping[str, Any]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: ListenPlace, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if place.is_six else socket.AF_INET
        super().__init__((place.address, place.port), handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIMEOUT_SECONDS
    server_version = "coldhaul"
    sys_version = ""

    def __init__(
        self,
        health: Health,
        metrics: Callable[[], bytes],
        *rest: Any,  # noqa: ANN401
        **named: Any,  # noqa: ANN401
    ) -> None:
        self._health = health
        self._metrics = metrics
        super().__init__(*rest, **named)

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        if path == "/health":
            document = self._health()
            status = HTTPStatus.OK if document["is_healthy"] else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "application/json", json.dumps(document, indent=2).encode())
        elif path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics())
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there are /health and /metrics\n")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are no events."""


@contextmanager
def serving(
    place: ListenPlace, health: Health, metrics: Callable[[], bytes]
) -> Iterator[ListenPlace]:
    """Serve while the context lasts; lends the place, with the port that was chosen."""
    try:
        server = _Server(place, partial(_Handler, health, metrics))
    except OSError as error:
        raise StoreError(
            f"cannot listen at {place}: {error.strerror}",
            hint='Choose another place with proxy.listen, or none with listen = "".',
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield ListenPlace(address=place.address, port=int(server.server_address[1]))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
