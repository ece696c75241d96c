"""Connections to one HTTP server that are used again and again, by as many threads as there are.

Requests through boto3 cost ten times the processor time.
"""

import base64
import http.client
import ssl
import weakref
from collections import deque
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from core.limits import STORE_CONNECT_SECONDS_MAX, STORE_SILENCE_SECONDS_MAX
from core.stores.http_connection import HttpConnection, Reply

# What a server raises that has closed a connection while nobody was using it.
_STALE = (
    http.client.RemoteDisconnected,
    ConnectionResetError,
    BrokenPipeError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
# A request that failed, without or within its answer.
HTTP_ERRORS = (http.client.HTTPException, OSError)


class ConnectError(OSError):
    """No connection came about, so nothing was asked; the cause says why."""


class HttpPool:
    """Idle connections are kept without a limit: no more than threads have used at once."""

    def __init__(self, endpoint: str, *, ca_bundle: str = "", proxy: str = "") -> None:
        """Connect to nothing yet. ``proxy`` is the URL of an HTTP proxy on the way."""
        self._server = urlsplit(endpoint)
        # Requests for plain HTTP name the whole URL to a proxy; TLS goes through a tunnel.
        self._proxy = urlsplit(proxy if "://" in proxy or not proxy else f"http://{proxy}")
        self._context: ssl.SSLContext | None = None
        if self._server.scheme == "https":
            self._context = ssl.create_default_context(cafile=ca_bundle or None)
        self._idle: deque[HttpConnection] = deque()
        weakref.finalize(self, _close_all, self._idle)

    @property
    def host(self) -> str:
        """The value of the Host header: the port only where it is not the scheme's own."""
        return self._server.netloc.rpartition("@")[2].removesuffix(_default_port(self._server))

    @property
    def base_path(self) -> str:
        """What every path begins with, where the endpoint is not the top of its host."""
        return self._server.path.rstrip("/")

    def request(
        self, method: str, target: str, headers: Mapping[str, str], *, size_max: int
    ) -> Reply:
        """Send a request without a body and read the whole answer, or raise ``HTTP_ERRORS``.

        It has to be one that may be sent twice: on a connection that the server has closed
        meanwhile it is. ``headers`` are sent as they are, Host among them.
        """
        if self._is_plain_proxy():
            target = f"http://{self._server.netloc}{target}"
            headers = {**headers, **_proxy_authorization(self._proxy)}
        while True:
            try:
                connection, is_used = self._idle.pop(), True
            except IndexError:
                connection, is_used = self._connect(), False
            is_whole = False
            try:
                connection.send(method, target, headers)
                reply, is_kept = connection.read(method, size_max)
                is_whole = True
            except _STALE:
                if is_used:
                    continue
                raise
            finally:
                if not is_whole or not is_kept:
                    connection.close()
            if is_kept:
                self._idle.append(connection)
            return reply

    def _is_plain_proxy(self) -> bool:
        return bool(self._proxy.netloc) and self._context is None

    def _connect(self) -> HttpConnection:
        server, proxy = self._server, self._proxy
        first = proxy if proxy.netloc else server
        host = first.hostname or ""
        connection: http.client.HTTPConnection
        if self._context is None:
            connection = http.client.HTTPConnection(
                host, first.port, timeout=STORE_CONNECT_SECONDS_MAX
            )
        else:
            connection = http.client.HTTPSConnection(
                host,
                first.port or (80 if proxy.netloc else 443),
                timeout=STORE_CONNECT_SECONDS_MAX,
                context=self._context,
            )
            if proxy.netloc:
                connection.set_tunnel(
                    server.hostname or "", server.port or 443, _proxy_authorization(proxy)
                )
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise ConnectError(error.strerror or type(error).__name__) from error
        connection.sock.settimeout(STORE_SILENCE_SECONDS_MAX)
        return HttpConnection(connection)


def _close_all(idle: deque[HttpConnection]) -> None:
    while idle:
        idle.pop().close()


def _default_port(url: SplitResult) -> str:
    return ":443" if url.scheme == "https" else ":80"


def _proxy_authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"}
