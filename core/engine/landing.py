"""Writing below one folder without ever leaving it.

Every folder is reached from its parent's descriptor and never through a symbolic link, so no
item, and nobody who changes the destination meanwhile, leads a write out of it. A file grows
under a temporary name in its own folder and appears under its own name whole or not at all.

What stands at a path is replaced only if it is what ``look`` has found there. So two items whose
names are one to the file system, as on one that ignores case, never replace each other.
"""

import errno
import itertools
import os
import secrets
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from core.errors import ConflictError, InputError, StoreError
from core.plan.restore import FileTarget, Inode

TEMPORARY = b".coldhaul-"

# Open folders: enough for some threads in deep trees, far below the usual limit of descriptors.
OPEN_FOLDERS_MAX = 128

# Nobody else sees what a file or folder holds before its own mode is set.
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_BELOW = _OPEN_FOLDER | os.O_NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC

# After these every further item would fail as well.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_NO_FOLDER = "a file or a link stands where a folder on the way has to be"
_TAKEN = "something of this name is there already: another item, or somebody put it there meanwhile"


class DestinationError(StoreError):
    """The destination takes nothing more, whatever the item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is at a path of the destination."""

    inode: Inode
    is_folder: bool


class _Folder:
    """An open folder. The descriptor is closed when the last user lets go of it."""

    __slots__ = ("_close", "descriptor")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        # Kept, because ``os`` may be gone when an interpreter ends.
        self._close: Callable[[int], None] = os.close

    def __del__(self) -> None:
        self._close(self.descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingFile:
    """A file that is being written in several pieces, under a temporary name in its folder."""

    target: FileTarget
    name: bytes


class Landing:
    """A folder that items are written below. Safe to share between threads.

    What is wrong with one item is a ``ConflictError`` or a ``StoreError``; after a
    ``DestinationError`` there is no point in going on. Paths have passed ``path_problem``.
    """

    def __init__(self, root: Path) -> None:
        """Open ``root``, which may be reached through links; make it if it is missing."""
        self._top = _open_root(root)
        self._open: OrderedDict[bytes, _Folder] = OrderedDict()
        self._opening = threading.Lock()
        self._replacing = threading.Lock()
        self._growing: dict[bytes, GrowingFile] = {}
        self._run = TEMPORARY + secrets.token_hex(8).encode() + b"-"
        self._numbers = itertools.count()
        self._umask = _umask()

    def close(self) -> None:
        """Remove the temporary files of what is unfinished and close the folders."""
        for growing in list(self._growing.values()):
            self.abandon_file(growing)
        self._open.clear()

    def is_empty(self) -> bool:
        """Say whether nothing at all is in the folder."""
        with _translated("read the folder"), os.scandir(self._top.descriptor) as entries:
            return next(entries, None) is None

    def look(self, path: bytes) -> Found | None:
        """Return what is at a path; ``ConflictError`` where a folder on the way is none."""
        folder = self._find(_parent(path))
        if folder is None:
            return None
        with _translated("look"):
            try:
                status = os.stat(_leaf(path), dir_fd=folder.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                return None
        return Found(inode=_inode(status), is_folder=stat.S_ISDIR(status.st_mode))

    def make_folder(self, path: bytes) -> None:
        """Make a folder that only its owner can enter until ``finish_folder``."""
        folder = self._make(_parent(path))
        with _translated("make the folder"):
            try:
                os.mkdir(_leaf(path), _PRIVATE_FOLDER, dir_fd=folder.descriptor)
            except FileExistsError:
                raise ConflictError(_TAKEN) from None

    def open_up_folder(self, path: bytes) -> None:
        """Let the owner write into a folder that is there, until ``finish_folder``."""
        descriptor = self._existing(path).descriptor
        with _translated("open the folder up"):
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            if mode & _PRIVATE_FOLDER != _PRIVATE_FOLDER:
                os.fchmod(descriptor, mode | _PRIVATE_FOLDER)

    def finish_folder(self, path: bytes, mode: int | None, modified: int) -> None:
        """Give a folder its mode and time; nothing below it can be written afterwards."""
        descriptor = self._existing(path).descriptor
        with _translated("set the mode and time of the folder"):
            os.utime(descriptor, ns=(modified, modified))
            os.fchmod(descriptor, 0o777 & ~self._umask if mode is None else mode)

    def write_file(self, target: FileTarget, content: bytes | memoryview) -> None:
        """Write a whole file."""
        growing = self.begin_file(target)
        try:
            with self._opened(growing) as descriptor:
                _write(descriptor, content, 0)
                problem = self._finish(descriptor, target)
            self._publish(growing, problem)
        except BaseException:
            self.abandon_file(growing)
            raise

    def begin_file(self, target: FileTarget) -> GrowingFile:
        """Begin a file; it is finished or abandoned by the caller, or abandoned by ``close``."""
        growing = GrowingFile(target=target, name=self._new_name())
        folder = self._make(_parent(target.path))
        with _translated("make a file"):
            os.close(os.open(growing.name, _CREATE, _PRIVATE_FILE, dir_fd=folder.descriptor))
        self._growing[growing.name] = growing
        return growing

    def write_piece(self, growing: GrowingFile, content: bytes | memoryview, offset: int) -> None:
        """Write a piece to its place, in any order and from any thread."""
        # Opened each time: very many files may be growing at once.
        with self._opened(growing) as descriptor:
            _write(descriptor, content, offset)

    def finish_file(self, growing: GrowingFile) -> None:
        """Give a file its mode, time and name, or leave nothing of it."""
        try:
            with self._opened(growing) as descriptor:
                problem = self._finish(descriptor, growing.target)
            self._publish(growing, problem)
        except BaseException:
            self.abandon_file(growing)
            raise

    def abandon_file(self, growing: GrowingFile) -> None:
        """Remove the temporary file. Harmless after the file is finished."""
        if self._growing.pop(growing.name, None) is None:
            return
        try:
            _remove(self._existing(_parent(growing.target.path)), growing.name)
        except (ConflictError, StoreError):
            return  # Its folder was removed or moved meanwhile.

    def make_link(self, path: bytes, target: bytes, modified: int, replaces: Inode | None) -> None:
        """Make a symbolic link. Make all of them last: nothing is written through a link."""
        folder = self._make(_parent(path))
        name = _leaf(path) if replaces is None else self._new_name()
        with _translated("make the link"):
            try:
                os.symlink(target, name, dir_fd=folder.descriptor)
            except FileExistsError:
                raise ConflictError(_TAKEN) from None
        try:
            with _translated("set the time of the link, which is there"):
                times = (modified, modified)
                os.utime(name, ns=times, dir_fd=folder.descriptor, follow_symlinks=False)
        finally:
            if replaces is not None:
                self._replace_or_remove(folder, name, _leaf(path), replaces)

    def _new_name(self) -> bytes:
        return self._run + b"%x" % next(self._numbers)

    @contextmanager
    def _opened(self, growing: GrowingFile) -> Iterator[int]:
        folder = self._existing(_parent(growing.target.path))
        with _translated("write"):
            descriptor = os.open(growing.name, _WRITE, dir_fd=folder.descriptor)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def _finish(self, descriptor: int, target: FileTarget) -> str:
        """Set mode and time; return what is wrong with that, which loses no content."""
        try:
            os.utime(descriptor, ns=(target.modified, target.modified))
            os.fchmod(descriptor, 0o666 & ~self._umask if target.mode is None else target.mode)
        except OSError as error:
            return error.strerror
        return ""

    def _publish(self, growing: GrowingFile, problem: str) -> None:
        """Give a finished temporary file its name, in one step."""
        target = growing.target
        folder = self._existing(_parent(target.path))
        if target.replaces is None:
            with _translated("name the file"):
                _link(folder.descriptor, growing.name, _leaf(target.path))
        else:
            self._replace_or_remove(folder, growing.name, _leaf(target.path), target.replaces)
        self._growing.pop(growing.name, None)
        if problem:
            raise StoreError(f"restored, but its mode and time could not be set: {problem}")

    def _replace_or_remove(
        self, folder: _Folder, name: bytes, leaf: bytes, replaces: Inode
    ) -> None:
        """Put what is called ``name`` in the place of ``replaces``, or remove it."""
        descriptor = folder.descriptor
        # One at a time: two names that are one to the file system must not both find the old
        # file and replace it.
        with self._replacing, _translated("replace what is there"):
            try:
                there = _inode(os.stat(leaf, dir_fd=descriptor, follow_symlinks=False))
            except FileNotFoundError:
                there = replaces
            if there != replaces:
                _remove(folder, name)
                raise ConflictError(_TAKEN)
            try:
                os.rename(name, leaf, src_dir_fd=descriptor, dst_dir_fd=descriptor)
            except OSError:
                _remove(folder, name)
                raise

    def _find(self, path: bytes) -> _Folder | None:
        """Open a folder, or return None where there is none."""
        with self._opening:
            return self._walk(path, make=False)

    def _existing(self, path: bytes) -> _Folder:
        folder = self._find(path)
        if folder is None:
            raise StoreError("the folder it belongs into has vanished")
        return folder

    def _make(self, path: bytes) -> _Folder:
        """Open a folder; those on the way that the restore point has no rows for are made."""
        with self._opening:
            folder = self._walk(path, make=True)
        assert folder is not None
        return folder

    def _walk(self, path: bytes, *, make: bool) -> _Folder | None:
        """Open a folder from the nearest open one above it."""
        above = path
        while above and above not in self._open:
            above = _parent(above)
        folder = self._open.get(above, self._top)
        if above:
            self._open.move_to_end(above)
        rest = path[len(above) + bool(above) :]
        for component in rest.split(b"/") if rest else ():
            below = _open_below(folder, component, make=make)
            if below is None:
                return None
            folder = below
            above = above + b"/" + component if above else component
            self._open[above] = folder
            if len(self._open) > OPEN_FOLDERS_MAX:
                self._open.popitem(last=False)
        return folder


def _open_root(root: Path) -> _Folder:
    try:
        root.mkdir(parents=True, exist_ok=True)
        return _Folder(os.open(root, _OPEN_FOLDER))
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{root} is not a folder", hint="Name another folder.") from None
    except OSError as error:
        raise StoreError(f"cannot make or open the folder {root}: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _open_below(folder: _Folder, leaf: bytes, *, make: bool) -> _Folder | None:
    with _translated("open a folder on the way"):
        try:
            return _Folder(os.open(leaf, _OPEN_BELOW, dir_fd=folder.descriptor))
        except FileNotFoundError:
            if not make:
                return None
        except OSError as error:
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                raise ConflictError(_NO_FOLDER) from None
            raise
        # Somebody else may make it at the same moment.
        with suppress(FileExistsError):
            os.mkdir(leaf, dir_fd=folder.descriptor)
        return _open_below(folder, leaf, make=False)


def _link(descriptor: int, temporary: bytes, leaf: bytes) -> None:
    try:
        os.link(
            temporary, leaf, src_dir_fd=descriptor, dst_dir_fd=descriptor, follow_symlinks=False
        )
    except FileExistsError:
        raise ConflictError(_TAKEN) from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
    else:
        os.unlink(temporary, dir_fd=descriptor)
        return
    # A file system without hard links: take the name first, so that nothing is replaced.
    try:
        os.close(os.open(leaf, _CREATE, _PRIVATE_FILE, dir_fd=descriptor))
    except FileExistsError:
        raise ConflictError(_TAKEN) from None
    os.rename(temporary, leaf, src_dir_fd=descriptor, dst_dir_fd=descriptor)


def _write(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def _remove(folder: _Folder, name: bytes) -> None:
    with _translated("remove a temporary file"), suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder.descriptor)


def _inode(status: os.stat_result) -> Inode:
    return Inode(device=status.st_dev, number=status.st_ino)


def _parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _leaf(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


@contextmanager
def _translated(action: str) -> Iterator[None]:
    """Turn what the operating system refuses into our errors."""
    try:
        yield
    except OSError as error:
        _refuse(action, error)


def _refuse(action: str, error: OSError) -> NoReturn:
    reason = error.strerror or "the operating system refused"
    if error.errno in _HOPELESS:
        raise DestinationError(
            f"cannot {action} in the destination: {reason}",
            hint="What was restored so far is whole. Make room, or choose another folder, and "
            "restore again, over what is there.",
        ) from error
    raise StoreError(f"cannot {action}: {reason}") from error
