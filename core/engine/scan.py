"""A folder tree as items, whatever is in it and whatever is done to it meanwhile.

Every folder is opened from its parent's descriptor and no link is ever followed, so what is
read is below the root, however the tree is changed under the reader. Nothing is opened but
folders: a FIFO cannot hold the scan up.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from core.catalog.layers import NO_FLOOR
from core.engine.skipped import SkipList, UnreadableError, reading
from core.errors import InputError, NotReadyError, StoreError
from core.limits import PATH_COMPONENT_SIZE_MAX, PATH_SIZE_MAX
from core.model import Item, ItemKind

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_SPECIAL = {
    stat.S_IFIFO: "is a fifo",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}

# Times are stored as 64-bit nanoseconds: 1677 to 2262. A file system that goes further gets the
# nearest such time: content matters more than a year that nobody has seen.
_TIME_MIN, _TIME_MAX = NO_FLOOR, (1 << 63) - 1


class Folder:
    """An open folder. The descriptor is closed when the last user lets go of it."""

    __slots__ = ("_close", "descriptor")

    def __init__(self, descriptor: int) -> None:
        """Own the descriptor."""
        self.descriptor = descriptor
        # Kept, because ``os`` may be gone when an interpreter ends.
        self._close: Callable[[int], None] = os.close

    def __del__(self) -> None:
        """Close the descriptor."""
        self._close(self.descriptor)


class Tree:
    """The folder that is backed up. For one thread; the folders it gives out are for any."""

    def __init__(self, root: Path) -> None:
        """Open the folder; ``InputError`` if it is none or may not be read."""
        self.location = os.fsencode(os.path.realpath(root))
        try:
            self._root = Folder(os.open(self.location, _OPEN_FOLDER))
        except OSError as error:
            raise InputError(
                f"cannot back up {str(root)!r}: {os.strerror(error.errno or 0)}",
                hint="Name a folder that exists and that this user may read.",
            ) from error
        status = os.fstat(self._root.descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self._last = (b"", self._root)

    def open_folder(self, path: bytes) -> Folder:
        """Open a folder by its path below the root, ``b""`` being the root itself.

        ``UnreadableError`` when it is not there any more, or when there is a link on the way.
        """
        # Folders come one beside or below the other, which saves most of the way.
        last_path, folder = self._last
        if path == last_path:
            return folder
        if not last_path or path.startswith(last_path + b"/"):
            way = path[len(last_path) :].lstrip(b"/")
        else:
            way, folder = path, self._root
        with reading():
            for name in way.split(b"/") if way else ():
                folder = Folder(os.open(name, _OPEN_FOLDER, dir_fd=folder.descriptor))
        self._last = (path, folder)
        return folder

    def check_in_place(self) -> None:
        """Raise ``NotReadyError`` if the folder is not where it was: moved, deleted, unmounted."""
        try:
            status = os.stat(self.location)
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self.identity:
            raise NotReadyError(
                f"the folder {os.fsdecode(self.location)!r} was moved, replaced or unmounted while"
                " it was backed up; nothing was published",
                hint="Run the backup again.",
            )


def scan_tree(
    tree: Tree, skips: SkipList, excluded: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[Item]:
    """Yield an item for everything below the root, files still without blobs, in any order.

    What cannot be backed up is added to ``skips`` instead; of a folder that cannot be listed,
    the folder itself is yielded. Folders whose (device, inode) is ``excluded`` are passed over.
    A path may come twice when names are moved about meanwhile. Memory grows with the folders
    that wait to be read, never with files.
    """
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        try:
            for item in _scan_folder(tree.open_folder(path), path, skips, excluded):
                if item.kind is ItemKind.FOLDER:
                    waiting.append(item.path)
                yield item
        except UnreadableError as error:
            if not path:
                raise StoreError(f"the folder to back up {error}") from error
            skips.add(path, str(error))


def file_item(path: bytes, status: os.stat_result) -> Item:
    """Return a file's item without blobs; ``changed`` is what tells the next backup of edits."""
    changed = _stored_time(status.st_ctime_ns)
    return Item(
        path=path,
        kind=ItemKind.FILE,
        size=status.st_size,
        modified=_stored_time(status.st_mtime_ns),
        metadata=f'{{"changed":{changed},"mode":{stat.S_IMODE(status.st_mode)}}}',
    )


def _scan_folder(
    folder: Folder, path: bytes, skips: SkipList, excluded: frozenset[tuple[int, int]]
) -> Iterator[Item]:
    with reading():
        entries = os.scandir(folder.descriptor)
    with entries:
        while True:
            with reading():
                entry = next(entries, None)
            if entry is None:
                return
            name = os.fsencode(entry.name)
            below = path + b"/" + name if path else name
            try:
                item = _item(folder, entry, below, excluded)
            except UnreadableError as error:
                skips.add(below, str(error))
                continue
            if item is not None:
                yield item


def _item(
    folder: Folder,
    entry: "os.DirEntry[str]",
    path: bytes,
    excluded: frozenset[tuple[int, int]],
) -> Item | None:
    if len(path) > PATH_SIZE_MAX:
        raise UnreadableError(f"has a path of more than {PATH_SIZE_MAX} bytes")
    if len(path) - path.rfind(b"/") - 1 > PATH_COMPONENT_SIZE_MAX:
        raise UnreadableError(f"has a name of more than {PATH_COMPONENT_SIZE_MAX} bytes")
    with reading():
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(os.fsencode(entry.name), dir_fd=folder.descriptor)
            return _link_item(path, status, target)
    if stat.S_ISREG(status.st_mode):
        return file_item(path, status)
    if stat.S_ISDIR(status.st_mode):
        is_excluded = (status.st_dev, status.st_ino) in excluded
        return None if is_excluded else _folder_item(path, status)
    raise UnreadableError(special_reason(status.st_mode))


def special_reason(mode: int) -> str:
    """Say what a thing is that is neither file, folder nor link."""
    return _SPECIAL.get(stat.S_IFMT(mode), "is neither file, folder nor link")


def _folder_item(path: bytes, status: os.stat_result) -> Item:
    return Item(
        path=path,
        kind=ItemKind.FOLDER,
        modified=_stored_time(status.st_mtime_ns),
        metadata=f'{{"mode":{stat.S_IMODE(status.st_mode)}}}',
    )


def _link_item(path: bytes, status: os.stat_result, target: bytes) -> Item:
    mode = stat.S_IMODE(status.st_mode)
    return Item(
        path=path,
        kind=ItemKind.LINK,
        modified=_stored_time(status.st_mtime_ns),
        metadata=f'{{"mode":{mode},"target":"{target.hex()}"}}',
    )


def _stored_time(nanoseconds: int) -> int:
    return min(max(nanoseconds, _TIME_MIN), _TIME_MAX)
