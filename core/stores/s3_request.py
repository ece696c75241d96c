"""Signed requests for objects of any key: those of others, which obstore cannot name, and ours.

obstore's paths refuse or change keys such as ``a//b``, ``a/`` or ``../a``. For a small object it
takes half as much processor time again, since each of its requests goes from thread to thread
several times, and boto3 takes ten times as much.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from botocore import exceptions as botocore_exceptions
from botocore.utils import get_environ_proxies

from core.errors import ColdhaulError, StoreError
from core.limits import ERROR_DOCUMENT_SIZE_MAX
from core.stores.address import Address
from core.stores.http_connection import Reply, UnfitRequestError
from core.stores.http_pool import HTTP_ERRORS, ConnectError, HttpPool
from core.stores.s3_answers import Answer
from core.stores.s3_client import Connection, S3Client
from core.stores.s3_documents import parse_error
from core.stores.s3_errors import Request, judge, judge_answer, unexplained
from core.stores.s3_signature import Signer, quote_path, quote_query
from core.stores.settings import StoreSettings

# What an empty object answers to who asks for its first byte.
_NO_SUCH_BYTE = 416


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """How requests of one connection go; another connection makes another."""

    connection: Connection
    pool: HttpPool
    signer: Signer
    path: str


class S3Requests:
    """Requests to one bucket, each tried once. Safe to share between threads."""

    def __init__(self, client: S3Client, address: Address, settings: StoreSettings) -> None:
        """Touch nothing yet."""
        self._client = client
        self._address = address
        self._settings = settings
        self._known: _Route | None = None

    def send(  # noqa: PLR0913  What a request is made of.
        self,
        method: str,
        key: str,
        request: Request,
        *,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        size_max: int = 0,
        accepted: int = 200,
        judge_answer: Callable[[Answer, Request], ColdhaulError] = judge_answer,
    ) -> Reply:
        """Return the answer to a request for a full key, "" for the bucket itself.

        Whatever is no success, nor of the ``accepted`` status, is raised as ``judge_answer`` has
        it. What is no answer at all is an error of ``core.errors`` or a ``TransientError``.
        """
        route = self._route()
        path = route.path + quote_path(key)
        query = quote_query(parameters) if parameters else ""
        credentials = self._client.fetch_credentials(
            request, route.connection.credentials.get_frozen_credentials
        )
        try:
            reply = route.pool.request(
                method,
                f"{path}?{query}" if query else path,
                route.signer.sign(method, path, query, headers or {}, credentials),
                size_max=max(size_max, ERROR_DOCUMENT_SIZE_MAX),
            )
        except HTTP_ERRORS as error:
            _refuse(error, request, route.connection.endpoint)
        except (UnfitRequestError, UnicodeEncodeError):
            raise StoreError(
                f"cannot {request.doing} {request.location}: its ETag or the credentials hold "
                "what no request can say",
                hint="Look for line ends and other invisible characters in the credentials.",
                items=request.items,
            ) from None
        if reply.status not in {200, 206, accepted}:
            if method == "HEAD" and reply.status in {400, 403}:
                # A refused head says nothing, so ask for a byte to hear the reason.
                byte = {"range": "bytes=0-0"}
                self.send("GET", key, request, headers=byte, accepted=_NO_SUCH_BYTE)
                raise unexplained(request, reply.status)
            raise judge_answer(_answer(reply), request)
        return reply

    def _route(self) -> _Route:
        connection = self._client.connection
        known = self._known
        if known is None or known.connection is not connection:
            known = self._known = self._make_route(connection)
        return known

    def _make_route(self, connection: Connection) -> _Route:
        endpoint, bucket = connection.endpoint.rstrip("/"), self._address.container
        if connection.is_virtual:
            scheme, _, host = endpoint.partition("://")
            endpoint = f"{scheme}://{bucket}.{host}"
        path = "/" if connection.is_virtual else f"/{bucket}/"
        proxies = get_environ_proxies(endpoint)
        proxy = self._settings.http_proxy or proxies.get(endpoint.partition("://")[0], "")
        try:
            pool = HttpPool(endpoint, ca_bundle=self._settings.ca_bundle, proxy=proxy)
        except OSError as error:
            raise StoreError(
                f"cannot read the CA bundle {self._settings.ca_bundle}",
                hint="ca_bundle in the configuration names a file of certificates in PEM.",
            ) from error
        return _Route(
            connection=connection,
            pool=pool,
            signer=Signer(pool.host, connection.region),
            path=pool.base_path + path,
        )


def _answer(reply: Reply) -> Answer:
    parts = parse_error(reply.body)
    return Answer(
        status=reply.status,
        code=parts.get("Code", ""),
        message=parts.get("Message", ""),
        storage_class=parts.get("StorageClass", ""),
        region=parts.get("Region", "") or reply.headers.get("x-amz-bucket-region", ""),
    )


def _refuse(error: Exception, request: Request, endpoint: str) -> NoReturn:
    """Raise what it means that no whole answer came, as for the other libraries."""
    cause = error.__cause__ if isinstance(error, ConnectError) else error
    same: Exception
    if isinstance(cause, ssl.SSLError):
        same = botocore_exceptions.SSLError(endpoint_url=endpoint, error=cause)
    elif isinstance(error, ConnectError):
        same = (
            botocore_exceptions.ProxyConnectionError(proxy_url="", error=cause)
            if str(cause).startswith("Tunnel connection failed")
            else botocore_exceptions.EndpointConnectionError(endpoint_url=endpoint, error=cause)
        )
    else:
        same = botocore_exceptions.ConnectionClosedError(
            endpoint_url=endpoint, request=None, error=cause
        )
    raise judge(same, request, endpoint) from error
