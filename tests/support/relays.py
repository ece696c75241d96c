"""What may stand between us and a store: something that ends TLS, and an HTTP proxy."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.emulators.certificate import make_certificate

_SIZE = 1 << 16
_CONNECT = re.compile(rb"CONNECT ([\w.-]+):(\d+) HTTP/1\.[01]\r\n")


@contextmanager
def tls_in_front_of(endpoint: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Serve an endpoint by TLS; give the new one and the bundle that makes it trusted."""
    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    upstream = urlsplit(endpoint)
    assert upstream.hostname is not None
    address = (upstream.hostname, upstream.port or 80)

    def serve(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secured:
            _relay(secured, socket.create_connection(address))

    with _listening(serve) as port:
        yield f"https://127.0.0.1:{port}", certificate


@contextmanager
def http_proxy(connected: list[str]) -> Iterator[str]:
    """Run a proxy that knows CONNECT alone, and list in ``connected`` where it led to."""

    def serve(client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = client.recv(1)
            if not data:
                return
            head += data
        found = _CONNECT.match(head)
        assert found is not None, head
        host, port = found[1].decode(), int(found[2])
        connected.append(f"{host}:{port}")
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        _relay(client, socket.create_connection((host, port)))

    with _listening(serve) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_one(client: socket.socket) -> None:
        # A client that does not trust us, or has seen enough, just goes away.
        with contextlib.suppress(OSError), client:
            serve(client)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve_one, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on in both directions until either side ends."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_SIZE):
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    with other:
        back = threading.Thread(target=pump, args=(other, one), daemon=True)
        back.start()
        pump(one, other)
        back.join()
