"""Create-only for a store that has none: a benchmark's exemption, and of no use elsewhere.

``rclone serve s3`` ignores the condition of a create-only write, and therefore ``repository
create`` refuses it. One job on one machine gives no name twice, so that a look before each write
is enough here; between two machines it would not be.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from core.errors import ConflictError, NotFoundError
from core.stores.store import Keeping, ObjectHead, Store, UnfinishedUpload, Upload


class CreateOnlyStore:
    """A store with a look before each write."""

    def __init__(self, store: Store) -> None:
        """Wrap ``store``."""
        self._store = store

    @property
    def url(self) -> str:
        """Where the store is."""
        return self._store.url

    @property
    def vendor(self) -> str:
        """The store's vendor."""
        return self._store.vendor

    def obey(self, stop: Callable[[], bool]) -> None:
        """Let the store do so."""
        self._store.obey(stop)

    def head(self, name: str) -> ObjectHead:
        """Describe an object."""
        return self._store.head(name)

    def get(self, name: str) -> bytes:
        """Return a whole object."""
        return self._store.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return a range of an object."""
        return self._store.get_range(name, offset, length)

    def put(self, name: str, data: bytes) -> ObjectHead:
        """Create an object, unless it is there."""
        self.refuse_existing(name)
        return self._store.put(name, data)

    def upload(self, name: str, *, is_cold: bool = False) -> Upload:
        """Begin a large object."""
        return _CreateOnlyUpload(self, name, self._store.upload(name, is_cold=is_cold))

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        """List the store."""
        return self._store.list(prefix)

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects."""
        self._store.delete(names)

    def keeping(self, deleted: str) -> Keeping:
        """Ask the store."""
        return self._store.keeping(deleted)

    def archived(self, names: Sequence[str]) -> Mapping[str, str]:
        """Ask the store."""
        return self._store.archived(names)

    def unfinished(self, prefixes: Sequence[str] = ("",)) -> Iterator[UnfinishedUpload]:
        """Ask the store."""
        return self._store.unfinished(prefixes)

    def discard(self, upload: UnfinishedUpload) -> None:
        """Abort an upload."""
        self._store.discard(upload)

    def refuse_existing(self, name: str) -> None:
        """Raise ``ConflictError`` if the name exists.

        Reading what is not there costs a tenth of what a head does, and what is there is rare.
        """
        try:
            self._store.get(name)
        except NotFoundError:
            return
        raise ConflictError(f"{name} exists in {self.url}")


class _CreateOnlyUpload:
    def __init__(self, store: CreateOnlyStore, name: str, upload: Upload) -> None:
        self._store = store
        self._name = name
        self._upload = upload

    def write(self, data: bytes) -> None:
        self._upload.write(data)

    def complete(self) -> ObjectHead:
        self._store.refuse_existing(self._name)
        return self._upload.complete()

    def abort(self) -> None:
        self._upload.abort()
