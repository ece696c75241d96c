"""The connection of one S3 store: both libraries, one session, the same credentials.

obstore moves small objects at a twentieth of boto3's processor time; boto3 knows uploads in
parts, checksums and archives. Both try a request once: trying again is the ``Pacer``'s.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import obstore.store
from boto3 import Session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.auth.boto3 import Boto3CredentialProvider

from core.errors import InputError
from core.stores.address import AMAZON_S3, Address, derive_vendor
from core.stores.aws_session import (
    REGION_DEFAULT,
    client_config,
    fetch_credentials,
    open_session,
)
from core.stores.connecting import Connecting, fast_options
from core.stores.s3_answers import BOTO_ERRORS, answer_of
from core.stores.s3_errors import Request, judge, unexplained
from core.stores.settings import StoreSettings

# botocore gives out credentials that live for ten minutes more at least, and obstore asks again
# five minutes before what it was told: neither ever signs with what has run out.
_CREDENTIALS_KEPT = timedelta(minutes=9)

# boto3 makes its clients' methods at run time: they have no types.
Boto = Any
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Both libraries at one bucket, and what requests of one's own need.

    ``credentials`` are botocore's, which renew themselves in time. ``is_virtual`` says that the
    bucket is in the host's name, and not the first part of every path.
    """

    boto: Boto
    fast: obstore.store.S3Store
    endpoint: str
    region: str
    credentials: Any
    is_virtual: bool


