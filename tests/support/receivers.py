"""Real servers that notices are sent to, each at a free port: of HTTP and of mail."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class WebReceiver:
    """Keeps what is posted to it; answers with the statuses given, the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        """Listen."""
        self.received: list[dict[str, Any]] = []
        waiting = list(statuses)
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received.append(json.loads(self.rfile.read(length)))
                self.send_response(waiting.pop(0) if len(waiting) > 1 else waiting[0])
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Requests are no news."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hunter2"


@contextmanager
def web_receiver(*statuses: int) -> Iterator[WebReceiver]:
    """Lend a web server."""
    receiver = WebReceiver(*statuses)
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


class _Keeper(MessageHandler):
    """Keeps messages; refuses the first ones with the answers given."""

    def __init__(self, refusals: list[str]) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.attempts = 0
        self._refusals = refusals

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.attempts += 1
        if self._refusals:
            return self._refusals.pop(0)
        return str(await super().handle_DATA(server, session, envelope))

    def handle_message(self, message: Message) -> None:
        self.messages.append(message)


class MailReceiver:
    """A mail server: what it got, and who logged in."""

    def __init__(self, port: int, keeper: _Keeper, logins: list[Any]) -> None:
        """Take what ``mail_receiver`` started."""
        self.port = port
        self.messages = keeper.messages
        self.logins = logins
        self._keeper = keeper

    @property
    def attempts(self) -> int:
        """How often a message was offered."""
        return self._keeper.attempts


@contextmanager
def mail_receiver(
    *refusals: str,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    password: bytes | None = None,
) -> Iterator[MailReceiver]:
    """Lend a mail server, encrypted as told."""
    logins: list[Any] = []

    def check(_server: object, _session: object, _envelope: object, _kind: str, data: Any) -> Any:  # noqa: ANN401
        assert isinstance(data, LoginPassword)
        logins.append((data.login, data.password))
        return AuthResult(success=data.password == password, handled=False)

    keeper = _Keeper(list(refusals))
    terms: dict[str, Any] = {"tls_context": starttls, "require_starttls": starttls is not None}
    if password is not None:
        terms |= {
            "auth_exclude_mechanism": ["LOGIN"],
            "authenticator": check,
            "auth_required": True,
            "auth_require_tls": tls is None,
        }
    controller = _AnyPort(keeper, hostname="127.0.0.1", port=0, ssl_context=tls, **terms)
    controller.start()
    try:
        yield MailReceiver(controller.port, keeper, logins)
    finally:
        controller.stop()


class _AnyPort(Controller):
    """A controller that lets the system choose its port."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate of 127.0.0.1; return a server's context, and what a client trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, secret = folder / "certificate.pem", folder / "key.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted
