"""Folders below a root, opened without following links and made so that a power cut keeps them.

Every folder is reached from its parent's descriptor, so nothing below the root can lead out of
it: a symbolic link is an error, never a way. The root itself may be one. Descriptors are kept,
which makes small writes cheap, and each use first checks that the folder is still at its path:
a folder that was removed, moved or unmounted meanwhile is opened or made anew.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

from core.errors import StoreError
from core.stores.bucket import UNNAMED
from core.stores.folder_errors import translated

FOLDER_MODE = 0o700

# Of all stores of a process together: a service has many, and the usual limit is 1,024 descriptors.
# Two that have the 256 folders of loose blobs, and some more, find theirs open.
OPEN_FOLDERS_MAX = 640

# How often a folder may be removed at the very moment it is used before somebody else is blamed.
FOLDER_TRIES = 100

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Folder:
    """An open folder. The descriptor is closed when the last user lets go of it."""

    __slots__ = ("_close", "_identity", "descriptor", "is_durable")

    def __init__(self, descriptor: int) -> None:
        """Own the descriptor."""
        # Kept, because ``os`` may be gone when an interpreter ends.
        self._close: Callable[[int], None] = os.close
        self.descriptor = descriptor
        self.is_durable = False
        status = os.fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)

    @property
    def device(self) -> int:
        """The number of the file system that it is in."""
        return self._identity[0]

    def is_at(self, path: str) -> bool:
        """Say whether ``path`` still leads here. An open folder's inode is never reused."""
        try:
            status = os.stat(path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def sync(self) -> None:
        """Make the entries of this folder durable."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            # Some network file systems have no such call because their servers make every
            # change of a folder durable before they answer.
            if error.errno != errno.EINVAL:
                raise

    def __del__(self) -> None:
        """Close the descriptor."""
        self._close(self.descriptor)


class FolderTree:
    """The folders below one root, by their paths relative to it; ``""`` is the root."""

    def __init__(self, root: Path, *, create: bool, is_foreign: bool = False) -> None:
        """Touch nothing yet. With ``create`` a missing root is empty and ``make`` makes it.

        That holds until the root is seen: one that is missing later has been unmounted, and so
        has one that is in another file system.
        ``is_foreign`` says that what is below is others', and its names belong into no message.
        """
        self.root = str(root)
        self._is_foreign = is_foreign
        self._create = create
        self._may_be_missing = create
        self._device = 0
        self._open: dict[str, Folder] = {}
        with _counting:
            _trees.add(self)

    def location(self, path: str) -> str:
        """Return where ``path`` is on the disk, for messages."""
        return self._place(UNNAMED if self._is_foreign and path else path)

    def items(self, path: str) -> tuple[str, ...]:
        """Return what ``location`` leaves out."""
        return (path,) if self._is_foreign and path else ()

    def _place(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def find(self, path: str) -> Folder | None:
        """Open a folder, or return None if there is none. A missing root is a ``StoreError``."""
        known = self._open.get(path)
        if known is not None and known.is_at(self._place(path)):
            return known
        with translated("open the folder", self.location(path), self.items(path)):
            folder = self._open_below(path) if path else self._open_root()
        if folder is not None:
            _make_room()
            self._open[path] = folder
        return folder

    def make(self, path: str) -> Folder | None:
        """Open a folder, made if it is missing, with its whole path durable up to the root.

        None when somebody removes it at the same moment; then it is worth trying again.
        """
        folder = self.find(path)
        if folder is not None and folder.is_durable:
            return folder
        if not path:
            return self._make_root()
        parent_path, _, leaf = path.rpartition("/")
        parent = self.make(parent_path)
        if parent is None:
            return None
        with translated("make the folder", self.location(path), self.items(path)):
            if folder is None and not _make_folder(leaf, parent.descriptor):
                return None
            folder = self.find(path)
            if folder is not None:
                # Also when it was there: whoever made it may not have come to this line yet.
                parent.sync()
                folder.is_durable = True
        return folder

    def made(self, path: str) -> Folder:
        """Open or make a folder as ``make`` does, however often it is removed meanwhile."""
        for _ in range(FOLDER_TRIES):
            folder = self.make(path)
            if folder is not None:
                return folder
        raise StoreError(
            f"cannot make the folder {self.location(path)}: it vanishes each time",
            hint="find out which other program removes folders there",
            items=self.items(path),
        )

    def remove_empty(self, path: str) -> None:
        """Remove a folder, and its parents, as far as they are empty. The root stays."""
        while path:
            parent_path, _, leaf = path.rpartition("/")
            parent = self.find(parent_path)
            if parent is None:
                return
            try:
                os.rmdir(leaf, dir_fd=parent.descriptor)
            except OSError:
                # Not empty, gone already, or not ours to remove: an empty folder does no harm.
                return
            self._open.pop(path, None)
            path = parent_path

    def _open_root(self) -> Folder | None:
        # Asked before: another thread may make the root, and see it, while this one misses it.
        may_be_missing = self._may_be_missing
        try:
            root = Folder(os.open(self.root, _OPEN_FOLDER))
        except FileNotFoundError:
            if may_be_missing:
                return None
            raise StoreError(
                f"the folder {self.root} is not there",
                hint="mount the disk that holds it, or correct the repository's url",
            ) from None
        except NotADirectoryError:
            raise StoreError(
                f"{self.root} is not a folder", hint="correct the repository's url"
            ) from None
        self._may_be_missing = False
        return self.same(root)

    def same(self, root: Folder) -> Folder:
        """Return the root if it is in the file system in which it was first seen.

        What is left where a disk was mounted is an empty folder: files are not gone with it, and
        nothing belongs there.
        """
        self._device = self._device or root.device
        if root.device != self._device:
            raise StoreError(
                f"{self.root} is in another file system than before",
                hint="mount the disk that holds it again, then run the command again",
            )
        return root

    def _open_below(self, path: str) -> Folder | None:
        parent_path, _, leaf = path.rpartition("/")
        parent = self.find(parent_path)
        if parent is None:
            return None
        try:
            flags = _OPEN_FOLDER | os.O_NOFOLLOW
            return Folder(os.open(leaf, flags, dir_fd=parent.descriptor))
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            try:
                refuse_link(leaf, parent.descriptor, self.location(path))
            except StoreError as error:
                raise error.about(self.items(path)) from None
            return None

    def _make_root(self) -> Folder | None:
        root = Path(self.root)
        with translated("make the folder", self.root):
            if self._create:
                _make_durable(root)
            folder = self.find("")
            if folder is not None:
                folder.is_durable = True
        return folder


# One that a thread may take twice: what is collected at that moment may use folders as it ends.
_counting = threading.RLock()
_trees: "WeakSet[FolderTree]" = WeakSet()


def _make_room() -> None:
    """Let one more folder be open; what is closed for it is opened again when it is needed."""
    with _counting:
        if sum(len(tree._open) for tree in _trees) >= OPEN_FOLDERS_MAX:
            for tree in _trees:
                tree._open.clear()


def _make_folder(leaf: str, parent: int) -> bool:
    """Make one folder; False when it or its parent is removed at the same moment."""
    try:
        os.mkdir(leaf, FOLDER_MODE, dir_fd=parent)
    except FileNotFoundError:
        return False
    except FileExistsError:
        return _is_folder(leaf, parent)
    return True


def _is_folder(leaf: str, parent: int) -> bool:
    """Say whether a folder is there; ``NotADirectoryError`` if it is something else."""
    try:
        status = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), leaf)
    return True


def _make_durable(folder: Path) -> None:
    """Make a folder with its parents, each one's entry synced, in order from the top."""
    if not folder.parent.exists():
        _make_durable(folder.parent)
    folder.mkdir(FOLDER_MODE, exist_ok=True)
    try:
        parent = Folder(os.open(folder.parent, _OPEN_FOLDER))
    except PermissionError:
        # A folder that we may not read is none that we made; its entries are others' business.
        return
    parent.sync()


def refuse_link(leaf: str, parent: int, location: str) -> None:
    """Raise ``StoreError`` if ``leaf`` is a symbolic link."""
    try:
        status = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        raise StoreError(
            f"{location} is a symbolic link, and a store follows none below its folder",
            hint="put the real folder or file in its place",
        )
