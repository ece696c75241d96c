"""HTTP/1.1 messages on sockets, as far as a proxy has to understand them."""

import select
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.emulators.operations import parse_query

_RECEIVE_SIZE = 1 << 18
_HEAD_SIZE_MAX = 1 << 18
_END = b"\r\n\r\n"
# What ``body_size`` says of bodies that say their size as they go, or never.
CHUNKED = -1
UNTIL_CLOSED = -2


class BrokenError(Exception):
    """A connection ended in the middle of a message."""


class Tls:
    """TLS on both sides of a proxy: a certificate for clients, and one to know the server by."""

    def __init__(self, certificate: Path, key: Path, trusted: str) -> None:
        self._own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._own.load_cert_chain(certificate, key)
        self._other = ssl.create_default_context(cafile=trusted)
        # In later versions an idle connection is readable: tickets come after the handshake.
        self._other.maximum_version = ssl.TLSVersion.TLSv1_2

    def accepted(self, connection: socket.socket) -> socket.socket:
        """Return a client's connection; the handshake comes with the first byte that is read."""
        return self._own.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def connected(self, connection: socket.socket, host: str) -> socket.socket:
        """Return a connection to the server."""
        return self._other.wrap_socket(connection, server_hostname=host)


class Wire:
    """A connection, and what has been read from it too early."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._early = b""

    def read_head(self) -> bytes | None:
        """Return all up to the empty line, or None where the other side has no more to say."""
        data = self._early
        while (end := data.find(_END)) < 0:
            if len(data) > _HEAD_SIZE_MAX:
                raise BrokenError("a head without an end")
            more = self._socket.recv(_RECEIVE_SIZE)
            if not more:
                if data:
                    raise BrokenError("a head was cut off")
                return None
            data += more
        end += len(_END)
        self._early = data[end:]
        return data[:end]

    def read_body(self, size: int) -> Iterator[bytes]:
        """Yield a body as it came, with the sizes of its chunks where it has them."""
        if size == CHUNKED:
            yield from self._chunks()
        elif size == UNTIL_CLOSED:
            yield self._early
            while data := self._socket.recv(_RECEIVE_SIZE):
                yield data
        else:
            yield from self._exactly(size)

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            data = self._early or self._socket.recv(min(size, _RECEIVE_SIZE))
            if not data:
                raise BrokenError("a body was cut off")
            self._early = data[size:]
            yield data[:size]
            size -= len(data[:size])

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._line()
            yield line
            size = int(line.split(b";")[0], 16)
            if not size:
                break
            yield from self._exactly(size + 2)
        while (line := self._line()) != b"\r\n":
            yield line
        yield line

    def _line(self) -> bytes:
        while (end := self._early.find(b"\n")) < 0:
            more = self._socket.recv(_RECEIVE_SIZE)
            if not more:
                raise BrokenError("a chunk was cut off")
            self._early += more
        line, self._early = self._early[: end + 1], self._early[end + 1 :]
        return line

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.sendall(data)

    def is_over(self) -> bool:
        """Say whether the other side has closed an idle connection."""
        return bool(self._early or select.select([self._socket], [], [], 0)[0])

    def reset(self) -> None:
        """End the connection so that the other side gets an error for it."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """End the connection in order."""
        self._socket.close()

    def interrupt(self) -> None:
        """Wake whoever waits for this connection."""
        self._socket.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The head of a request; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body_size(self) -> int:
        """The size of what follows."""
        return _stated_size(self.headers) or 0

    @property
    def is_expecting(self) -> bool:
        """Whether its body waits to be asked for."""
        return self.headers.get("expect", "").lower() == "100-continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The head of a response to a request of this method."""

    status: int
    method: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body_size(self) -> int:
        """The size of what follows."""
        if self.method == "HEAD" or self.status in {204, 304} or self.status < 200:
            return 0
        stated = _stated_size(self.headers)
        return UNTIL_CLOSED if stated is None else stated

    def with_header(self, name: str, value: str) -> "Response":
        """Return it with a header more."""
        raw = self.raw[:-2] + f"{name}: {value}\r\n\r\n".encode()
        headers = {**self.headers, name.lower(): value}
        return Response(status=self.status, method=self.method, headers=headers, raw=raw)


def parse_request(raw: bytes) -> Request:
    """Read the head of a request."""
    first, headers = _split(raw)
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    return Request(method=method, path=path, query=parse_query(query), headers=headers, raw=raw)


def parse_response(raw: bytes, method: str) -> Response:
    """Read the head of the response to a request of this method."""
    first, headers = _split(raw)
    return Response(status=int(first.split(" ", 2)[1]), method=method, headers=headers, raw=raw)


def read_response(wire: Wire, method: str) -> Response:
    """Read the head of the final answer to a request of this method."""
    while (raw := wire.read_head()) is not None:
        response = parse_response(raw, method)
        if response.status >= 200:
            return response
    raise BrokenError("no answer came")


def without_header(raw: bytes, name: str) -> bytes:
    """Return a head without the lines of one header."""
    prefix = f"{name}:".encode().lower()
    lines = raw.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(prefix))


def _split(raw: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = raw[: -len(_END)].decode("latin-1").split("\r\n")
    parts = (line.partition(":") for line in lines)
    return first, {name.lower(): value.strip() for name, _, value in parts}


def _stated_size(headers: dict[str, str]) -> int | None:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return CHUNKED
    length = headers.get("content-length")
    return None if length is None else int(length)
