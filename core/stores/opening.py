"""From a URL and its settings to a store. The vendors' libraries are loaded only when needed."""

from core.stores.folder import FolderStore
from core.stores.settings import StoreSettings
from core.stores.store import Store


def open_store(url: str, settings: StoreSettings, *, create: bool = False) -> Store:
    """Return the store at a URL; nothing is asked of it yet.

    ``create`` lets a folder be made; buckets and containers have to be there.
    """
    del settings
    return FolderStore.open(url, create=create)
