"""A stand-in for Azure Key Vault, of which no emulator can be had: its REST API over real TLS.

Clients ask for the real host names and find it as an HTTP proxy, by the variables that lead every
program through one: so Azure's own libraries check certificate and challenge as they do in Azure.
What the real service is known to do that surprises is done here too: a disabled key still wraps
and refuses only to unwrap; an expired one is the other way round.
"""

import base64
import http.client
import json
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP

from tests.emulators.certificate import make_certificate
from tests.emulators.identity import IdentityEndpoint

AUDIENCE = "https://vault.azure.net"
_TENANT = "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001"
_CHALLENGE = f'Bearer authorization="{_TENANT}", resource="{AUDIENCE}"'
_PADDING = OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), label=None)
_RSA_OPERATIONS = ("wrapKey", "unwrapKey")


@dataclass(kw_only=True)
class RefusedError(Exception):
    """What the vault answers instead; ``inner`` is the code that says more."""

    status: int
    code: str
    inner: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as the service writes it."""
        error: dict[str, Any] = {"code": self.code, "message": "as a test has it"}
        if self.inner:
            error["innererror"] = {"code": self.inner}
        return {"error": error}


THROTTLED = RefusedError(status=429, code="Throttled")
FAILED = RefusedError(status=500, code="InternalServerError")
FIREWALL = RefusedError(status=403, code="Forbidden", inner="ForbiddenByFirewall")


@dataclass(kw_only=True)
class _Version:
    """One version of a key, ``private``, or of a secret, ``value``."""

    id: str
    private: rsa.RSAPrivateKey | None = None
    value: str = ""
    operations: tuple[str, ...] = _RSA_OPERATIONS
    attributes: dict[str, Any] = field(default_factory=lambda: {"enabled": True})


class KeyVault:
    """One vault, there while it is entered, with an identity whose tokens it takes.

    ``operations`` counts what came with a token; ``denied`` are permissions that nobody has.
    ``tamper`` makes of an answer what is said instead.
    """

    def __init__(self, folder: Path) -> None:
        """Answer nobody yet; the certificate goes into the folder."""
        self.name = f"coldhaul-{secrets.token_hex(4)}"
        self.host = f"{self.name}.vault.azure.net"
        self.operations: Counter[str] = Counter()
        self.denied: set[str] = set()
        self.hosts = {self.host}
        self.challenge = _CHALLENGE
        self.tamper: Callable[[dict[str, Any]], object] = lambda answer: answer
        self.certificate, key = make_certificate(folder, "*.vault.azure.net")
        self._objects: dict[str, list[_Version]] = {}
        self._faults: list[tuple[str, RefusedError | None]] = []
        self._lock = threading.Lock()
        self._identity = IdentityEndpoint()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        handler = type("_BoundHandler", (_Handler,), {"vault": self, "context": context})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._identity.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._identity.__exit__()

    @property
    def proxy(self) -> str:
        """The HTTP proxy by which it is reached."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a process, and its children, to the vault and its identity."""
        proxies = {"https_proxy": self.proxy, "no_proxy": "127.0.0.1,localhost"}
        upper = {name.upper(): value for name, value in proxies.items()}
        bundle = {"REQUESTS_CA_BUNDLE": str(self.certificate)}
        return {**proxies, **upper, **bundle, **self._identity.environment}

    def new_key(self, **attributes: object) -> str:
        """Create an RSA key and return its identifier, without a version."""
        return self._new_object("keys", _new_key(attributes))

    def put_key(self, url: str, private: rsa.RSAPrivateKey) -> None:
        """Have a key with just this version, in whichever vault its identifier says."""
        parts = urlsplit(url)
        self.hosts.add(parts.netloc)
        self._objects[_place(url)] = [_Version(id=parts.path.split("/")[3], private=private)]

    def new_curve_key(self) -> str:
        """Create a key that is of an elliptic curve, which can only sign."""
        return self._new_object("keys", _Version(id=_new_id(), operations=("sign", "verify")))

    def new_secret(self, value: str) -> str:
        """Create a secret and return its identifier, without a version."""
        return self._new_object("secrets", _Version(id=_new_id(), value=value))

    def rotate(self, url: str, value: str = "") -> str:
        """Make a new version of a key or secret the newest, and return its identifier."""
        is_key = "/keys/" in url
        version = _new_key({}) if is_key else _Version(id=_new_id(), value=value)
        self._versions(url).append(version)
        return f"{url}/{version.id}"

    def newest(self, url: str) -> str:
        """Return the identifier of the newest version."""
        return f"{url}/{self._versions(url)[-1].id}"

    def enable(self, url: str, *, is_enabled: bool) -> None:
        """Enable or disable all versions."""
        for version in self._versions(url):
            version.attributes["enabled"] = is_enabled

    def disable_version(self, url: str) -> None:
        """Disable the version that an identifier names."""
        self._find(url).attributes["enabled"] = False

    def limit(self, url: str, *operations: str) -> None:
        """Let all versions of a key be for these operations only."""
        for version in self._versions(url):
            version.operations = operations

    def delete(self, url: str) -> None:
        """Delete a key or secret with all its versions."""
        del self._objects[_place(url)]

    def fail(self, operation: str, *faults: RefusedError | None) -> None:
        """Answer the next requests of this operation so; None breaks the connection instead."""
        self._faults += [(operation, fault) for fault in faults]

    def _new_object(self, kind: str, version: _Version) -> str:
        url = f"https://{self.host}/{kind}/Test-{secrets.token_hex(4)}"
        self._objects[_place(url)] = [version]
        return url

    def _versions(self, url: str) -> list[_Version]:
        return self._objects[_place(url)]

    def answer(self, operation: str, url: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the service answers, None for nothing at all, or raise a ``RefusedError``."""
        with self._lock:
            self.operations[operation] += 1
            fault = next((each for each in self._faults if each[0] == operation), None)
            if fault is not None:
                self._faults.remove(fault)
                if fault[1] is None:
                    return None
                raise fault[1]
        if operation in self.denied:
            raise RefusedError(status=403, code="Forbidden", inner="ForbiddenByRbac")
        version = self._find(url)
        shown = f"{'/'.join(url.split('/')[:5])}/{version.id}"
        if operation == "secrets/get":
            return _show_secret(shown, version)
        if operation == "keys/get":
            return {"key": _show_key(shown, version), "attributes": version.attributes}
        return _use_key(shown, version, operation.removeprefix("keys/"), body)

    def _find(self, url: str) -> _Version:
        """Return the version that is named, the newest one if none is."""
        wanted = "".join(url.split("/")[5:6])
        found = self._objects.get(_place(url), [])
        fitting = [each for each in found if not wanted or each.id == wanted]
        if not fitting:
            what = "Key" if "/keys/" in url else "Secret"
            raise RefusedError(status=404, code=f"{what}NotFound")
        return fitting[-1]


def _new_id() -> str:
    return secrets.token_hex(16)


def _new_key(attributes: dict[str, Any]) -> _Version:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _Version(id=_new_id(), private=private, attributes={"enabled": True, **attributes})


def _place(url: str) -> str:
    """Return an identifier without its version: names have no case."""
    return "/".join(url.split("/")[:5]).lower()


def _show_secret(url: str, version: _Version) -> dict[str, Any]:
    if not version.attributes["enabled"]:
        raise RefusedError(status=403, code="Forbidden", inner="SecretDisabled")
    return {"id": url, "value": version.value, "attributes": version.attributes}


def _show_key(url: str, version: _Version) -> dict[str, Any]:
    shown: dict[str, Any] = {"kid": url, "key_ops": list(version.operations)}
    if version.private is None:
        point = {name: _encode(secrets.token_bytes(32)) for name in ("x", "y")}
        return {**shown, "kty": "EC", "crv": "P-256", **point}
    numbers = version.private.public_key().public_numbers()
    return {**shown, "kty": "RSA", "n": _encode_number(numbers.n), "e": _encode_number(numbers.e)}


def _use_key(url: str, version: _Version, doing: str, body: dict[str, Any]) -> dict[str, Any]:
    value, private = _decode(body["value"]), version.private
    if private is None or body["alg"] != "RSA-OAEP-256":
        raise RefusedError(status=400, code="BadParameter")
    if doing not in version.operations:
        raise RefusedError(status=403, code="Forbidden", inner="KeyOperationForbidden")
    if doing == "wrapKey":
        now, dates = time.time(), version.attributes
        if not dates.get("nbf", 0) <= now < dates.get("exp", now + 1):
            raise RefusedError(status=403, code="Forbidden", inner="KeyNotUsableNow")
        return {"kid": url, "value": _encode(private.public_key().encrypt(value, _PADDING))}
    if not version.attributes["enabled"]:
        raise RefusedError(status=403, code="Forbidden", inner="KeyDisabled")
    try:
        return {"kid": url, "value": _encode(private.decrypt(value, _PADDING))}
    except ValueError:
        raise RefusedError(status=400, code="BadParameter") from None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _encode_number(number: int) -> str:
    return _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Handler(BaseHTTPRequestHandler):
    """A proxy for whoever connects; for whoever tunnels to the vault, the vault itself."""

    protocol_version = "HTTP/1.1"
    vault: KeyVault
    context: ssl.SSLContext
    tunnel = ""

    def do_CONNECT(self) -> None:
        """Let the client speak TLS with the vault; of other hosts a proxy finds no address."""
        host = self.path.removesuffix(":443")
        if host not in self.vault.hosts:
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.wfile.flush()
        try:
            self.connection = self.context.wrap_socket(self.connection, server_side=True)
        except OSError:
            # Whoever does not trust the certificate goes away.
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.tunnel, self.close_connection = host, False

    def do_GET(self) -> None:
        """Show a key or a secret, or get what a client asks a proxy for."""
        if not self.tunnel:
            self._forward()
            return
        self._answer(f"{self.path.split('/')[1]}/get", {})

    def do_POST(self) -> None:
        """Use a key."""
        size = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(size) or b"{}")
        doing = urlsplit(self.path).path.split("/")[-1]
        names = {"wrapkey": "keys/wrapKey", "unwrapkey": "keys/unwrapKey"}
        self._answer(names.get(doing.lower(), doing), body)

    def finish(self) -> None:
        """Close the tunnel as well: the server knows only what it lies in."""
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _answer(self, operation: str, body: dict[str, Any]) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removesuffix("/wrapkey").removesuffix("/unwrapkey")
        if not _is_token(self.headers.get("Authorization", "")):
            refusal = RefusedError(status=401, code="Unauthorized")
            self._send(401, refusal.document(), {"WWW-Authenticate": self.vault.challenge})
            return
        if "api-version" not in parse_qs(parts.query):
            self._send(400, RefusedError(status=400, code="BadParameter").document())
            return
        try:
            answer = self.vault.answer(operation, f"https://{self.tunnel}{path}", body)
        except RefusedError as refusal:
            self._send(refusal.status, refusal.document())
            return
        if answer is None:
            self.close_connection = True
            return
        self._send(200, self.vault.tamper(answer))

    def _send(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _forward(self) -> None:
        parts = urlsplit(self.path)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        kept = {"X-IDENTITY-HEADER": self.headers.get("X-IDENTITY-HEADER", "")}
        connection.request("GET", f"{parts.path}?{parts.query}", headers=kept)
        answer = connection.getresponse()
        self._send(answer.status, json.loads(answer.read()))
        connection.close()


def _is_token(header: str) -> bool:
    """Say whether it is a token for vaults that has not run out; who made it is not checked."""
    kind, _, token = header.partition(" ")
    parts = token.split(".")
    if kind != "Bearer" or len(parts) != 3:
        return False
    claims = json.loads(_decode(parts[1]))
    return bool(claims["aud"] == AUDIENCE and claims["exp"] > time.time())
