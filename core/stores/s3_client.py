"""The connection of one S3 store: both libraries, one session, the same credentials.

obstore moves small objects at a twentieth of boto3's processor time; boto3 knows uploads in
parts, checksums and archives. Both try a request once: trying again is the ``Pacer``'s.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar, cast

import botocore.session
import obstore.store
from boto3 import Session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import ClientError
from botocore.loaders import Loader, create_loader
from obstore.auth.boto3 import Boto3CredentialProvider

from core.errors import InputError, StoreError
from core.limits import (
    STORE_CONCURRENCY_MAX,
    STORE_CONNECT_SECONDS_MAX,
    STORE_SILENCE_SECONDS_MAX,
)
from core.stores.address import AMAZON_S3, Address, derive_vendor
from core.stores.connecting import Connecting, fast_options
from core.stores.s3_answers import BOTO_ERRORS, answer_of
from core.stores.s3_errors import CREDENTIALS_HINT, Request, judge, unusable_credentials
from core.stores.settings import StoreSettings

# botocore gives out credentials that live for ten minutes more at least, and obstore asks again
# five minutes before what it was told: neither ever signs with what has run out.
_CREDENTIALS_KEPT = timedelta(minutes=9)
_REGION_DEFAULT = "us-east-1"
_ROLE_SESSION = "coldhaul"

# boto3 makes its clients' methods at run time: they have no types.
Boto = Any
Result = TypeVar("Result")
# What ways to credentials fail with beside botocore's own errors: a process that is missing or
# prints no JSON, a token that has expired already when it is fetched.
_FETCH_ERRORS = (RuntimeError, OSError, ValueError, KeyError)


class _Role(CredentialProvider):  # type: ignore[misc]
    """Gives botocore the credentials of an assumed role."""

    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        """Fetch nothing yet."""
        return DeferredRefreshableCredentials(
            method=self.METHOD, refresh_using=self._fetcher.fetch_credentials
        )


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

    def request(self, doing: str, name: str, permission: str) -> Request:
        """Describe a request for messages; ``name`` is below the prefix, empty for all of it."""
        address = self._address
        location = f"{address.url}/{name}" if name else address.url
        resource = f"arn:aws:s3:::{address.container}"
        if "Bucket" not in permission:
            resource += f"/{address.prefix}/*" if address.prefix else "/*"
        return Request(
            doing=doing,
            location=location,
            permission=permission,
            bucket=address.container,
            resource=resource,
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
        try:
            return fetch()
        except BOTO_ERRORS as error:
            raise judge(error, request, self.endpoint) from error
        except _FETCH_ERRORS as error:
            raise unusable_credentials(error, request) from None

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
            session = self._open_session()
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

    def _open_session(self) -> Session:
        """Return a session whose credentials are there and valid now, or say what is wrong."""
        settings = self._settings
        core = self._new_session()
        session = Session(botocore_session=core, region_name=settings.region or None)
        if settings.role_arn:
            session = self._assume_role(session)
        found = self._need_credentials(session)
        self.fetch_credentials(self._reaching(), found.get_frozen_credentials)
        return session

    def _new_session(self) -> botocore.session.Session:
        core = botocore.session.Session(profile=self._settings.profile or None)
        core.register_component("data_loader", _share_loader())
        return core

    def _need_credentials(self, session: Session) -> Credentials:
        found: Credentials | None = self.fetch_credentials(
            self._reaching(), session.get_credentials
        )
        if found is None:
            raise StoreError(
                f"there are no credentials for {self._address.url}", hint=CREDENTIALS_HINT
            )
        return found

    def _assume_role(self, source: Session) -> Session:
        """Return a session with the role's short-lived credentials, fetched again in time."""

        def create_client(service: str, **keys: object) -> Boto:
            region = source.region_name or _REGION_DEFAULT
            return source.client(
                service, region_name=region, config=self._config(), verify=self._verify(), **keys
            )

        fetcher = AssumeRoleCredentialFetcher(
            client_creator=create_client,
            source_credentials=self._need_credentials(source),
            role_arn=self._settings.role_arn,
            extra_args={"RoleSessionName": _ROLE_SESSION},
        )
        core = self._new_session()
        core.register_component("credential_provider", CredentialResolver([_Role(fetcher)]))
        return Session(botocore_session=core, region_name=source.region_name)

    def _find_region(self, session: Session) -> str:
        """Return the bucket's region: S3 says it even to those who may not see the bucket."""
        default = session.region_name or _REGION_DEFAULT
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
        proxy = self._settings.http_proxy
        return Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=STORE_CONNECT_SECONDS_MAX,
            read_timeout=STORE_SILENCE_SECONDS_MAX,
            max_pool_connections=STORE_CONCURRENCY_MAX,
            proxies={"http": proxy, "https": proxy} if proxy else None,
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


@cache
def _share_loader() -> Loader:
    """Return this process's one reader of botocore's descriptions, which take long to read."""
    return create_loader()


def _add_md5(request: AWSRequest, **_: object) -> None:
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode("ascii")
