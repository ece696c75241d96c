"""What a backup had to leave out: why, and the list of it that is stored beside the point.

Nothing is left out silently. The list is sealed like everything else; its paths are written as
hex, because names are bytes.
"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.errors import NotFoundError, StoreError
from core.format import names
from core.ids import SessionId
from core.limits import SKIPPED_SIZE_MAX
from core.sources.repository import Repository

VANISHED = "vanished while the backup ran"
REPLACED = "was replaced by something else while the backup ran"
VANISHED_OBJECT = "vanished while it was copied"
CHANGING = "changed each time it was read"

_VANISHED = {errno.ENOENT, errno.ESTALE}
_REPLACED = {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EINVAL, errno.EISDIR}
# The fault is not the item's, so no item may be left out for it.
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBADF}

# What an entry takes in the stored list beside its path and reason, generously.
_ENTRY_SIZE = 100


class UnreadableError(Exception):
    """An item cannot be read; the text says why. Never leaves the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedItem:
    """An item that is not in the point, or a folder that is there without what is in it.

    ``left_out_count`` counts the items at and below the path that the point before has and
    this one has not.
    """

    path: bytes
    reason: str
    left_out_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """A skipped item as it is stored; the path is hex."""

    path: str
    reason: str
    left_out_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredList:
    """The stored list. ``count`` is of all skipped items, also of those past the list's bound."""

    count: int
    items: tuple[StoredItem, ...]


class SkipList:
    """Collects skipped items from all threads, in bounded memory: past it they are counted."""

    def __init__(self) -> None:
        """Nothing is skipped yet."""
        self.count = 0
        self.items: list[SkippedItem] = []
        self._size = 0
        self._lock = threading.Lock()

    def add(self, path: bytes, reason: str) -> None:
        """Add an item."""
        with self._lock:
            self.count += 1
            self._size += 2 * len(path) + len(reason) + _ENTRY_SIZE
            if self._size <= SKIPPED_SIZE_MAX:
                self.items.append(SkippedItem(path=path, reason=reason))


@contextmanager
def reading() -> Iterator[None]:
    """Turn what the operating system says of one item into an ``UnreadableError``.

    What is wrong with this process rather than with the item is a ``StoreError``.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _OURS:
            raise StoreError(
                f"cannot read the folder: {os.strerror(error.errno)}",
                hint="Raise the limit of open files (ulimit -n) or free memory, and run again.",
            ) from error
        raise UnreadableError(reason_of(error)) from error


def reason_of(error: OSError) -> str:
    """Say why an item was skipped; the text carries no name."""
    if error.errno in _VANISHED:
        return VANISHED
    if error.errno in _REPLACED:
        return REPLACED
    return f"cannot be read: {os.strerror(error.errno or 0)}"


def skipped_name(session_id: SessionId) -> str:
    """Name the list of what a backup skipped."""
    return names.session(session_id, "skipped.json")


def store_skipped(
    repository: Repository, session_id: SessionId, count: int, items: tuple[SkippedItem, ...]
) -> None:
    """Store the list of a session; it goes with the session's other working objects."""
    stored = tuple(
        StoredItem(path=item.path.hex(), reason=item.reason, left_out_count=item.left_out_count)
        for item in items
    )
    repository.adopt_value(skipped_name(session_id), StoredList(count=count, items=stored))


def read_skipped(repository: Repository, session_id: SessionId) -> tuple[SkippedItem, ...]:
    """Return what a backup skipped; nothing when all was backed up or the list has expired."""
    try:
        stored = repository.read_value(StoredList, skipped_name(session_id))
    except NotFoundError:
        return ()
    return tuple(
        SkippedItem(
            path=bytes.fromhex(item.path), reason=item.reason, left_out_count=item.left_out_count
        )
        for item in stored.items
    )
