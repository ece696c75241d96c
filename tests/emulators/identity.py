"""A managed identity's token endpoint, as an App Service has it, with tokens made here.

Azurite reads a token's claims and does not check who signed it.
"""

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

import pytest

_HEADER_VALUE = "only-our-own-process-knows-this"
_LIFETIME_SECONDS = 24 * 3600


def make_token(audience: str, *, lifetime_seconds: int = _LIFETIME_SECONDS) -> str:
    """Return a JSON web token with the claims that Azurite looks at."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + lifetime_seconds,
        "oid": "00000000-0000-0000-0000-000000000002",
        "tid": "00000000-0000-0000-0000-000000000001",
        "ver": "1.0",
    }
    parts = [json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims), "not signed"]
    return ".".join(_encode(part) for part in parts)


def audience_of(token: str) -> str:
    """Return what a token is for; empty when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    return str(json.loads(base64.urlsafe_b64decode(padded))["aud"])


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with a token for the resource that is asked for."""
        query = parse_qs(urlsplit(self.path).query)
        resource = query.get("resource", [""])[0]
        is_known = self.headers.get("X-IDENTITY-HEADER") == _HEADER_VALUE and bool(resource)
        answer = {
            "access_token": make_token(resource),
            "expires_on": str(int(time.time()) + _LIFETIME_SECONDS),
            "resource": resource,
            "token_type": "Bearer",
        }
        body = json.dumps(answer if is_known else {"error": "unauthorized"}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class IdentityEndpoint:
    """Answers while it is entered; ``environment`` is what leads azure-identity to it."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that an App Service sets."""
        return {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}/msi/token",
            "IDENTITY_HEADER": _HEADER_VALUE,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def found_identity() -> Iterator[IdentityEndpoint]:
    """Have azure-identity find an identity, in this and in every child process."""
    # The vendor's library takes a second to import, and every test run imports this module.
    from core.stores.azure_session import open_identity

    with IdentityEndpoint() as identity, pytest.MonkeyPatch.context() as patch:
        for name, value in identity.environment.items():
            patch.setenv(name, value)
        # This process's chain may have found the one of a test before.
        open_identity.cache_clear()
        yield identity
    open_identity.cache_clear()
