"""How Azure is reached: through a proxy, by many threads, and what a strange peer means."""

import http.client
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from core.errors import StoreError
from core.stores.address import parse_address
from core.stores.azure import AzureStore
from core.stores.azure_bucket import AzureBucket
from core.stores.azure_client import AzureClient, Connection
from core.stores.settings import StoreSettings
from tests.emulators.services import AzureService, KeyReference


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer whole."""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        known = {name.lower(): value for name, value in headers}
        is_head = self.command == "HEAD"
        length = known.get("content-length", "0") if is_head else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server; yield where it is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def forwarding(host: str, seen: Counter[str]) -> Iterator[str]:
    """Run an HTTP proxy that takes every name for ``host`` and counts what it was asked."""

    class Proxy(_Quiet):
        def forward(self) -> None:
            parts = urlsplit(self.path)
            seen[f"{self.command} {parts.hostname}"] += 1
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            upstream = http.client.HTTPConnection(host)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            upstream.request(self.command, path, body, dict(self.headers))
            answer = upstream.getresponse()
            self.answer(answer.status, answer.getheaders(), answer.read())
            upstream.close()

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Proxy, f"do_{method}", Proxy.forward)
    with serving(Proxy) as endpoint:
        yield endpoint


def test_both_libraries_go_through_the_http_proxy(azurite: AzureService) -> None:
    """The endpoint's name is one that only the proxy can find."""
    parts = urlsplit(azurite.endpoint)
    seen: Counter[str] = Counter()
    with forwarding(parts.netloc, seen) as proxy:
        settings = replace(
            azurite.settings,
            endpoint=azurite.endpoint.replace(parts.netloc, "blobs.invalid"),
            http_proxy=proxy,
        )
        store = AzureStore(azurite.new_url(), settings)
        store.put("a", b"content")
        assert store.get("a") == b"content"
        assert [head.name for head in store.list()] == ["a"]
    assert seen == {"PUT blobs.invalid": 1, "GET blobs.invalid": 2}


def test_threads_keep_their_connections(azurite: AzureService) -> None:
    peers: set[tuple[str, int]] = set()
    host = urlsplit(azurite.endpoint).netloc

    class Front(_Quiet):
        def do_HEAD(self) -> None:
            peers.add(self.client_address)
            time.sleep(0.05)  # So that all threads ask at once.
            upstream = http.client.HTTPConnection(host)
            upstream.request(self.command, self.path, headers=dict(self.headers))
            answer = upstream.getresponse()
            self.answer(answer.status, answer.getheaders(), answer.read())
            upstream.close()

    url = azurite.new_url()
    AzureStore(url, azurite.settings).put("a", b"content")
    with serving(Front) as endpoint:
        settings = azurite.behind(endpoint).settings
        store = AzureStore(url, settings)
        with ThreadPoolExecutor(24) as pool:
            # Between two bursts all connections rest.
            for _ in range(4):
                heads = list(pool.map(lambda _: store.head("a"), range(24)))
                assert {head.size for head in heads} == {7}
    assert len(peers) <= 24


def test_all_threads_share_a_connection_and_make_one_new_one(azure_key: KeyReference) -> None:
    settings = StoreSettings(endpoint="https://account.invalid", account_key=azure_key)
    client = AzureClient(parse_address("az://vault"), settings)
    barrier = threading.Barrier(8)

    def use(_: int) -> tuple[Connection, Connection]:
        before = client.connection
        barrier.wait()
        client.refresh()
        return before, client.connection

    with ThreadPoolExecutor(8) as pool:
        pairs = list(pool.map(use, range(8)))
    assert len({id(before) for before, _ in pairs}) == 1
    assert len({id(after) for _, after in pairs}) == 1
    assert pairs[0][0] is not pairs[0][1]


def test_a_thread_that_failed_late_drops_no_newer_connection(azure_key: KeyReference) -> None:
    settings = StoreSettings(endpoint="https://account.invalid", account_key=azure_key)
    client = AzureClient(parse_address("az://vault"), settings)
    old = client.connection
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: client.connection).result() is old
        client.refresh()
        new = client.connection
        pool.submit(client.refresh).result()
    assert client.connection is new is not old


def test_names_reach_no_log(azurite: AzureService, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        store = AzureStore(azurite.new_url(), azurite.settings)
        store.put("private", b"content")
        store.get("private")
        store.head("private")
        list(store.list("private"))
        store.delete(["private"])
    assert "private" not in caplog.text


def listing(*names: str) -> bytes:
    moment = "Wed, 25 Nov 2026 14:10:34 GMT"
    blobs = "".join(
        f"<Blob><Name>{name}</Name><Properties><Last-Modified>{moment}</Last-Modified>"
        f"<Etag>0x1</Etag><Content-Length>5</Content-Length></Properties></Blob>"
        for name in names
    )
    text = f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"
    return text.encode()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, listing("a/b", "a-b"), "names out of their order"),
        (200, b"<html>Welcome to our network</html>", "not a listing"),
        (200, b"", "not a listing"),
        (404, b"nothing", "is not there"),
        (302, b"", "answered 302"),
    ],
)
def test_a_peer_that_is_not_quite_azure_is_told(
    azure_key: KeyReference, status: int, body: bytes, words: str
) -> None:
    class Strange(_Quiet):
        def do_GET(self) -> None:
            self.answer(status, [], body)

    with serving(Strange) as endpoint:
        settings = StoreSettings(endpoint=f"{endpoint}/account", account_key=azure_key)
        with pytest.raises(Exception, match=words) as caught:
            list(AzureStore("az://vault", settings).list())
        assert caught.type.__module__ == "core.errors"
        if status == 200 and b"Blobs" in body:
            # A bucket of other tools may list in any order.
            page = AzureBucket("az://vault", settings).list_page()
            assert [each.key for each in page.objects] == ["a/b", "a-b"]
        else:
            with pytest.raises((StoreError, caught.type)):
                AzureBucket("az://vault", settings).list_page()
