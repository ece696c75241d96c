"""The fault proxy passes all on as it came, and each fault is one that a plain client meets."""

import http.client
import random
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.emulators import faults
from tests.emulators.fault_proxy import BROKEN, FORWARDED, FaultProxy
from tests.emulators.faults import Delay, Rule, refusal
from tests.emulators.operations import Kind

MIB = 1 << 20
LARGE = random.Random(1).randbytes(32 * MIB)


class Origin(ThreadingHTTPServer):
    """Keeps what is put, gives it back, and remembers each request line and Host."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), OriginHandler)
        self.objects: dict[str, bytes] = {}
        self.seen: list[tuple[str, str | None]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Clients that leave in the middle are what this is about."""


class OriginHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Origin

    def do_GET(self) -> None:
        self._note()
        data = self.server.objects.get(self.path.partition("?")[0], b"")
        self.send_response(200)
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(data), 70_000):
                part = data[start : start + 70_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
            return
        if "until-closed" in self.path:
            self.send_header("Connection", "close")
            self.end_headers()
        else:
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self) -> None:
        self._note()
        self.server.objects[self.path] = self._body()
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT  # noqa: N815

    def do_DELETE(self) -> None:
        self._note()
        self.send_response(204)
        self.end_headers()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _note(self) -> None:
        self.server.seen.append((f"{self.command} {self.path}", self.headers["Host"]))

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(origin: Origin) -> Iterator[FaultProxy]:
    with FaultProxy(origin.endpoint, "s3") as proxy:
        yield proxy


def connect(proxy: FaultProxy) -> http.client.HTTPConnection:
    address = urlsplit(proxy.endpoint)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)


def ask(
    proxy: FaultProxy, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """Make one request on a connection of its own."""
    connection = connect(proxy)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


# --- Passing on --------------------------------------------------------------------------------


def test_line_and_host_arrive_as_they_were_sent(origin: Origin, proxy: FaultProxy) -> None:
    connection = connect(proxy)
    connection.request("GET", "/b/a%20%2Fb//c?x=%2B&y", headers={"Host": "signed.example"})
    assert connection.getresponse().status == 200
    connection.close()
    assert origin.seen == [("GET /b/a%20%2Fb//c?x=%2B&y", "signed.example")]


@pytest.mark.parametrize("size", [0, 1, 65_536, len(LARGE)])
def test_bodies_of_every_size_arrive_whole(origin: Origin, proxy: FaultProxy, size: int) -> None:
    status, _, _ = ask(proxy, "PUT", "/b/a", LARGE[:size])
    assert status == 201
    assert origin.objects["/b/a"] == LARGE[:size]
    assert ask(proxy, "GET", "/b/a")[1] == LARGE[:size]


@pytest.mark.parametrize("size", [0, 1, 3 * MIB])
def test_chunked_bodies_arrive_whole(origin: Origin, proxy: FaultProxy, size: int) -> None:
    connection = connect(proxy)
    parts = iter([LARGE[:size], b"end"])
    connection.request("PUT", "/b/chunked", parts, encode_chunked=True)
    assert connection.getresponse().read() == b""
    assert origin.objects["/b/chunked"] == LARGE[:size] + b"end"
    for _ in range(2):
        connection.request("GET", "/b/chunked")
        assert connection.getresponse().read() == LARGE[:size] + b"end"
    connection.close()


def test_a_connection_is_used_again_after_every_kind_of_answer(
    origin: Origin, proxy: FaultProxy
) -> None:
    origin.objects["/b/a"] = b"content"
    connection = connect(proxy)
    for method, length in [("HEAD", 0), ("GET", 7), ("DELETE", 0), ("HEAD", 0), ("GET", 7)]:
        connection.request(method, "/b/a")
        response = connection.getresponse()
        assert len(response.read()) == length
        if method != "DELETE":
            assert response.headers["Content-Length"] == "7"
    connection.close()
    assert len(proxy.calls) == 5


def test_a_body_that_ends_with_its_connection_arrives_whole(
    origin: Origin, proxy: FaultProxy
) -> None:
    origin.objects["/b/until-closed"] = LARGE[: 2 * MIB]
    assert ask(proxy, "GET", "/b/until-closed")[1] == LARGE[: 2 * MIB]


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(
    origin: Origin, proxy: FaultProxy
) -> None:
    with raw_put(proxy) as client:
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"12345")
        assert client.recv(1000).startswith(b"HTTP/1.1 201 ")
    assert origin.objects["/b/a"] == b"12345"


def test_a_client_that_waits_is_refused_without_its_body(proxy: FaultProxy) -> None:
    proxy.add(Rule(fault=refusal("s3", "SlowDown")))
    with raw_put(proxy) as client:
        answer = b""
        while data := client.recv(1000):
            answer += data
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"</Error>")


