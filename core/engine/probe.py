"""What a store lets us do, found out by doing it to an object of our own.

Permissions and the promise of create-only writes cannot be read off a configuration. A probe is
a small object under ``sessions/``, the one place where every identity of ours may delete.
"""

import secrets

from core.errors import ConflictError, NotFoundError, StoreError
from core.format import names
from core.limits import UPLOAD_PART_SIZE
from core.stores.address import FILESYSTEM
from core.stores.store import Store

PREFIX = f"{names.SESSIONS}probe-"

_FIRST = b"coldhaul tries whether it may write here\n"
_SECOND = b"coldhaul tries whether a second write is refused\n"


class Probe:
    """One probe object and the things to try on it, in this order; each raises what is wrong."""

    def __init__(self, store: Store) -> None:
        """Choose a name; nothing is written yet."""
        self._store = store
        self.name = f"{PREFIX}{secrets.token_hex(8)}"

    def write(self) -> None:
        """Try to create the object."""
        try:
            self._store.put(self.name, _FIRST)
        except ConflictError:
            # Nobody else has this name: the answer to a first attempt was lost.
            self.read()

    def read(self) -> None:
        """Try to read back what was written."""
        if self._store.get(self.name) != _FIRST:
            raise StoreError(
                f"{self._store.url} gave back other bytes than were written to {self.name}",
                hint="Look for something between us and the store that changes or caches data.",
            )

    def find(self) -> None:
        """Try to find the object by listing."""
        if [head.name for head in self._store.list(self.name)] != [self.name]:
            raise StoreError(
                f"{self._store.url} does not list {self.name}, which was just written",
                hint="A listing has to show an object as soon as its write is done.",
            )

    def write_again(self) -> None:
        """Try to create the object a second time, which the store has to refuse."""
        try:
            self._store.put(self.name, _SECOND)
        except ConflictError:
            self.read()
            return
        raise self._ignored("write")

    def upload_again(self) -> None:
        """Try to create the object a second time as packs are written, which must be refused too.

        Some stores keep the promise for a single request and not for an upload in parts, which
        begins at the size of one part. A folder has one way to write.
        """
        is_folder = self._store.vendor == FILESYSTEM
        upload = self._store.upload(self.name)
        try:
            upload.write(_SECOND if is_folder else bytes(UPLOAD_PART_SIZE))
            upload.complete()
        except ConflictError:
            self.read()
            return
        finally:
            upload.abort()
        raise self._ignored("large upload")

    def _ignored(self, what: str) -> StoreError:
        return StoreError(
            f"{self._store.url} ignores that a {what} is create-only: a second one was accepted",
            hint="Two sessions could overwrite each other's work, so no repository can be created "
            "here. An existing one can still be the source of a copy.",
        )

    def delete(self) -> None:
        """Try to delete the object."""
        self._store.delete([self.name])
        if any(True for _ in self._store.list(self.name)):
            raise StoreError(f"{self._store.url} still lists {self.name} after it was deleted")


def try_store(store: Store) -> None:
    """Try everything that a repository's store has to allow; raise what it does not.

    What is wrong with a probe that was written is tried once more: whoever creates a repository in
    the same place at the same moment takes it for one that was left behind.
    """
    probe = _written(store)
    try:
        _try_on(probe)
    except (NotFoundError, StoreError):
        _try_on(_written(store))


def _written(store: Store) -> Probe:
    probe = Probe(store)
    probe.write()
    return probe


def _try_on(probe: Probe) -> None:
    try:
        probe.read()
        probe.find()
        probe.write_again()
        probe.upload_again()
    finally:
        probe.delete()


def delete_probes(store: Store) -> None:
    """Delete the probes of those who were stopped before they could."""
    store.delete([head.name for head in store.list(PREFIX)])
