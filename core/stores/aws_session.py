"""Sessions with Amazon's services, as settings say: a profile, a role, or boto3's own chain."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import botocore.session
from boto3 import Session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.loaders import Loader, create_loader

from core.errors import StoreError
from core.limits import (
    STORE_CONCURRENCY_MAX,
    STORE_CONNECT_SECONDS_MAX,
    STORE_SILENCE_SECONDS_MAX,
)
from core.stores.s3_answers import BOTO_ERRORS
from core.stores.s3_errors import CREDENTIALS_HINT, Request, judge, unusable_credentials
from core.stores.settings import StoreSettings

REGION_DEFAULT = "us-east-1"
_ROLE_SESSION = "coldhaul"

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


def open_session(settings: StoreSettings, request: Request, endpoint: str) -> Session:
    """Return a session whose credentials are there and valid now, or say what is wrong.

    ``request`` is what they are for and ``endpoint`` where it goes, for messages.
    """
    session = Session(botocore_session=_new_core(settings), region_name=settings.region or None)
    if settings.role_arn:
        session = _assume_role(session, settings, request, endpoint)
    found = _need_credentials(session, request, endpoint)
    fetch_credentials(request, endpoint, found.get_frozen_credentials)
    return session


def fetch_credentials(request: Request, endpoint: str, fetch: Callable[[], Result]) -> Result:
    """Return what ``fetch`` gives, a session's credentials or what signs; its errors are ours.

    Of what a foreign process failed with only the kind is told: the text may be a secret.
    """
    try:
        return fetch()
    except BOTO_ERRORS as error:
        raise judge(error, request, endpoint) from error
    except _FETCH_ERRORS as error:
        raise unusable_credentials(error, request) from None


def client_config(settings: StoreSettings, **more: object) -> Config:
    """Return how every client connects. Each request is tried once: again is the ``Pacer``'s."""
    proxy = settings.http_proxy
    return Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=STORE_CONNECT_SECONDS_MAX,
        read_timeout=STORE_SILENCE_SECONDS_MAX,
        max_pool_connections=STORE_CONCURRENCY_MAX,
        proxies={"http": proxy, "https": proxy} if proxy else None,
        **more,
    )


def _new_core(settings: StoreSettings) -> botocore.session.Session:
    core = botocore.session.Session(profile=settings.profile or None)
    core.register_component("data_loader", _share_loader())
    return core


def _need_credentials(session: Session, request: Request, endpoint: str) -> Credentials:
    found: Credentials | None = fetch_credentials(request, endpoint, session.get_credentials)
    if found is None:
        raise StoreError(f"there are no credentials for {request.location}", hint=CREDENTIALS_HINT)
    return found


def _assume_role(
    source: Session, settings: StoreSettings, request: Request, endpoint: str
) -> Session:
    """Return a session with the role's short-lived credentials, fetched again in time."""

    def create_client(service: str, **keys: object) -> Any:  # noqa: ANN401  # Made as boto3 runs.
        return source.client(
            service,
            region_name=source.region_name or REGION_DEFAULT,
            config=client_config(settings),
            verify=settings.ca_bundle or None,
            **keys,
        )

    fetcher = AssumeRoleCredentialFetcher(
        client_creator=create_client,
        source_credentials=_need_credentials(source, request, endpoint),
        role_arn=settings.role_arn,
        extra_args={"RoleSessionName": _ROLE_SESSION},
    )
    core = _new_core(settings)
    core.register_component("credential_provider", CredentialResolver([_Role(fetcher)]))
    return Session(botocore_session=core, region_name=source.region_name)


@cache
def _share_loader() -> Loader:
    """Return this process's one reader of botocore's descriptions, which take long to read."""
    return create_loader()
