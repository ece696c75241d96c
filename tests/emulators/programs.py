"""How each emulator is started on a port of its own, and when it is ready.

What each of them gets wrong stands in tests/README.md.
"""

import http.client
import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.architecture.tree import ROOT
from tests.emulators.certificate import make_certificate

INSTALLED = Path(os.environ.get("COLDHAUL_EMULATORS", ROOT / ".emulators"))
# Made up for the tests, like everything else that an emulator asks for.
ACCESS_KEY_ID = "AKIACOLDHAULTESTS000"
SECRET_ACCESS_KEY = "a-secret-that-opens-nothing"
AZURE_ACCOUNT = "coldhaultests"
AZURE_ACCOUNT_KEY = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIG91dHNpZGUgb2YgdGhlIHRlc3Rz"
# Longer than a request takes, so that both sides of it can be seen.
MINISTACK_RESTORE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server to start: its command, what it finds in its environment, and how to ask it."""

    command: list[str]
    needs: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    endpoint: str
    ready_path: str = "/"
    ca_bundle: str = ""

    def is_ready(self) -> bool:
        """Ask it; any answer over HTTP is one, unless it says that it is not ready yet."""
        context = ssl.create_default_context(cafile=self.ca_bundle) if self.ca_bundle else None
        url = self.endpoint + self.ready_path
        try:
            with urllib.request.urlopen(url, timeout=5, context=context):
                return True
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code < 500
        except (OSError, http.client.HTTPException):
            # The second is somebody else, who has taken its port.
            return False


def localstack(folder: Path, port: int) -> Program:
    """Return how to start LocalStack without a container; functions are processes as well."""
    python = INSTALLED / "localstack/bin/python"
    return Program(
        command=[str(python), str(Path(__file__).with_name("start_localstack.py"))],
        needs=python,
        environment={
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "LOCALSTACK_HOST": f"127.0.0.1:{port}",
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "SKIP_INFRA_DOWNLOADS": "1",
            "LS_LOG": "warning",
            "FUNCTION_PYTHON": str(INSTALLED / "lambda/bin/python"),
            # On a busy machine a function takes longer than 20 s to load its packages.
            "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": "120",
            # It has 100 MB or more for itself.
            "LAMBDA_KEEPALIVE_MS": "30000",
            "FILESYSTEM_ROOT": str(folder / "fs"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        },
        endpoint=f"http://127.0.0.1:{port}",
        ready_path="/_localstack/health",
    )


def ministack(folder: Path, port: int) -> Program:
    """Return how to start ministack, where a restore from an archive takes its time."""
    python = INSTALLED / "ministack/bin/python"
    return Program(
        command=[str(python), str(Path(__file__).with_name("start_ministack.py"))],
        needs=python,
        environment={
            "BIND_HOST": "127.0.0.1",  # It would be every interface.
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "S3_DATA_DIR": str(folder / "s3"),
            "STATE_DIR": str(folder / "state"),
            "RESTORE_SECONDS": str(MINISTACK_RESTORE_SECONDS),
        },
        endpoint=f"http://127.0.0.1:{port}",
        ready_path="/_ministack/health",
    )


def azurite(folder: Path, port: int) -> Program:
    """Return how to start Azurite with one account and its shared key."""
    del folder  # It is started there and keeps all in its memory.
    script = INSTALLED / "node/node_modules/azurite/dist/src/blob/main.js"
    return Program(
        command=[
            str(INSTALLED / "node/node"),
            str(script),
            "--silent",
            "--inMemoryPersistence",
            "--skipApiVersionCheck",
            "--disableTelemetry",
            "--disableProductStyleUrl",
            *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
        ],
        needs=script,
        environment={"AZURITE_ACCOUNTS": f"{AZURE_ACCOUNT}:{AZURE_ACCOUNT_KEY}"},
        endpoint=f"http://127.0.0.1:{port}",
        ready_path=f"/{AZURE_ACCOUNT}?comp=list",
    )


def azurite_oauth(folder: Path, port: int) -> Program:
    """Return how to start Azurite for bearer tokens: over HTTPS with a certificate made now."""
    plain = azurite(folder, port)
    certificate, key = make_certificate(folder)
    return Program(
        command=[*plain.command, "--oauth", "basic", "--cert", str(certificate), "--key", str(key)],
        needs=plain.needs,
        environment=plain.environment,
        endpoint=plain.endpoint.replace("http:", "https:"),
        ready_path=plain.ready_path,
        ca_bundle=str(certificate),
    )


def rclone_s3(folder: Path, port: int) -> Program:
    """Return how to start ``rclone serve s3``: it checks signatures and ignores conditions."""
    rclone = Path(sys.executable).with_name("rclone")
    served = folder / "served"
    served.mkdir(parents=True, exist_ok=True)
    return Program(
        command=[
            str(rclone),
            *("--config", os.devnull),
            *("serve", "s3"),
            *("--addr", f"127.0.0.1:{port}"),
            *("--etag-hash", "MD5"),
            *("--vfs-cache-mode", "off"),
            str(served),
        ],
        needs=rclone,
        # Real credentials, which a real endpoint is tried with, are none of its business.
        environment={}
        if os.environ.get("COLDHAUL_TEST_S3")
        # A list with one pair in it.
        else {"RCLONE_AUTH_KEY": f'"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}"'},
        endpoint=f"http://127.0.0.1:{port}",
    )


PROGRAMS: dict[str, Callable[[Path, int], Program]] = {
    "localstack": localstack,
    "ministack": ministack,
    "azurite": azurite,
    "azurite-oauth": azurite_oauth,
    "rclone-s3": rclone_s3,
}
