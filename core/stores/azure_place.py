"""What a store and a bucket in Azure have in common: where they are, and how they ask."""

from collections.abc import Callable, Mapping

from core.stores.address import AZURE_BLOB, parse_plain_address
from core.stores.azure_client import AzureClient
from core.stores.azure_errors import Request
from core.stores.azure_listing import Page, parse_page
from core.stores.pacing import Pacer, share_bandwidth
from core.stores.settings import StoreSettings


class AzurePlace:
    """One prefix of a container. Safe to share between threads.

    A process of its own opens it anew: it pickles as its URL and settings.
    """

    def __init__(self, url: str, settings: StoreSettings) -> None:
        """Ask nothing of the container yet."""
        self._address = parse_plain_address(url)
        self._settings = settings
        self._root = f"{self._address.prefix}/" if self._address.prefix else ""
        self._client = AzureClient(self._address, settings)
        self._pacer = Pacer(refresh=self._client.refresh)
        place = f"{self._client.endpoint} {self.url}"
        self._reading = share_bandwidth(f"read {place}", settings.read_bandwidth)
        self._writing = share_bandwidth(f"write {place}", settings.write_bandwidth)

    def __reduce__(self) -> tuple[object, tuple[str, StoreSettings]]:
        """Open the same place anew in another process: connections do not travel."""
        return (type(self), (self.url, self._settings))

    def __repr__(self) -> str:
        """Say where it is, and no setting."""
        return f"{type(self).__name__}({self.url!r})"

    @property
    def url(self) -> str:
        """``az://container/prefix``."""
        return self._address.url

    @property
    def vendor(self) -> str:
        """Always ``azure-blob``."""
        return AZURE_BLOB

    @property
    def pacer(self) -> Pacer:
        """What runs the requests; it counts retries and knows the concurrency."""
        return self._pacer

    def obey(self, stop: Callable[[], bool]) -> None:
        """Sleep no more once ``stop`` says so."""
        self._pacer.stop = stop

    def _page(self, request: Request, parameters: Mapping[str, str]) -> Page:
        """Return one page of a listing by one request."""
        return parse_page(self._client.list_xml(request, parameters), request.location)