def raw_put(proxy: FaultProxy) -> socket.socket:
    """Begin a PUT as a client that waits for ``100 Continue``."""
    address = urlsplit(proxy.endpoint)
    client = socket.create_connection((address.hostname or "", address.port or 0), timeout=30)
    head = "PUT /b/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    client.sendall(head.encode())
    return client


def test_sixteen_connections_are_served_at_once(origin: Origin, proxy: FaultProxy) -> None:
    origin.objects["/b/a"] = LARGE[:MIB]
    wrong: list[int] = []

    def read(number: int) -> None:
        connection = connect(proxy)
        for _ in range(10):
            connection.request("GET", "/b/a")
            if connection.getresponse().read() != LARGE[:MIB]:
                wrong.append(number)
        connection.close()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert proxy.counts["GET", "GetObject", FORWARDED] == 160


# --- Faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "status"),
    [
        ("s3", "InternalError", 500),
        ("s3", "SlowDown", 503),
        ("s3", "TooManyRequests", 429),
        ("s3", "ExpiredToken", 400),
        ("s3", "AccessDenied", 403),
        ("s3", "InvalidObjectState", 403),
        ("azure", "ServerBusy", 503),
        ("azure", "TooManyRequests", 429),
        ("azure", "InvalidAuthenticationInfo", 401),
        ("azure", "AuthenticationFailed", 403),
        ("azure", "BlobArchived", 409),
    ],
)
def test_a_refusal_is_the_vendors_and_the_request_is_not_done(
    origin: Origin, kind: Kind, name: str, status: int
) -> None:
    with FaultProxy(origin.endpoint, kind, [Rule(fault=refusal(kind, name), count=1)]) as proxy:
        connection = connect(proxy)
        connection.request("PUT", "/a/b/c", LARGE[:MIB])
        response = connection.getresponse()
        assert response.status == status
        assert f"<Code>{name}</Code>".encode() in response.read()
        if kind == "azure":
            assert response.headers["x-ms-error-code"] == name
        assert origin.seen == []
        # The connection is as good as before.
        connection.request("PUT", "/a/b/c", b"")
        assert connection.getresponse().status == 201
        connection.close()
    assert proxy.outcomes == {name: 1, FORWARDED: 1}


def test_a_refused_head_has_no_body(proxy: FaultProxy) -> None:
    proxy.add(Rule(fault=refusal("s3", "InternalError")))
    status, body, _ = ask(proxy, "HEAD", "/b/a")
    assert (status, body) == (500, b"")


def test_reset_before_means_that_nothing_was_done(origin: Origin, proxy: FaultProxy) -> None:
    proxy.add(Rule(fault=faults.RESET_BEFORE, count=1))
    with pytest.raises(ConnectionError):
        ask(proxy, "PUT", "/b/a", b"content")
    assert origin.seen == []
    assert proxy.counts["PUT", "PutObject", "reset before"] == 1


def test_reset_after_means_that_it_was_done(origin: Origin, proxy: FaultProxy) -> None:
    proxy.add(Rule(fault=faults.RESET_AFTER, count=1))
    with pytest.raises(ConnectionError):
        ask(proxy, "PUT", "/b/a", b"content")
    assert origin.objects == {"/b/a": b"content"}
    assert proxy.counts["PUT", "PutObject", "reset after"] == 1


@pytest.mark.parametrize("path", ["/b/a", "/b/chunked"])
def test_a_cut_body_ends_too_early(origin: Origin, proxy: FaultProxy, path: str) -> None:
    origin.objects[path] = LARGE[:MIB]
    proxy.add(Rule(fault=faults.CUT_BODY, count=1))
    with pytest.raises(http.client.IncompleteRead):
        ask(proxy, "GET", path)
    assert ask(proxy, "GET", path)[1] == LARGE[:MIB]


def test_what_has_no_body_is_not_cut_and_the_fault_waits(origin: Origin, proxy: FaultProxy) -> None:
    origin.objects["/b/a"] = b"content"
    proxy.add(Rule(fault=faults.CUT_BODY, count=1))
    assert ask(proxy, "HEAD", "/b/a")[0] == 200
    with pytest.raises(http.client.IncompleteRead):
        ask(proxy, "GET", "/b/a")
    assert proxy.outcomes == {FORWARDED: 1, "cut body": 1}


