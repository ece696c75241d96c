"""Connections are used again, go through proxies, and never give half an answer."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from core.stores.http_connection import BodySizeError
from core.stores.http_pool import HTTP_ERRORS, ConnectError, HttpPool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name: a\r\n\r\nhi"


class Server:
    """Answers each request with the next of its answers; None closes the connection instead."""

    def __init__(self, answers: list[bytes | None]) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        while self.answers:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                data = connection.recv(4096)
                if not data:
                    return
                request += data
            self.requests.append(request)
            answer = self.answers.pop(0)
            if answer is None:
                return
            connection.sendall(answer)
            if b"Connection: close" in answer or b"cut" in answer:
                return


@contextmanager
def serving(*answers: bytes | None) -> Iterator[Server]:
    server = Server(list(answers))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join(10)


def get(pool: HttpPool, target: str = "/", size_max: int = 100) -> bytes:
    return pool.request("GET", target, {"host": pool.host}, size_max=size_max).body


def test_one_connection_serves_many_requests() -> None:
    with serving(OK, OK, OK) as server:
        pool = HttpPool(server.url)
        for _ in range(3):
            reply = pool.request("GET", "/a//../b%20", {"host": "h", "range": "1"}, size_max=2)
            assert (reply.status, reply.headers["x-name"], reply.body) == (200, "a", b"hi")
        assert server.connections == 1
        assert server.requests[0] == b"GET /a//../b%20 HTTP/1.1\r\nhost: h\r\nrange: 1\r\n\r\n"


def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    with serving(OK, None, OK) as server:
        pool = HttpPool(server.url)
        assert get(pool) == get(pool) == b"hi"
        assert server.connections == 2


class _Broken:
    """A socket whose peer has ended TLS, as the next write finds out."""

    def __init__(self, connection: socket.socket, failure: OSError) -> None:
        self.close = connection.close
        self.failure = failure

    def sendall(self, _: bytes) -> None:
        raise self.failure


@pytest.mark.parametrize("failure", [ssl.SSLEOFError(8, "EOF"), ssl.SSLZeroReturnError(6, "end")])
def test_tls_that_was_ended_meanwhile_is_begun_anew(failure: OSError) -> None:
    with serving(OK, OK) as server:
        pool = HttpPool(server.url)
        get(pool)
        (idle,) = pool._idle
        idle.sock = cast("socket.socket", _Broken(idle.sock, failure))
        assert get(pool) == b"hi"
        assert server.connections == 2


def test_a_server_that_closes_each_time_is_an_error() -> None:
    with serving(None, None) as server, pytest.raises(http.client.RemoteDisconnected):
        get(HttpPool(server.url))


def test_a_server_that_wants_to_close_is_not_asked_again() -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with serving(closing, OK) as server:
        pool = HttpPool(server.url)
        assert get(pool) == get(pool) == b"hi"
        assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX: cut\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: cut\r\n\r\n9\r\nhi",
        b"HTTP/1.1 200 OK\r\nX: cut",
        b"SSH-2.0-cut\r\n",
    ],
)
def test_half_an_answer_is_an_error(answer: bytes) -> None:
    with serving(answer, OK) as server:
        pool = HttpPool(server.url)
        with pytest.raises(HTTP_ERRORS):
            get(pool)
        assert get(pool) == b"hi"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_more_than_asked_is_an_error(answer: bytes) -> None:
    for size_max, is_fine in ((3, True), (2, False)):
        with serving(answer) as server:
            ask: Callable[[], bytes] = lambda: get(HttpPool(server.url), size_max=size_max)  # noqa: B023, E731
            if is_fine:
                assert ask() == b"abc"
            else:
                with pytest.raises(BodySizeError):
                    ask()


def test_a_proxy_is_told_the_whole_url_and_who_asks() -> None:
    with serving(OK) as server:
        proxy = server.url.replace("http://", "http://me:p%40ss@")
        pool = HttpPool("http://store.invalid:9000", proxy=proxy)
        assert get(pool, "/a?b") == b"hi"
        line, *rest = server.requests[0].split(b"\r\n")
        assert line == b"GET http://store.invalid:9000/a?b HTTP/1.1"
        assert b"Proxy-Authorization: Basic bWU6cEBzcw==" in rest


def test_a_proxy_makes_a_tunnel_for_tls() -> None:
    with serving(b"HTTP/1.1 403 Forbidden\r\n\r\n") as server:
        with pytest.raises(ConnectError) as caught:
            get(HttpPool("https://store.invalid", proxy=server.url))
        assert "Tunnel connection failed" in str(caught.value.__cause__)
        assert server.requests[0].startswith(b"CONNECT store.invalid:443 HTTP/1.")


def test_no_connection_is_told_from_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError):
        get(HttpPool(f"http://127.0.0.1:{port}"))


def test_the_port_is_in_the_host_only_where_it_is_not_the_usual_one() -> None:
    hosts = {
        "https://a.example": "a.example", "https://a.example:443/": "a.example",
        "http://a.example:443": "a.example:443", "http://a.example:80": "a.example",
    }  # fmt: skip
    assert {url: HttpPool(url).host for url in hosts} == hosts
    assert HttpPool("https://a.example/x/").base_path == "/x"
