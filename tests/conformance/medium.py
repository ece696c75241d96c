"""The way to a store's bytes that is not the store's: what the suite checks it against."""

from typing import Protocol

from core.stores.settings import StoreSettings
from core.stores.store import Store


class Medium(Protocol):
    """A place of its own for one test, empty at first."""

    @property
    def store(self) -> Store:
        """The store under test."""

    @property
    def settings(self) -> StoreSettings:
        """What opens the store again, in another process too, with its ``url``."""

    def names(self) -> set[str]:
        """Return the names of all visible objects, as the medium itself lists them."""

    def read(self, name: str) -> bytes:
        """Return an object as it lies on the medium."""

    def write(self, name: str, data: bytes) -> None:
        """Lay down an object as another program would."""

    def remove(self, name: str) -> None:
        """Take an object away as another program would."""

    def leftovers(self) -> set[str]:
        """Return what is there and is no object: temporary files, unfinished uploads."""

    def gone(self) -> Store:
        """Return a store of the same kind whose place is not there: no folder, no bucket."""
