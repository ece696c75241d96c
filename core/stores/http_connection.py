"""One connection to an HTTP server: requests without a body go out, answers are read whole.

The standard library makes the connection, with TLS and tunnels. What goes over it is read here: its
general reader of headers alone takes more of the processor than all else about a small object.
"""

import http.client
import io
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from core.limits import HTTP_HEAD_SIZE_MAX

# Most answers to small objects come in one piece of this size, head and body.
_BUFFER_SIZE = 32 << 10
# What a line of a request may hold; all else would begin another line, or mean another byte.
_FIT = re.compile(r"[\t\x20-\x7e]*+")
_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\n]*|\r)?")
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
        reader = self.sock.makefile("rb", _BUFFER_SIZE)
        assert isinstance(reader, io.BufferedReader)
        self._reader = reader

    def close(self) -> None:
        """End it."""
        self._reader.close()
        self._connected.close()

    def send(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        """Send a request with exactly these headers."""
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if not _FIT.fullmatch("".join(lines)):
            # What it is may be a secret.
            raise UnfitRequestError("a request holds a character that none may hold")
        self.sock.sendall("\r\n".join([*lines, "\r\n"]).encode("ascii"))

    def read(self, method: str, size_max: int) -> tuple[Reply, bool]:
        """Return the answer and whether the connection can be used again."""
        minor, status, headers = self._read_head()
        while status < 200:
            minor, status, headers = self._read_head()
        wish = headers.get("connection", "").lower()
        is_kept = "keep-alive" in wish if minor == "0" else "close" not in wish
        if method == "HEAD" or status in _BODILESS:
            body = b""
        elif "transfer-encoding" in headers:
            body = self._read_chunks(headers["transfer-encoding"], size_max)
        else:
            body = self._read_length(headers.get("content-length", ""), size_max)
        return Reply(status, headers, body), is_kept

    def _read_head(self) -> tuple[str, int, dict[str, str]]:
        # Nearly always the whole head is there as soon as anything is.
        end = _HEAD_END.search(self._reader.peek())
        head = self._reader.read(end.end()) if end else self._read_lines()
        line, _, fields = head.decode("latin-1").partition("\n")
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise http.client.BadStatusLine("what came is no answer")
        return found[1], int(found[2]), _parse_headers(fields)

    def _read_lines(self) -> bytes:
        """Return a head that comes in pieces, or one line that begins none."""
        readline, left = self._reader.readline, HTTP_HEAD_SIZE_MAX
        lines = [readline(left)]
        if not lines[0]:
            raise http.client.RemoteDisconnected("the server closed the connection")
        while lines[0].startswith(b"HTTP/") and lines[-1] not in _HEAD_ENDS:
            left -= len(lines[-1])
            lines.append(readline(left))
            if not lines[-1].endswith(b"\n"):
                raise http.client.HTTPException("the answer's head is cut, or far too long")
        return b"".join(lines)

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
    """Return the headers of lines that each end with a line feed, the last of which is empty."""
    headers: dict[str, str] = {}
    name = ""
    for line in text.split("\n")[:-2]:
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