def test_a_delay_comes_on_top_of_what_happens(origin: Origin, proxy: FaultProxy) -> None:
    proxy.add(Rule(fault=Delay(seconds=0.2), count=1), Rule(fault=refusal("s3", "SlowDown")))
    began = time.monotonic()
    assert ask(proxy, "GET", "/b/a")[0] == 503
    assert time.monotonic() - began >= 0.2
    assert proxy.outcomes == {"delay": 1, "SlowDown": 1}
    assert origin.seen == []


def test_a_late_listing_shows_what_was_there_before(origin: Origin, proxy: FaultProxy) -> None:
    origin.objects["/b/"] = b"before"
    proxy.add(Rule(fault=faults.LATE_LISTING, count=1))
    assert ask(proxy, "GET", "/b/?list-type=2&prefix=p")[1] == b"before"
    origin.objects["/b/"] = b"after"
    assert ask(proxy, "GET", "/b/?prefix=p&list-type=2")[1] == b"before"
    assert ask(proxy, "GET", "/b/?list-type=2&prefix=p")[1] == b"after"
    assert proxy.outcomes == {FORWARDED: 2, "late listing": 1}


def test_an_emulator_that_breaks_off_is_counted_apart(origin: Origin, proxy: FaultProxy) -> None:
    origin.RequestHandlerClass = Leaving
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(proxy, "GET", "/b/a")
    assert proxy.outcomes == {BROKEN: 1}


class Leaving(OriginHandler):
    """Reads a request and goes."""

    def do_GET(self) -> None:
        self.close_connection = True


# --- Rules -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        Rule(fault=faults.RESET_BEFORE, methods=frozenset({"PUT"})),
        Rule(fault=faults.RESET_BEFORE, operations=frozenset({"UploadPart"})),
        Rule(fault=faults.RESET_BEFORE, path="/packs/"),
        Rule(fault=faults.RESET_BEFORE, query=frozenset({"uploadId", "partNumber"})),
    ],
)
def test_a_rule_strikes_only_what_it_fits(proxy: FaultProxy, rule: Rule) -> None:
    proxy.add(rule)
    assert ask(proxy, "GET", "/b/index/1?uploadId=1")[0] == 200
    with pytest.raises(ConnectionError):
        ask(proxy, "PUT", "/b/packs/1?uploadId=1&partNumber=2", b"")
    proxy.clear()
    assert ask(proxy, "PUT", "/b/packs/1?uploadId=1&partNumber=2", b"")[0] == 201


def test_a_fault_that_strikes_once_strikes_every_object_once(proxy: FaultProxy) -> None:
    proxy.add(Rule(fault=refusal("s3", "ExpiredToken"), is_once=True))
    statuses = [ask(proxy, "GET", path)[0] for path in ("/b/a", "/b/a", "/b/c", "/b/a", "/b/c")]
    assert statuses == [400, 200, 400, 200, 200]


def test_a_probable_fault_strikes_its_share_and_the_same_ones_again(origin: Origin) -> None:
    def strikes(seed: int) -> list[str]:
        rule = Rule(fault=refusal("s3", "SlowDown"), probability=0.2)
        with FaultProxy(origin.endpoint, "s3", [rule], seed=seed) as proxy:
            connection = connect(proxy)
            for _ in range(300):
                connection.request("GET", "/b/a")
                connection.getresponse().read()
            connection.close()
        return [call.outcome for call in proxy.calls]

    first = strikes(1)
    assert 30 < first.count("SlowDown") < 90
    assert strikes(1) == first
    assert strikes(2) != first


def test_calls_say_what_was_asked_and_keep_no_credentials(proxy: FaultProxy) -> None:
    connection = connect(proxy)
    headers = {"Authorization": "secret", "X-Amz-Security-Token": "secret", "If-None-Match": "*"}
    connection.request("PUT", "/b/p?partNumber=1&uploadId=u", b"", headers)
    connection.getresponse().read()
    connection.close()
    call = proxy.calls[0]
    assert (call.operation, call.method, call.path) == ("UploadPart", "PUT", "/b/p")
    assert (call.query, call.outcome) == ({"partNumber": "1", "uploadId": "u"}, FORWARDED)
    assert call.headers["if-none-match"] == "*"
    assert "secret" not in repr(call)
    assert proxy.operations == {"UploadPart": 1}
    connection = connect(proxy)
    connection.request("GET", "/b/p", headers={"Authorization": "Bearer secret"})
    connection.getresponse().read()
    connection.close()
    assert proxy.calls[1].credentials == "Bearer"
    assert "secret" not in repr(proxy.calls[1])


def test_it_ends_while_clients_are_still_connected(origin: Origin) -> None:
    with FaultProxy(origin.endpoint, "s3") as proxy:
        connection = connect(proxy)
        connection.request("GET", "/b/a")
        connection.getresponse().read()
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        ask(proxy, "GET", "/b/a")