class S3Client:
    """Connects when first needed, and anew when told. Safe to share between threads."""

    def __init__(self, address: Address, settings: StoreSettings) -> None:
        """Touch nothing yet."""
        self._address = address
        self._settings = settings
        self._connecting = Connecting(self._connect, lambda: None)
        # False for a store that answers a range with the status of a whole object.
        self.has_partial_answers = True

    @property
    def connection(self) -> Connection:
        """The connection, made if there is none."""
        return self._connecting.connection

    def refresh(self) -> None:
        """Let the next connection of this thread have credentials fetched anew."""
        self._connecting.refresh()

    def request(
        self, doing: str, name: str, permission: str, items: tuple[str, ...] = ()
    ) -> Request:
        """Describe a request for messages; ``name`` is below the prefix, empty for all of it.

        ``items`` are keys of others that it is about, which messages do not have.
        """
        address = self._address
        location = f"{address.url}/{name}" if name else address.url
        resource = f"arn:aws:s3:::{address.container}"
        if "Bucket" not in permission and "Lifecycle" not in permission:
            resource += f"/{address.prefix}/*" if address.prefix else "/*"
        return Request(
            doing=doing,
            location=location,
            permission=permission,
            bucket=address.container,
            resource=resource,
            items=items,
        )

    @property
    def endpoint(self) -> str:
        """Where requests go, for messages."""
        found = self._connecting.found
        return found.endpoint if found else self._settings.endpoint or "Amazon S3"

    def fetch_credentials(self, request: Request, fetch: Callable[[], Result]) -> Result:
        """Return what ``fetch`` gives, a session's credentials or what signs; its errors are ours.

        Of what a foreign process failed with only the kind is told: the text may be a secret.
        """
        return fetch_credentials(request, self.endpoint, fetch)

    def _ready(self, request: Request) -> Boto:
        """Return boto3's client with valid credentials: it would fetch them while it signs."""
        connection = self.connection
        self.fetch_credentials(request, connection.credentials.get_frozen_credentials)
        return connection.boto

    def call(self, request: Request, operation: str, **parameters: object) -> dict[str, Any]:
        """Make one request by boto3's name for it; what it raises is translated."""
        boto = self._ready(request)
        try:
            return cast("dict[str, Any]", getattr(boto, operation)(**parameters))
        except BOTO_ERRORS as error:
            raise judge(error, request, self.endpoint) from error

    def head_object(self, request: Request, key: str) -> Mapping[str, Any]:
        """Look at an object. A refused head says nothing, so ask for a byte to hear the reason."""
        boto, place = self._ready(request), {"Bucket": self._address.container, "Key": key}
        try:
            return cast("dict[str, Any]", boto.head_object(**place, ChecksumMode="ENABLED"))
        except BOTO_ERRORS as error:
            answer = answer_of(error)
            if answer.status in {400, 403} and not answer.code:
                self.read_range(request, key, 0, 1)
                raise unexplained(request, answer.status) from error
            raise judge(error, request, self.endpoint) from error

    def read_range(self, request: Request, key: str, offset: int, length: int) -> bytes:
        """Return what there is of these bytes by boto3, which takes any status for an answer."""
        boto = self._ready(request)
        try:
            answer = boto.get_object(
                Bucket=self._address.container,
                Key=key,
                Range=f"bytes={offset}-{offset + length - 1}",
            )
            data: bytes = answer["Body"].read()
        except BOTO_ERRORS as error:
            if answer_of(error).status == 416:
                return b""
            raise judge(error, request, self.endpoint) from error
        is_whole = "ContentRange" not in answer
        return data[offset : offset + length] if is_whole else data

    def _connect(self) -> Connection:
        request = self._reaching()
        try:
            session = open_session(self._settings, request, self.endpoint)
            region = self._settings.region or self._find_region(session)
            boto = self._open_boto(session, region)
            endpoint = str(boto.meta.endpoint_url)
            # The environment may name an endpoint too, as it does for boto3.
            is_virtual = not self._is_path() and derive_vendor("s3://", endpoint) == AMAZON_S3
            return Connection(
                boto=boto,
                fast=self._open_fast(session, region, endpoint, is_virtual=is_virtual),
                endpoint=endpoint,
                region=region,
                credentials=session.get_credentials(),
                is_virtual=is_virtual,
            )
        except BOTO_ERRORS as error:
            raise judge(error, request, self.endpoint) from error
        except ValueError as error:
            # botocore's word for an endpoint that is no URL; it quotes nothing but that.
            raise InputError(
                f"cannot reach {request.location}: {error}",
                hint="Write the endpoint as https://host or https://host:port.",
            ) from error

    def _reaching(self) -> Request:
        return self.request("reach", "", "s3:ListBucket")

    def _find_region(self, session: Session) -> str:
        """Return the bucket's region: S3 says it even to those who may not see the bucket."""
        default = session.region_name or REGION_DEFAULT
        if self._settings.endpoint:
            return default
        boto = self._open_boto(session, default)
        try:
            answer = boto.head_bucket(Bucket=self._address.container)
        except ClientError as error:
            answer = error.response
            status = answer_of(error).status
            if not _region_of(answer) and (status == 429 or status >= 500):
                # Nothing was said of the region; a guess would be wrong for the whole session.
                raise
        return _region_of(answer) or default

    def _open_boto(self, session: Session, region: str) -> Boto:
        boto = session.client(
            "s3",
            region_name=region,
            endpoint_url=self._settings.endpoint or None,
            verify=self._verify(),
            config=self._config(),
        )
        # Amazon takes any checksum of the list of names; others insist on the oldest.
        boto.meta.events.register("before-sign.s3.DeleteObjects", _add_md5)
        return boto

    def _config(self) -> Config:
        return client_config(
            self._settings,
            # Each part carries the checksum that we computed: no second one, and no hash of the
            # body in the signature.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "addressing_style": "path" if self._is_path() else "auto",
                "payload_signing_enabled": False,
            },
        )

    def _is_path(self) -> bool:
        """Say whether the bucket is in the path: at endpoints, and where its dots break TLS."""
        return bool(self._settings.endpoint) or "." in self._address.container

    def _verify(self) -> str | None:
        return self._settings.ca_bundle or None

    def _open_fast(
        self, session: Session, region: str, endpoint: str, *, is_virtual: bool
    ) -> obstore.store.S3Store:
        settings, bucket = self._settings, self._address.container
        scheme, _, host = endpoint.partition("://")
        config: dict[str, Any] = {
            "endpoint": f"{scheme}://{bucket}.{host}" if is_virtual else endpoint,
            "region": region,
            "checksum_algorithm": "SHA256",
            "virtual_hosted_style_request": is_virtual,
        }
        if settings.kms_key:
            config |= {
                "server_side_encryption": "aws:kms",
                "sse_kms_key_id": settings.kms_key,
                "sse_bucket_key_enabled": True,
            }
        return obstore.store.S3Store(
            bucket,
            config=config,  # type: ignore[arg-type]
            client_options=fast_options(self._settings, allow_http=True),  # type: ignore[arg-type]
            retry_config={"max_retries": 0},
            credential_provider=Boto3CredentialProvider(session, ttl=_CREDENTIALS_KEPT),
        )


def _region_of(answer: Mapping[str, Any]) -> str:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region", ""))


def _add_md5(request: AWSRequest, **_: object) -> None:
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode("ascii")
