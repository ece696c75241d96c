"""The embedded default: a folder on a disk of one's own.

An object is a file of the same name below the root. It is written to a temporary file in
``.coldhaul-tmp``, synced, linked to its name (which fails if the name exists: create-only, in
one step, across processes), and the folder's entry is synced before the call returns. So a
name appears whole and durable or not at all. Reading never writes: temporary files that a
killed process left are removed by the first write after two days.

The listing shows regular files whose names are names of objects. What else a folder may hold
(links, devices, names with spaces, ``lost+found``) is left out, and never followed.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import unquote_to_bytes, urlsplit

from core.errors import InputError, IntegrityError, NotFoundError, StoreError
from core.stores.folder_errors import translated
from core.stores.folder_tree import Folder, FolderTree, refuse_link
from core.stores.folder_upload import TEMPORARY, FolderUpload, head_of, sweep
from core.stores.ranges import short
from core.stores.store import (
    Keeping,
    ObjectHead,
    UnfinishedUpload,
    check_name,
    check_prefix,
    write_whole,
)

# ``lost+found`` is on every disk whose top folder may be the root.
_RESERVED = frozenset({TEMPORARY, "lost+found"})

_OPEN_OBJECT = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderStore:
    """Objects as files below ``root``. Safe to share between threads and between processes."""

    def __init__(self, root: Path, *, create: bool = False) -> None:
        """Touch nothing yet. With ``create`` a missing root is empty and the first write makes it.

        Without it, and once the root has been seen, a missing root is a ``StoreError``: most often
        a disk that is not mounted.
        """
        self._root = Path(os.path.abspath(root))
        self._tree = FolderTree(self._root, create=create)
        self._is_swept = False

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        """Open the same root anew in another process: descriptors do not travel."""
        return (type(self), (self._root,))

    @classmethod
    def open(cls, location: str | Path, *, create: bool = False) -> Self:
        """Return the store at a path or at a ``file:///path`` url; anything else is refused."""
        return cls(parse_location(os.fspath(location)), create=create)

    @property
    def url(self) -> str:
        """The root as a ``file://`` url."""
        return self._root.as_uri()

    @property
    def vendor(self) -> str:
        """Always ``filesystem``."""
        return "filesystem"

    def obey(self, stop: Callable[[], bool]) -> None:
        """Do nothing: nobody sleeps for a folder."""
        del stop

    def head(self, name: str) -> ObjectHead:
        """Describe an object, or raise ``NotFoundError``."""
        folder, leaf = self._find_folder(name)
        with translated("look at", self._tree.location(name)):
            try:
                status = os.stat(leaf, dir_fd=folder.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                raise self._not_found(name) from None
        self._refuse_other(name, status, folder, leaf)
        return head_of(name, status)

    def get(self, name: str) -> bytes:
        """Return a whole object, or raise ``NotFoundError``."""
        with self._opened(name) as (descriptor, size):
            return self._read(name, descriptor, 0, size)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return exactly these bytes; ``IntegrityError`` if the object ends before them."""
        with self._opened(name) as (descriptor, size):
            if offset < 0 or length < 0 or offset + length > size:
                raise short(self._tree.location(name), size, offset, length)
            return self._read(name, descriptor, offset, length)

    def put(self, name: str, data: bytes) -> ObjectHead:
        """Create an object from bytes, or raise ``ConflictError`` if the name exists."""
        return write_whole(self.upload(name), data)

    def upload(self, name: str, *, is_cold: bool = False) -> FolderUpload:
        """Begin a large object. The caller ends it by ``complete`` or ``abort``."""
        del is_cold  # A folder has one class.
        _check_object_name(name)
        temporary = self._tree.made(TEMPORARY)
        if not self._is_swept:
            self._is_swept = True
            with translated("clean up", self._tree.location(TEMPORARY)):
                sweep(temporary)
        return FolderUpload(self._tree, name, temporary)

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        """Yield the objects whose names start with ``prefix``, in the order of their names.

        Folders are read when the listing comes to them: an object created or deleted meanwhile
        may be listed or not.
        """
        check_prefix(prefix)
        path, _, start = prefix.rpartition("/")
        return self._list(path, start)

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no error. Emptied folders go as well."""
        for name in names:
            _check_object_name(name)
        touched: dict[str, Folder] = {}
        for name in names:
            path, _, leaf = name.rpartition("/")
            folder = self._tree.find(path)
            if folder is None:
                continue
            with translated("delete", self._tree.location(name)):
                try:
                    os.unlink(leaf, dir_fd=folder.descriptor)
                except (FileNotFoundError, IsADirectoryError):
                    continue
            touched[path] = folder
        for path, folder in touched.items():
            with translated("sync the folder", self._tree.location(path)):
                folder.sync()
            self._tree.remove_empty(path)

    def keeping(self, deleted: str) -> Keeping:
        """Say that files are gone at once."""
        del deleted
        return Keeping(is_kept=False)

    def archived(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return nothing: files can be read at any time."""
        del names
        return {}

    def unfinished(self, prefixes: Sequence[str] = ("",)) -> Iterator[UnfinishedUpload]:
        """Yield nothing: temporary files are swept by the writes that follow."""
        del prefixes
        return iter(())

    def discard(self, upload: UnfinishedUpload) -> None:
        """Do nothing, for there is none."""
        del upload

    def _find_folder(self, name: str) -> tuple[Folder, str]:
        """Return the open folder that ``name`` would be in, and its name there."""
        _check_object_name(name)
        path, _, leaf = name.rpartition("/")
        folder = self._tree.find(path)
        if folder is None:
            raise self._not_found(name)
        return folder, leaf

    def _not_found(self, name: str) -> NotFoundError:
        return NotFoundError(f"{self._tree.location(name)} is not there")

    def _refuse_other(self, name: str, status: os.stat_result, folder: Folder, leaf: str) -> None:
        """Let regular files pass: a folder is no object, and anything else has no place here."""
        if stat.S_ISREG(status.st_mode):
            return
        if stat.S_ISDIR(status.st_mode):
            raise self._not_found(name)
        location = self._tree.location(name)
        refuse_link(leaf, folder.descriptor, location)
        raise StoreError(
            f"{location} is not a regular file", hint="move it out of the repository's folder"
        )

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[int, int]]:
        """Open an object for reading and give its descriptor and its size."""
        folder, leaf = self._find_folder(name)
        location = self._tree.location(name)
        with translated("read", location):
            try:
                descriptor = os.open(leaf, _OPEN_OBJECT, dir_fd=folder.descriptor)
            except FileNotFoundError:
                raise self._not_found(name) from None
            except OSError:
                refuse_link(leaf, folder.descriptor, location)
                raise
        try:
            status = os.fstat(descriptor)
            self._refuse_other(name, status, folder, leaf)
            yield descriptor, status.st_size
        finally:
            os.close(descriptor)

    def _read(self, name: str, descriptor: int, offset: int, length: int) -> bytes:
        """Read so many bytes; one system call unless they are gigabytes."""
        chunks = []
        with translated("read", self._tree.location(name)):
            while length > 0:
                chunk = os.pread(descriptor, length, offset)
                if not chunk:
                    raise IntegrityError(f"{self._tree.location(name)} shrank while it was read")
                chunks.append(chunk)
                offset += len(chunk)
                length -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _list(self, path: str, start: str) -> Iterator[ObjectHead]:
        if path.split("/", 1)[0] in _RESERVED:
            return
        folder = self._tree.find(path)
        if folder is None:
            return
        with translated("list", self._tree.location(path)):
            entries = _sorted_entries(folder, start)
        for leaf in entries:
            name = f"{path}/{leaf}" if path else leaf
            if leaf.endswith("/"):
                yield from self._list(name.removesuffix("/"), "")
            elif _is_object_name(name):
                with translated("look at", self._tree.location(name)):
                    status = _status(leaf, folder)
                if status is not None:
                    yield head_of(name, status)


def _sorted_entries(folder: Folder, start: str) -> Sequence[str]:
    """Return the names in a folder that start with ``start``, those of folders with a slash.

    With the slash, sorting them gives the order of the full names: ``a-b`` before ``a/b``.
    """
    entries: list[str] = []
    try:
        # A descriptor of our own: readers of a shared one would take turns at the entries.
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder.descriptor)
    except FileNotFoundError:
        # Removed because it was empty.
        return entries
    try:
        with os.scandir(descriptor) as found:
            for entry in found:
                if not entry.name.startswith(start):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    entries.append(f"{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    entries.append(entry.name)
    finally:
        os.close(descriptor)
    entries.sort()
    return entries


def _status(leaf: str, folder: Folder) -> os.stat_result | None:
    """Return the status of a listed file, None if it is gone or replaced since."""
    try:
        status = os.stat(leaf, dir_fd=folder.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _check_object_name(name: str) -> None:
    check_name(name)
    if name.split("/", 1)[0] in _RESERVED:
        raise InputError(f"{name!r} cannot be the name of an object here: it is reserved")


def _is_object_name(name: str) -> bool:
    try:
        _check_object_name(name)
    except InputError:
        return False
    return True


def parse_location(location: str) -> Path:
    """Return the folder at a path or a ``file:///path`` URL; else an ``InputError``."""
    path = location
    if location.startswith("file:"):
        parts = urlsplit(location)
        path = os.fsdecode(unquote_to_bytes(parts.path))
        if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
            raise InputError(
                f"{location!r} is not the url of a folder",
                hint="write file:///path, with %3F and %23 for ? and #",
            )
        if not path.startswith("/"):
            raise InputError(f"{location!r} is not the url of a folder", hint="write file:///path")
    elif "://" in location:
        raise InputError(f"{location!r} is not the url of a folder", hint="write file:///path")
    if not path or "\0" in path:
        raise InputError(f"{location!r} is not the path of a folder")
    return Path(path)
