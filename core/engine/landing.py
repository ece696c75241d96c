"""Writing below one folder without ever leaving it.

A file grows under a temporary name in its own folder and appears under its own name whole or not
at all. What stands at a path is replaced only if it is what ``look`` has found there. So two
items whose names are one to the file system, as on one that ignores case, never replace each
other.
"""

import errno
import itertools
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.engine.destination import Folder, Folders, translated
from core.errors import ConflictError, StoreError
from core.plan.restore import Inode, Target

TEMPORARY = b".coldhaul-"

# Nobody else sees what a file or folder holds before its own mode is set.
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_TAKEN = "something of this name is there already: another item, or somebody put it there meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is at a path of the destination."""

    inode: Inode
    is_folder: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingFile:
    """A file that is being written, under a temporary name in its folder."""

    target: Target
    name: bytes


class Landing:
    """A folder that items are written below. Safe to share between threads.

    What is wrong with one item is a ``ConflictError`` or a ``StoreError``; after a
    ``DestinationError`` there is no point in going on. Paths have passed ``path_problem``.
    """

    def __init__(self, top: Path) -> None:
        """Open ``top``, which may be reached through links; make it if it is missing."""
        self._folders = Folders(top)
        self._replacing = threading.Lock()
        self._unfinished: dict[bytes, bytes] = {}
        self._run = TEMPORARY + secrets.token_hex(8).encode() + b"-"
        self._numbers = itertools.count()
        self._umask = _umask()

    def close(self) -> None:
        """Abandon what is unfinished and close the folders."""
        self.abandon_all()
        self._folders.close()

    def abandon_all(self) -> None:
        """Remove the temporary files of what is unfinished."""
        for name, path in list(self._unfinished.items()):
            with suppress(ConflictError, StoreError):  # Its folder was moved or removed.
                self._remove(self._folders.existing(path), name)

    def is_empty(self) -> bool:
        """Say whether nothing at all is in the folder."""
        descriptor = self._folders.top.descriptor
        with translated("read the folder"), os.scandir(descriptor) as entries:
            return next(entries, None) is None

    def look(self, path: bytes) -> Found | None:
        """Return what is at a path; ``ConflictError`` where a folder on the way is none."""
        folder = self._folders.find(_parent(path))
        if folder is None:
            return None
        with translated("look"):
            try:
                status = os.stat(_leaf(path), dir_fd=folder.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                return None
        return Found(inode=_inode(status), is_folder=stat.S_ISDIR(status.st_mode))

    def make_folder(self, path: bytes) -> None:
        """Make a folder that only its owner can enter until ``finish_folder``."""
        folder = self._folders.make(_parent(path))
        with translated("make the folder"):
            try:
                os.mkdir(_leaf(path), _PRIVATE_FOLDER, dir_fd=folder.descriptor)
            except FileExistsError:
                raise ConflictError(_TAKEN) from None

    def open_up_folder(self, path: bytes) -> None:
        """Let the owner write into a folder that is there, until ``finish_folder``."""
        descriptor = self._folders.existing(path).descriptor
        with translated("open the folder up"):
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            if mode & _PRIVATE_FOLDER != _PRIVATE_FOLDER:
                os.fchmod(descriptor, mode | _PRIVATE_FOLDER)

    def finish_folder(self, path: bytes, mode: int | None, modified: int) -> None:
        """Give a folder its mode and time; nothing below it can be written afterwards."""
        descriptor = self._folders.existing(path).descriptor
        with translated("set the mode and time of the folder"):
            os.fchmod(descriptor, 0o777 & ~self._umask if mode is None else mode)
            os.utime(descriptor, ns=(modified, modified))

    def write_file(self, target: Target, content: bytes | memoryview) -> None:
        """Write a whole file."""
        with self._created(target) as (growing, descriptor):
            with translated("write"):
                _write(descriptor, content, 0)
            self._finish(growing, descriptor)

    def begin_file(self, target: Target) -> GrowingFile:
        """Begin a file; it is finished or abandoned by the caller, or abandoned by ``close``."""
        with self._created(target) as (growing, _):
            return growing

    def write_piece(self, growing: GrowingFile, content: bytes | memoryview, offset: int) -> None:
        """Write a piece to its place, in any order and from any thread."""
        with self._opened(growing) as descriptor, translated("write"):
            _write(descriptor, content, offset)

    def finish_file(self, growing: GrowingFile) -> None:
        """Give a file its mode, time and name, or leave nothing of it."""
        try:
            with self._opened(growing) as descriptor:
                self._finish(growing, descriptor)
        except BaseException:
            self.abandon_file(growing)
            raise

    def abandon_file(self, growing: GrowingFile) -> None:
        """Remove the temporary file. Harmless after the file is finished."""
        if growing.name in self._unfinished:
            self._remove(self._folder_of(growing), growing.name)

    def make_link(self, path: bytes, target: bytes, modified: int, replaces: Inode | None) -> None:
        """Make a symbolic link. Make all of them last: nothing is written through a link."""
        folder, leaf = self._folders.make(_parent(path)), _leaf(path)
        name = self._new_name(path) if replaces else leaf
        try:
            with translated("make the link"):
                _make_link(folder.descriptor, name, target)
            problem = _set_link_time(folder.descriptor, name, modified)
            if replaces:
                self._replace(folder, name, leaf, replaces)
        except BaseException:
            if replaces:
                self._remove(folder, name)
            raise
        if problem:
            raise StoreError(f"restored, but its time could not be set: {problem}")

    def _folder_of(self, growing: GrowingFile) -> Folder:
        return self._folders.existing(_parent(growing.target.path))

    def _new_name(self, path: bytes) -> bytes:
        name = self._run + b"%x" % next(self._numbers)
        self._unfinished[name] = _parent(path)
        return name

    @contextmanager
    def _created(self, target: Target) -> Iterator[tuple[GrowingFile, int]]:
        folder = self._folders.make(_parent(target.path))
        growing = GrowingFile(target=target, name=self._new_name(target.path))
        try:
            with translated("make a file"):
                descriptor = os.open(growing.name, _CREATE, _PRIVATE_FILE, dir_fd=folder.descriptor)
            try:
                yield growing, descriptor
            finally:
                os.close(descriptor)
        except BaseException:
            self._remove(folder, growing.name)
            raise

    @contextmanager
    def _opened(self, growing: GrowingFile) -> Iterator[int]:
        # Opened for each piece: very many files may be growing at once.
        folder = self._folder_of(growing)
        with translated("write"):
            descriptor = os.open(growing.name, _WRITE, dir_fd=folder.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _finish(self, growing: GrowingFile, descriptor: int) -> None:
        """Set mode and time and give the file its name, in one step."""
        folder, target, leaf = self._folder_of(growing), growing.target, _leaf(growing.target.path)
        mode = 0o666 & ~self._umask if target.mode is None else target.mode
        problem = _set_attributes(descriptor, mode, target.modified)
        if target.replaces:
            self._replace(folder, growing.name, leaf, target.replaces)
        else:
            with translated("name the file"):
                _link(folder.descriptor, growing.name, leaf)
            del self._unfinished[growing.name]
        if problem:
            raise StoreError(f"restored, but its mode and time could not be set: {problem}")

    def _replace(self, folder: Folder, name: bytes, leaf: bytes, replaces: Inode) -> None:
        """Put what is called ``name`` in the place of ``replaces``."""
        descriptor = folder.descriptor
        # One at a time: two names that are one to the file system must not both find the old
        # file and replace it.
        with self._replacing, translated("replace what is there"):
            try:
                there = _inode(os.stat(leaf, dir_fd=descriptor, follow_symlinks=False))
            except FileNotFoundError:
                there = replaces
            if there != replaces:
                raise ConflictError(_TAKEN)
            os.rename(name, leaf, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        del self._unfinished[name]

    def _remove(self, folder: Folder, name: bytes) -> None:
        self._unfinished.pop(name, None)
        with translated("remove a temporary file"), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder.descriptor)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _make_link(descriptor: int, name: bytes, target: bytes) -> None:
    try:
        os.symlink(target, name, dir_fd=descriptor)
    except FileExistsError:
        raise ConflictError(_TAKEN) from None


def _set_link_time(descriptor: int, name: bytes, modified: int) -> str:
    """Return what is wrong with that, which loses no link."""
    try:
        os.utime(name, ns=(modified, modified), dir_fd=descriptor, follow_symlinks=False)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _set_attributes(descriptor: int, mode: int, modified: int) -> str:
    """Return what is wrong with that, which loses no content."""
    try:
        os.fchmod(descriptor, mode)
        os.utime(descriptor, ns=(modified, modified))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _link(descriptor: int, temporary: bytes, leaf: bytes) -> None:
    """Give a file the name that nothing has yet."""
    try:
        os.link(
            temporary, leaf, src_dir_fd=descriptor, dst_dir_fd=descriptor, follow_symlinks=False
        )
        os.unlink(temporary, dir_fd=descriptor)
    except FileExistsError:
        raise ConflictError(_TAKEN) from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _reserve(descriptor, leaf)
        os.rename(temporary, leaf, src_dir_fd=descriptor, dst_dir_fd=descriptor)


def _reserve(descriptor: int, leaf: bytes) -> None:
    """Take a name on a file system without hard links, so that nothing is replaced."""
    try:
        os.close(os.open(leaf, _CREATE, _PRIVATE_FILE, dir_fd=descriptor))
    except FileExistsError:
        raise ConflictError(_TAKEN) from None


def _write(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def _inode(status: os.stat_result) -> Inode:
    return Inode(device=status.st_dev, number=status.st_ino)


def _parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _leaf(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]
