"""What the connections of both vendors have in common."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from core.errors import InputError
from core.limits import STORE_CONNECT_SECONDS_MAX, STORE_SILENCE_SECONDS_MAX
from core.stores.settings import StoreSettings

Connection = TypeVar("Connection")


class Connecting(Generic[Connection]):
    """One connection for all threads, made when first needed and anew when told."""

    def __init__(self, connect: Callable[[], Connection], forget: Callable[[], None]) -> None:
        """Connect to nothing yet. ``forget`` is called before a connection is made anew."""
        self._connect = connect
        self._forget = forget
        self._lock = threading.Lock()
        self._used = threading.local()
        self.found: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The connection, made if there is none."""
        found = self.found
        if found is None:
            with self._lock:
                found = self.found or self._connect()
                self.found = found
        self._used.connection = found
        return found

    def refresh(self) -> None:
        """Forget the connection that this thread used last: the next has credentials fetched anew.

        Of many threads whose requests failed together only the first makes a new one necessary.
        """
        with self._lock:
            if self.found is getattr(self._used, "connection", None):
                self.found = None
                self._forget()


def fast_options(settings: StoreSettings, *, allow_http: bool) -> dict[str, Any]:
    """Return how obstore connects."""
    options: dict[str, Any] = {
        "allow_http": allow_http,
        "connect_timeout": timedelta(seconds=STORE_CONNECT_SECONDS_MAX),
        "read_timeout": timedelta(seconds=STORE_SILENCE_SECONDS_MAX),
        # A large object over a slow line takes its time; silence is what ends a request.
        "timeout": timedelta(hours=1),
    }
    if settings.http_proxy:
        options["proxy_url"] = settings.http_proxy
    if settings.ca_bundle:
        options["root_certificate"] = _read_bundle(settings.ca_bundle)
    return options


def _read_bundle(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the CA bundle {path}: {error.strerror}",
            hint="ca_bundle in the configuration names a file of certificates in PEM.",
        ) from error
