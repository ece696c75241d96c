"""Requests of Azure Key Vault, and what it refuses, said so that a user can act.

Each request is tried once by Azure's libraries: trying again is the ``Pacer``'s.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from azure.core.exceptions import AzureError

from core.stores.azure_session import open_identity, open_transport, proxies
from core.stores.azure_vault_errors import (
    VaultRequest,
    judge,
    judge_local,
    unreadable_bundle,
)
from core.stores.connecting import Connecting
from core.stores.pacing import Pacer
from core.stores.settings import StoreSettings

Client = TypeVar("Client")
Result = TypeVar("Result")


class AzureVault(Generic[Client]):
    """One vault. Connects when first needed; safe to share between threads.

    Of the settings of a store only who asks and the way there count: the endpoint is the store's.
    An account key opens no vault; azure-identity's chain does.
    """

    def __init__(
        self, url: str, settings: StoreSettings, open_client: Callable[..., Client]
    ) -> None:
        """Touch nothing yet. ``open_client`` is the class of Azure's library for keys, or so."""
        self._url = url
        self._settings = settings
        self._open_client = open_client
        self._connecting = Connecting(self._connect, open_identity.cache_clear)
        self._pacer = Pacer(refresh=self._connecting.refresh)

    def call(self, request: VaultRequest, use: Callable[[Client], Result]) -> Result:
        """Return what ``use`` makes of the client, again while the vault fails for a moment."""

        def attempt() -> Result:
            try:
                return use(self._connecting.connection)
            except AzureError as error:
                # Its texts quote headers and what was asked.
                raise judge(error, request) from None
            except (ValueError, RecursionError):
                raise judge_local(request) from None
            except OSError as error:
                raise unreadable_bundle(request) from error

        return self._pacer.run(attempt)

    def _connect(self) -> Client:
        settings = self._settings
        options: dict[str, Any] = {
            "retry_total": 0,
            # A vault redirects nobody, and a token is for the vault alone.
            "permit_redirects": False,
            "transport": open_transport(settings, self._url),
        }
        if settings.http_proxy:
            options["proxies"] = proxies(settings.http_proxy)
        identity = open_identity(settings.managed_identity, settings.http_proxy)
        return self._open_client(self._url, identity, **options)
