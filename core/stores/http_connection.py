"""One connection to an HTTP server: requests without a body go out, answers are read whole.

The standard library makes the connection, with TLS and tunnels. What goes over it is read here: its
general reader of headers alone takes more of the processor than all else about a small object.
"""

import http.client
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from core.limits import HTTP_HEAD_SIZE_MAX

# Most answers to small objects come in one piece of this size, head and body.
_BUFFER_SIZE = 32 << 10
# What no line of a request may hold: it would begin another line, or mean another byte.
_UNFIT = re.compile(r"[^\t\x20-\x7e]")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\n]*|\r)?\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_HEAD_ENDS = frozenset({b"\r\n", b"\n"})
_BODILESS = frozenset({204, 304})


class BodySizeError(http.client.HTTPException):
    """The answer is larger than whoever asked can use."""


class UnfitRequestError(ValueError):
    """A request cannot be said in HTTP: something in it would be read as another line."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read whole.

    Names of ``headers`` are in lower case. Values have a character of Latin-1 for each byte; what
    an answer says several times is joined by commas, which means the same.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpConnection:
    """A connection that has been made. Belongs to one thread at a time."""

    def __init__(self, connected: http.client.HTTPConnection) -> None:
        """Take it over."""
        assert isinstance(connected.sock, socket.socket)
        self._connected = connected
        self.sock = connected.sock
        self._reader = self.sock.makefile("rb", _BUFFER_SIZE)

    def close(self) -> None:
        """End it."""
        self._reader.close()
        self._connected.close()

    def send(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        """Send a request with exactly these headers."""
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if _UNFIT.search("".join(lines)):
            # What it is may be a secret.
            raise UnfitRequestError("a request holds a character that none may hold")
        self.sock.sendall("\r\n".join([*lines, "\r\n"]).encode("ascii"))

    def read(self, method: str, size_max: int) -> tuple[Reply, bool]:
        """Return the answer and whether the connection can be used again."""
        minor, status, headers = self._read_head()
        while status < 200:
            minor, status, headers = self._read_head()
        wish = headers.get("connection", "").lower()
        is_kept = "keep-alive" in wish if minor == b"0" else "close" not in wish
        if method == "HEAD" or status in _BODILESS:
            body = b""
        elif "transfer-encoding" in headers:
            body = self._read_chunks(headers["transfer-encoding"], size_max)
        else:
            body = self._read_length(headers.get("content-length", ""), size_max)
        return Reply(status, headers, body), is_kept

    def _read_head(self) -> tuple[bytes, int, dict[str, str]]:
        readline, left = self._reader.readline, HTTP_HEAD_SIZE_MAX
        line = readline(left)
        if not line:
            raise http.client.RemoteDisconnected("the server closed the connection")
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise http.client.BadStatusLine("what came is no answer")
        lines: list[bytes] = []
        while (line := readline(left)) not in _HEAD_ENDS:
            left -= len(line)
            if not line.endswith(b"\n"):
                raise http.client.HTTPException("the answer's head is cut, or far too long")
            lines.append(line)
        return found[1], int(found[2]), _parse_headers(b"".join(lines).decode("latin-1"))

    def _read_length(self, length: str, size_max: int) -> bytes:
        if not _LENGTH.fullmatch(length):
            # It ends with the connection, and so does one that was cut.
            raise http.client.HTTPException("the answer does not say how long it is")
        if int(length) > size_max:
            raise BodySizeError(f"{length} bytes instead of at most {size_max}")
        return self._read_exactly(int(length))

    def _read_chunks(self, encoding: str, size_max: int) -> bytes:
        if encoding.lower() != "chunked":
            raise http.client.HTTPException("the answer is in an encoding that was not asked for")
        pieces, left = [], size_max
        while size := self._read_chunk_size():
            left -= size
            if left < 0:
                raise BodySizeError(f"more than {size_max} bytes")
            pieces.append(self._read_exactly(size))
            if self._reader.readline(3) not in _HEAD_ENDS:
                raise http.client.HTTPException("a chunk of the answer does not end where it said")
        trailer = HTTP_HEAD_SIZE_MAX
        while (line := self._reader.readline(trailer)) not in _HEAD_ENDS:
            trailer -= len(line)
            if not line.endswith(b"\n"):
                raise http.client.HTTPException("the answer's end is cut, or far too long")
        return b"".join(pieces)

    def _read_chunk_size(self) -> int:
        line = self._reader.readline(HTTP_HEAD_SIZE_MAX)
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise http.client.HTTPException("a chunk of the answer does not say how long it is")
        return int(found[1], 16)

    def _read_exactly(self, size: int) -> bytes:
        body: bytes = self._reader.read(size)
        if len(body) != size:
            raise http.client.IncompleteRead(b"", size - len(body))
        return body


def _parse_headers(text: str) -> dict[str, str]:
    """Return the headers of lines that each end with a line feed."""
    headers: dict[str, str] = {}
    name = ""
    for line in text.split("\n")[:-1]:
        if line[0] in " \t":
            # A value that goes on in another line, as older servers write them.
            headers[name] = f"{headers.get(name, '')} {line.strip()}"
            continue
        said, colon, value = line.partition(":")
        if not colon:
            raise http.client.HTTPException("the answer's head holds what is no header")
        name, value = said.rstrip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
