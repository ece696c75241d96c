"""One connection for all threads, until its credentials expire."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import ClassVar

import pytest

from core.errors import InputError, StoreError
from core.stores.address import parse_address
from core.stores.pacing import Pacer, TransientError
from core.stores.s3_client import Connection, S3Client
from core.stores.s3_request import S3Requests
from core.stores.settings import StoreSettings
from tests.emulators.certificate import make_certificate

THREADS = 8


@pytest.fixture
def client(s3_credentials: None) -> S3Client:
    settings = StoreSettings(endpoint="https://store.invalid", region="r")
    return S3Client(parse_address("s3://vault/a"), settings)


def test_all_threads_share_a_connection_and_make_one_new_one(client: S3Client) -> None:
    barrier = Barrier(THREADS)

    def use(_: int) -> tuple[Connection, Connection]:
        barrier.wait()
        before = client.connection
        barrier.wait()
        client.refresh()
        return before, client.connection

    with ThreadPoolExecutor(THREADS) as pool:
        pairs = list(pool.map(use, range(THREADS)))
    assert len({id(before) for before, _ in pairs}) == 1
    assert len({id(after) for _, after in pairs}) == 1
    assert pairs[0][0] is not pairs[0][1]


def test_nothing_is_asked_before_it_is_needed(client: S3Client) -> None:
    assert client.endpoint == "https://store.invalid"
    client.refresh()
    assert client.connection.region == "r"


@pytest.mark.parametrize(
    ("permission", "resource"),
    [
        ("s3:GetObject", "arn:aws:s3:::vault/a/*"),
        ("s3:ListBucket", "arn:aws:s3:::vault"),
        ("s3:ListBucketMultipartUploads", "arn:aws:s3:::vault"),
        ("s3:AbortMultipartUpload", "arn:aws:s3:::vault/a/*"),
    ],
)
def test_permission_is_on_the_bucket_or_on_what_is_below_the_prefix(
    client: S3Client, permission: str, resource: str
) -> None:
    assert client.request("read", "x", permission).resource == resource


def test_endpoint_that_is_no_url_is_the_configuration_s_fault(s3_credentials: None) -> None:
    broken = S3Client(parse_address("s3://vault"), StoreSettings(endpoint="nowhere", region="r"))
    with pytest.raises(InputError, match="nowhere"):
        _ = broken.connection


@contextmanager
def hanging_up(context: ssl.SSLContext | None) -> Iterator[str]:
    """Run a server that hangs up once it was greeted, or after the handshake of ``context``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    if context is None:
                        connection.recv(65536)
                    else:
                        context.wrap_socket(connection, server_side=True).close()

    thread = Thread(target=run)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@pytest.fixture
