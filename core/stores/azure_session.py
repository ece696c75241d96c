"""Who asks Azure's services and by which way: azure-identity's chain, and connections."""

import logging
from functools import cache
from typing import Any

from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential

from core.limits import (
    STORE_CONCURRENCY_MAX,
    STORE_CONNECT_SECONDS_MAX,
    STORE_SILENCE_SECONDS_MAX,
)
from core.stores.settings import StoreSettings

# They log the URL of every request, and names are in it: no item's name reaches a log.
for _talker in ("azure", "urllib3"):
    logging.getLogger(_talker).setLevel(logging.WARNING)


@cache
def open_identity(managed_identity: str, http_proxy: str) -> DefaultAzureCredential:
    """Return this process's one chain, so that all that ask as the same fetch a token once.

    ``open_identity.cache_clear()`` has the next one ask for credentials anew.
    """
    options: dict[str, Any] = {"proxies": proxies(http_proxy)} if http_proxy else {}
    if managed_identity:
        options["managed_identity_client_id"] = managed_identity
    return DefaultAzureCredential(**options)


def proxies(http_proxy: str) -> dict[str, str]:
    """Return an HTTP proxy as Azure's libraries take it."""
    return {"http": http_proxy, "https": http_proxy}


def open_transport(settings: StoreSettings, endpoint: str) -> RequestsTransport:
    """Return connections for all our threads: of the usual ten, the others are made anew."""
    transport = RequestsTransport(
        connection_timeout=STORE_CONNECT_SECONDS_MAX,
        read_timeout=STORE_SILENCE_SECONDS_MAX,
        connection_verify=settings.ca_bundle or True,
    )
    transport.open()
    adapter = transport.session.get_adapter(endpoint)
    adapter.init_poolmanager(1, STORE_CONCURRENCY_MAX)
    return transport
