"""Which objects of an S3 store have to be retrieved before they can be read."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from core.limits import FETCH_THREADS
from core.stores.classes import needs_retrieval

# Up to so many objects of a folder are looked at one by one; more are cheaper to list.
_HEADS_MAX = 10

_RESTORE = re.compile(r'ongoing-request="(\w+)"(?:,\s*expiry-date="([^"]+)")?')

Head = Callable[[str], Mapping[str, Any] | None]
ListFolder = Callable[[str], Iterator[tuple[str, Mapping[str, Any]]]]


def archived_class(head: Mapping[str, Any], vendor: str, now: datetime) -> str:
    """Return the class of an object that a head says cannot be read now, empty if it can."""
    storage_class = str(head.get("StorageClass", ""))
    tier = str(head.get("ArchiveStatus", ""))
    if not tier and not needs_retrieval(storage_class, vendor):
        return ""
    return "" if _is_restored(str(head.get("Restore", "")), now) else storage_class


def _is_restored(text: str, now: datetime) -> bool:
    """Read the header of a restored copy: it is there, and not yet gone again."""
    found = _RESTORE.search(text)
    if found is None or found[1] != "false":
        return False
    return not found[2] or parsedate_to_datetime(found[2]) > now


def is_listed_restored(status: Mapping[str, Any], now: datetime) -> bool:
    """Say whether the ``RestoreStatus`` of a listing is that of a copy that can be read."""
    until = status.get("RestoreExpiryDate")
    return not status.get("IsRestoreInProgress") and until is not None and until > now


class Archive:
    """Asks one store. ``list_folder`` lists a folder, ``head`` looks at one object."""

    def __init__(self, vendor: str, head: Head, list_folder: ListFolder) -> None:
        """Ask nothing yet."""
        self._vendor = vendor
        self._head = head
        self._list_folder = list_folder

    def find(self, names: Sequence[str]) -> dict[str, str]:
        """Return those of these objects that cannot be read now, with their classes."""
        folders: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            folders.setdefault(name.rpartition("/")[0], []).append(name)
        single: list[str] = []
        found: dict[str, str] = {}
        for folder, members in folders.items():
            if len(members) <= _HEADS_MAX:
                single += members
            else:
                single += self._find_listed(folder, frozenset(members), found)
        found |= self._find_single(single)
        return {name: found[name] for name in dict.fromkeys(names) if name in found}

    def _find_listed(
        self, folder: str, members: frozenset[str], found: dict[str, str]
    ) -> Iterator[str]:
        """Judge the objects of a folder; yield those of which a listing does not say enough."""
        now = datetime.now(UTC)
        for name, entry in self._list_folder(f"{folder}/" if folder else ""):
            if name not in members:
                continue
            storage_class = str(entry.get("StorageClass", ""))
            if storage_class == "INTELLIGENT_TIERING":
                # Its archive tiers show in a head only.
                yield name
            elif needs_retrieval(storage_class, self._vendor):
                status = entry.get("RestoreStatus")
                if status is None:
                    # Not every store lists it.
                    yield name
                elif not is_listed_restored(status, now):
                    found[name] = storage_class

    def _find_single(self, names: Sequence[str]) -> dict[str, str]:
        if not names:
            return {}
        now = datetime.now(UTC)
        with ThreadPoolExecutor(min(FETCH_THREADS, len(names))) as pool:
            heads = list(pool.map(self._head, names))
        return {
            name: storage_class
            for name, head in zip(names, heads, strict=True)
            if head is not None and (storage_class := archived_class(head, self._vendor, now))
        }
