"""Which folder a repository takes backups of, and which it refuses."""

import os
from contextlib import suppress
from urllib.parse import unquote_to_bytes, urlsplit

from core.errors import InputError
from core.format import names
from core.model import Record
from core.sources.repository import Repository
from core.stores.store import Store


def data_set_of(location: bytes) -> str:
    """Write a folder's real path as text: as it is, or ``hex:`` and digits where it is no UTF-8."""
    try:
        return location.decode()
    except UnicodeDecodeError:
        return f"hex:{location.hex()}"


def refuse_copies(repository: Repository) -> None:
    """A copy's target cannot be a source, and what takes backups is one."""
    own_id = repository.identity.id
    is_target = any(True for _ in repository.store.list(names.JOBS))
    if is_target or any(name.source_id != own_id for name in repository.list_records()):
        raise InputError(
            f"{repository.store.url} holds copies of another repository and cannot take backups",
            hint="Back up to a repository of its own, and let a job copy that one here.",
        )


def refuse_other_folder(repository: Repository, data_set: str, parent: Record | None) -> None:
    """A hot repository holds one data set; ``parent`` is its newest point."""
    if parent is not None and parent.data_set != data_set:
        raise InputError(
            f"{repository.store.url} holds backups of {parent.data_set!r}, not of {data_set!r}",
            hint="A repository holds one data set: create another repository for this folder.",
        )


def refuse_overlap(store: Store, location: bytes) -> None:
    """Keep a repository on a disk, and the folder at a real path, out of each other."""
    if store.vendor != "filesystem":
        return
    root = os.path.realpath(unquote_to_bytes(urlsplit(store.url).path))
    folder = os.fsdecode(location)
    if is_within(root, location):
        raise InputError(
            f"the repository {store.url} is inside the folder {folder!r} and would back up itself",
            hint="Move the repository out of the folder, or back up another folder.",
        )
    if is_within(location, root):
        raise InputError(
            f"the folder {folder!r} is inside the repository {store.url}",
            hint="Name the folder that holds your data.",
        )


def is_within(inner: bytes, outer: bytes) -> bool:
    """Say whether a real path is another or below it, also by another name for the same folder."""
    while inner != outer:
        with suppress(OSError):
            if os.path.samestat(os.stat(inner), os.stat(outer)):
                return True
        parent = os.path.dirname(inner)
        if parent == inner:
            return False
        inner = parent
    return True
