"""The connection of one Azure store: both libraries, the same credentials.

obstore reads at a tenth of the SDK's processor time; the SDK knows blocks, tiers, checksums and
tags. Both try a request once: trying again is the ``Pacer``'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import obstore.store
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import HttpRequest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobClient, ContainerClient

from core.errors import InputError
from core.limits import UPLOAD_PART_IN_MEMORY_MAX
from core.stores.address import Address
from core.stores.azure_answers import Answer
from core.stores.azure_errors import READER, Request, judge, judge_answer
from core.stores.azure_session import open_identity, open_transport, proxies
from core.stores.connecting import Connecting, fast_options
from core.stores.settings import StoreSettings

_SCOPE = "https://storage.azure.com/.default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Both libraries at one container."""

    container: ContainerClient
    fast: obstore.store.AzureStore


@dataclass(frozen=True, slots=True)
class _Token:
    """Gives obstore the tokens of azure-identity."""

    identity: DefaultAzureCredential

    def __call__(self) -> dict[str, object]:
        """Fetch a token; azure-identity keeps it until it is about to run out."""
        token = self.identity.get_token(_SCOPE)
        return {"token": token.token, "expires_at": datetime.fromtimestamp(token.expires_on, UTC)}


@dataclass(frozen=True, slots=True)
class _Key:
    """Gives obstore the account's key; as a provider it comes before the environment."""

    named: AzureNamedKeyCredential

    def __call__(self) -> dict[str, object]:
        """Return the key."""
        return {"access_key": self.named.named_key.key, "expires_at": None}


class AzureClient:
    """Connects when first needed, and anew when told. Safe to share between threads."""

    def __init__(self, address: Address, settings: StoreSettings) -> None:
        """Touch nothing yet."""
        self._address = address
        self._settings = settings
        self._endpoint, self._account = parse_endpoint(address.url, settings.endpoint)
        self._connecting = Connecting(self._connect, open_identity.cache_clear)

    @property
    def endpoint(self) -> str:
        """Where the account answers."""
        return self._endpoint

    @property
    def connection(self) -> Connection:
        """The connection, made if there is none."""
        return self._connecting.connection

    def refresh(self) -> None:
        """Let the next connection of this thread have credentials fetched anew."""
        self._connecting.refresh()

    def request(
        self, doing: str, name: str, role: str = READER, items: tuple[str, ...] = ()
    ) -> Request:
        """Describe a request for messages; ``name`` is below the prefix, empty for all of it.

        ``items`` are keys of others that it is about, which messages do not have.
        """
        url = self._address.url
        return Request(
            doing=doing,
            location=f"{url}/{name}" if name else url,
            role=role,
            container=self._address.container,
            endpoint=self._endpoint,
            is_write=doing in {"create", "write"},
            has_key=self._settings.account_key is not None,
            items=items,
        )

    def blob(self, name: str) -> BlobClient:
        """Return the SDK's client of one blob, by its full name."""
        return self.connection.container.get_blob_client(name)

    def list_xml(self, request: Request, parameters: Mapping[str, str]) -> bytes:
        """Return one page of a listing as Azure writes it, by one request.

        The SDK's own reading of it costs more processor time than everything else a listing needs.
        """
        container = self.connection.container
        asked = urlencode({"restype": "container", "comp": "list", **parameters}, quote_via=quote)
        query = HttpRequest("GET", f"{container.url}?{asked}")
        try:
            answer = container._pipeline.run(query).http_response
            status, body = answer.status_code, answer.body()
        except AzureError as error:
            raise judge(error, request) from None
        if status != 200:
            code = str(answer.headers.get("x-ms-error-code", ""))
            raise judge_answer(Answer(status=status, code=code), request)
        return bytes(body)

    def _connect(self) -> Connection:
        request = self.request("reach", "")
        try:
            credential, provider = self._credentials()
            return Connection(
                container=ContainerClient(
                    self._endpoint,
                    self._address.container,
                    credential=credential,
                    **self._sdk_options(),
                ),
                fast=obstore.store.AzureStore(
                    self._address.container,
                    config={"account_name": self._account, "endpoint": self._endpoint},
                    client_options=fast_options(  # type: ignore[arg-type]
                        self._settings, allow_http=self._endpoint.startswith("http://")
                    ),
                    retry_config={"max_retries": 0},
                    credential_provider=provider,
                ),
            )
        except AzureError as error:
            raise judge(error, request) from None

    def _credentials(self) -> tuple[Any, Any]:
        settings = self._settings
        if settings.account_key is not None:
            named = AzureNamedKeyCredential(self._account, settings.account_key().strip())
            return named, _Key(named)
        identity = open_identity(settings.managed_identity, settings.http_proxy)
        return identity, _Token(identity)

    def _sdk_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "retry_total": 0,
            "transport": open_transport(self._settings, self._endpoint),
            # What ends before the first block is full goes as one request.
            "max_single_put_size": UPLOAD_PART_IN_MEMORY_MAX,
        }
        if self._settings.http_proxy:
            options["proxies"] = proxies(self._settings.http_proxy)
        return options


def parse_endpoint(url: str, endpoint: str) -> tuple[str, str]:
    """Return an endpoint in its one form, and the account that it names.

    Azure's own begin with the account; an emulator's and those by address have it as their path.
    """
    hint = "Write it as https://ACCOUNT.blob.core.windows.net."
    if not endpoint:
        raise InputError(f"{url} needs an endpoint, which says the storage account", hint=hint)
    parts = urlsplit(endpoint)
    account = parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
    is_plain = parts.scheme in {"http", "https"} and not parts.query and "@" not in parts.netloc
    if not is_plain or not account or "/" in account:
        # The text is not repeated: it may be a signed URL.
        raise InputError(f"the endpoint of {url} is not that of a storage account", hint=hint)
    return endpoint.rstrip("/"), account
