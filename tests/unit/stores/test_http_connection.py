"""Answers are read as they are sent, or refused; requests say nothing but what they are to say."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core.limits import HTTP_HEAD_SIZE_MAX
from core.stores.http_connection import BodySizeError, HttpConnection, Reply, UnfitRequestError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


@contextmanager
def connected(sent: bytes = b"") -> Iterator[tuple[HttpConnection, socket.socket]]:
    """Yield a connection whose peer has sent something, and the peer."""
    ours, theirs = socket.socketpair()
    client = http.client.HTTPConnection("store.invalid")
    client.sock = ours
    connection = HttpConnection(client)
    with theirs:
        theirs.sendall(sent)
        try:
            yield connection, theirs
        finally:
            connection.close()


def read(sent: bytes, method: str = "GET", size_max: int = 100) -> tuple[Reply, bool]:
    with connected(sent) as (connection, peer):
        peer.shutdown(socket.SHUT_WR)
        return connection.read(method, size_max)


def test_a_request_is_sent_as_it_stands() -> None:
    with connected() as (connection, peer):
        connection.send("GET", "/a//../b%20?c", {"host": "h", "range": "bytes=0-1"})
        assert (
            peer.recv(100) == b"GET /a//../b%20?c HTTP/1.1\r\nhost: h\r\nrange: bytes=0-1\r\n\r\n"
        )


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "\0", "\x7f", "ü"])
def test_nothing_can_begin_another_header(value: str) -> None:
    with connected() as (connection, peer):
        for method, target, headers in (
            ("GET", "/", {"if-match": value}), ("GET", f"/{value}", {}), ("GET", "/", {value: ""}),
        ):  # fmt: skip
            with pytest.raises(UnfitRequestError) as caught:
                connection.send(method, target, headers)
            assert value not in str(caught.value)
        connection.close()
        assert peer.recv(100) == b""


def test_a_head_is_read_whatever_its_form() -> None:
    reply, is_kept = read(
        b'HTTP/1.1 206\r\nETag:"a"\r\nX-Amz-Meta-A: 1 \r\nx-amz-meta-a: gr\xc3\xbcn\r\n'
        b"Folded: one\r\n  two\r\nEmpty:\r\nCONTENT-LENGTH: 2\n\nhi"
    )
    assert (reply.status, reply.body, is_kept) == (206, b"hi", True)
    assert reply.headers == {
        "etag": '"a"', "x-amz-meta-a": "1, gr\xc3\xbcn", "folded": "one two", "empty": "",
        "content-length": "2",
    }  # fmt: skip


def test_what_says_only_wait_is_passed_over() -> None:
    reply, _ = read(b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + HEAD + b"\r\nhi")
    assert (reply.status, reply.body) == (200, b"hi")
    assert "a" not in reply.headers


@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        (HEAD, True),
        (HEAD + b"Connection: Close\r\n", False),
        (HEAD.replace(b"1.1", b"1.0"), False),
        (HEAD.replace(b"1.1", b"1.0") + b"Connection: Keep-Alive\r\n", True),
    ],
)
def test_a_connection_is_kept_where_both_sides_mean_to(head: bytes, is_kept: bool) -> None:
    assert read(head + b"\r\nhi")[1] is is_kept


def test_answers_without_a_body_leave_the_next_one_alone() -> None:
    with connected(
        HEAD + b"\r\n" + b"HTTP/1.1 204 No Content\r\n\r\n" + b"HTTP/1.1 304 As before\r\n\r\n"
        + HEAD + b"\r\nhi"
    ) as (connection, _):  # fmt: skip
        replies = [connection.read(method, 9)[0] for method in ("HEAD", "GET", "GET", "GET")]
    assert [reply.status for reply in replies] == [200, 204, 304, 200]
    assert [reply.body for reply in replies] == [b"", b"", b"", b"hi"]


def test_chunks_are_joined_and_their_end_is_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"3;name=value\r\nabc\r\n0A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    with connected(chunked + body + HEAD + b"\r\nhi") as (connection, _):
        assert connection.read("GET", 13)[0].body == b"abc0123456789"
        assert connection.read("GET", 13)[0].body == b"hi"
    with pytest.raises(BodySizeError):
        read(chunked + body, size_max=12)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/2 200\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * HTTP_HEAD_SIZE_MAX + b"\r\n\r\n",
        HEAD + b"A: b\r\n" * (HTTP_HEAD_SIZE_MAX // 6) + b"\r\n\r\nhi",
        HEAD + b"\r\nh",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhiho\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: cut",
    ],
)
def test_what_is_no_whole_answer_is_an_error(sent: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        read(sent)


def test_a_head_may_come_in_pieces() -> None:
    with connected(b"HTTP/1.1 200 OK\r\nA: b\r\n") as (connection, peer):
        later = threading.Timer(0.1, peer.sendall, [b"Content-Length: 2\n\r\nhi"])
        later.start()
        reply, is_kept = connection.read("GET", 9)
        later.join()
    assert (reply.headers, reply.body, is_kept) == ({"a": "b", "content-length": "2"}, b"hi", True)


def test_who_does_not_speak_http_is_not_waited_for() -> None:
    greeting = b"220 mail.example ESMTP\r\n"
    with connected(greeting) as (connection, _), pytest.raises(http.client.BadStatusLine):
        connection.read("GET", 9)


def test_silence_ends_a_request() -> None:
    with connected(HEAD) as (connection, _):
        connection.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.read("GET", 9)