def untrusted(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    return context


def ask_both_ways(endpoint: str) -> list[StoreError]:
    """Return what a request by boto3 and one of our own raise."""
    address, settings = parse_address("s3://vault"), StoreSettings(endpoint=endpoint, region="r")
    client = S3Client(address, settings)
    request = client.request("read", "x", "s3:GetObject")
    with pytest.raises(StoreError) as by_boto:
        client.call(request, "get_object", Bucket="vault", Key="x")
    with pytest.raises(StoreError) as by_hand:
        S3Requests(client, address, settings).send("GET", "x", request)
    return [by_boto.value, by_hand.value]


def test_connection_that_breaks_in_the_handshake_may_be_tried_again(s3_credentials: None) -> None:
    with hanging_up(None) as endpoint:
        for error in ask_both_ways(endpoint):
            assert isinstance(error, TransientError)
            assert error.message.endswith("broke")


def test_certificate_that_is_not_trusted_is_told_at_once(
    s3_credentials: None, untrusted: ssl.SSLContext
) -> None:
    with hanging_up(untrusted) as endpoint:
        for error in ask_both_ways(endpoint):
            assert type(error) is StoreError
            assert error.message.endswith("is not trusted")


PROCESSES = {
    "RuntimeError": (
        'echo \'{"Version": 1, "AccessKeyId": "s3cr3t", "SecretAccessKey": "s3cr3t", '
        '"SessionToken": "s3cr3t", "Expiration": "2020-01-01T00:00:00Z"}\''
    ),
    "FileNotFoundError": "/nowhere/s3cr3t",
    "JSONDecodeError": "echo s3cr3t",
}


def configure(monkeypatch: pytest.MonkeyPatch, folder: Path, process: str) -> StoreSettings:
    """Name a credential process in a profile; return settings that use it."""
    config = folder / "config"
    config.write_text(f"[profile tool]\ncredential_process = {process}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    return StoreSettings(endpoint="http://127.0.0.1:9", region="r", profile="tool")


@pytest.mark.parametrize("kind", PROCESSES)
def test_credential_process_that_fails_is_told_without_its_words(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    settings = configure(monkeypatch, tmp_path, PROCESSES[kind])
    client = S3Client(parse_address("s3://vault"), settings)
    with pytest.raises(StoreError, match=rf"no usable credentials \({kind}\)") as caught:
        _ = client.connection
    assert type(caught.value) is StoreError
    assert "s3cr3t" not in f"{caught.value.message}{caught.value.hint}"


def counting(folder: Path, fails: int) -> tuple[str, Path]:
    """Write a tool that fails so often before it gives credentials; return it and its diary."""
    tool, diary = folder / "tool", folder / "diary"
    moment = datetime.now(UTC) + timedelta(hours=1)
    said = PROCESSES["RuntimeError"].replace("2020-01-01T00:00:00Z", f"{moment}")
    tool.write_text(
        f"#!/bin/sh\necho called >> {diary}\n"
        f'[ "$(wc -l < {diary})" -gt {fails} ] || {{ echo s3cr3t >&2; exit 1; }}\n{said}\n'
    )
    tool.chmod(0o700)
    return str(tool), diary


@pytest.mark.parametrize("fails", [1, 9])
def test_a_tool_that_fails_for_a_moment_is_asked_once_more(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: int
) -> None:
    tool, diary = counting(tmp_path, fails)
    client = S3Client(parse_address("s3://vault"), configure(monkeypatch, tmp_path, tool))
    pacer = Pacer(refresh=client.refresh)
    if fails == 1:
        assert pacer.run(lambda: client.connection).region == "r"
    else:
        with pytest.raises(StoreError, match=r"\(CredentialRetrievalError\)") as caught:
            pacer.run(lambda: client.connection)
        assert type(caught.value) is StoreError
        assert caught.value.hint
        assert "s3cr3t" not in f"{caught.value.message}{caught.value.hint}"
    assert diary.read_text().count("called") == 2


def test_credential_process_that_fails_later_is_told_as_well(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    moment = datetime.now(UTC) + timedelta(hours=1)
    said.write_text(PROCESSES["RuntimeError"][6:-1].replace("2020-01-01T00:00:00Z", f"{moment}"))
    settings = configure(monkeypatch, tmp_path, f"cat {said}")
    address = parse_address("s3://vault")
    client = S3Client(address, settings)
    credentials = client.connection.credentials
    said.write_text(PROCESSES["RuntimeError"][6:-1])
    monkeypatch.setattr(credentials, "_expiry_time", datetime.now(UTC))
    request = client.request("read", "x", "s3:GetObject")
    for ask in (
        lambda: client.call(request, "get_object", Bucket="vault", Key="x"),
        lambda: client.head_object(request, "x"),
        lambda: client.read_range(request, "x", 0, 1),
        lambda: S3Requests(client, address, settings).send("GET", "x", request),
    ):
        with pytest.raises(StoreError, match=r"no usable credentials \(RuntimeError\)"):
            ask()


class Busy(BaseHTTPRequestHandler):
    """Answers with the next of ``statuses``, and says the region only with a 403."""

    statuses: ClassVar[list[int]] = []

    def do_HEAD(self) -> None:
        status = self.statuses.pop(0)
        self.send_response_only(status)
        if status == 403:
            self.send_header("x-amz-bucket-region", "eu-north-1")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_region_that_a_busy_store_does_not_say_is_asked_again(
    s3_credentials: None, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    Busy.statuses = [status, 403]
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        client = S3Client(parse_address("s3://vault"), StoreSettings())
        try:
            with pytest.raises(TransientError):
                _ = client.connection
            assert client.connection.region == "eu-north-1"
        finally:
            server.shutdown()
            thread.join()
