"""Peers that no try will come to terms with over TLS are told at once, by every way to ask."""

import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from core.errors import StoreError
from core.stores import tls
from core.stores.azure import AzureStore
from core.stores.pacing import Pacer
from core.stores.s3 import S3Store
from core.stores.s3_bucket import S3Bucket
from core.stores.settings import StoreSettings
from tests.emulators.certificate import make_certificate

TEXTS = {
    "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)": tls.PLAIN,
    "Custom { kind: InvalidData, error: InvalidMessage(InvalidContentType) }": tls.PLAIN,
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: mismatch": tls.UNTRUSTED,
    "hostname '127.0.0.2' doesn't match either of '127.0.0.1', 'localhost'": tls.UNTRUSTED,
    "error: InvalidCertificate(UnknownIssuer)": tls.UNTRUSTED,
    "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version": tls.REFUSED,
    "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:1006)": tls.REFUSED,
    "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure": tls.REFUSED,
    "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required": tls.REFUSED,
    "error: AlertReceived(\n        CertificateRequired,\n    )": tls.REFUSED,
    "PeerIncompatible(ServerDoesNotSupportTls12Or13)": tls.REFUSED,
    "EOF occurred in violation of protocol (_ssl.c:2427)": "",
    "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] bad record mac": "",
    "error: AlertReceived(\n        InternalError,\n    )": "",
    "Connection refused": "",
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_so_for_good_is_told_from_a_bad_line(text: str) -> None:
    assert tls.find_failure(text) == TEXTS[text]


@pytest.mark.parametrize("failure", sorted(tls.FAILURES))
def test_every_failure_says_where_and_what_to_do(failure: str) -> None:
    error = tls.judge(failure, "cannot read s3://b/a", "https://store")
    assert "https://store" in error.message
    assert error.hint


def of_clients(context: ssl.SSLContext, certificate: Path) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate)
    # By 1.3 a client hears of it after it has sent its request, if at all.
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def of_old(context: ssl.SSLContext, _: Path) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def of_another(context: ssl.SSLContext, certificate: Path) -> None:
    del context, certificate


PEERS = {
    "certificates of clients": (of_clients, "127.0.0.1", "refuses TLS"),
    "old versions": (of_old, "127.0.0.1", "refuses TLS"),
    "another name": (of_another, "127.0.0.2", "is not trusted"),
}


@contextmanager
def answering(context: ssl.SSLContext) -> Iterator[int]:
    """Run a server that makes handshakes and nothing else; give its port."""
    listener = socket.create_server(("0.0.0.0", 0))

    def run() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(5)
                with (
                    connection,
                    suppress(OSError),
                    context.wrap_socket(connection, server_side=True) as secured,
                ):
                    secured.recv(65536)

    thread = Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def no_key() -> str:
    return "A" * 86 + "=="


def ways(endpoint: str, bundle: Path) -> Iterator[tuple[Pacer, Callable[[], object]]]:
    """Yield a request by each library, and what runs it."""
    settings = StoreSettings(endpoint=endpoint, region="r", ca_bundle=str(bundle))
    store, bucket = S3Store("s3://vault", settings), S3Bucket("s3://vault", settings)
    azure = AzureStore(
        "az://vault",
        StoreSettings(endpoint=f"{endpoint}/account", ca_bundle=str(bundle), account_key=no_key),
    )
    yield store.pacer, lambda: store.head("a")
    yield store.pacer, lambda: store.get("a")
    yield bucket._pacer, bucket.list_page
    yield azure.pacer, lambda: azure.head("a")
    yield azure.pacer, lambda: azure.get("a")


@pytest.mark.parametrize("kind", PEERS)
def test_a_peer_that_stays_so_is_told_at_once(
    s3_credentials: None, tmp_path: Path, kind: str
) -> None:
    prepare, host, expected = PEERS[kind]
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    prepare(context, certificate)
    with answering(context) as port:
        for pacer, ask in ways(f"https://{host}:{port}", certificate):
            with pytest.raises(StoreError, match=expected) as caught:
                ask()
            assert caught.value.hint
            assert pacer.retry_count == 0
