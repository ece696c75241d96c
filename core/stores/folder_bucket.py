"""The embedded default of a bucket: any tool's files below a folder, each an object.

A key is the path below the root, ``surrogateescape`` standing for bytes that are no UTF-8. Links
are neither listed nor followed, and other files than regular ones are no objects. An ETag is made
of what the file system says of a file, so whoever changes a file changes it. A file has no
properties: what is put back here loses them.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path

from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.limits import PATH_COMPONENT_SIZE_MAX
from core.stores.bucket import ListedObject, ListPage, ObjectPart, Properties
from core.stores.folder import parse_location
from core.stores.folder_errors import translated
from core.stores.folder_tree import Folder, FolderTree
from core.stores.folder_upload import TEMPORARY, FolderUpload, sweep

PAGE_OBJECTS = 1_000
# Listings that wait for somebody to ask for their next page; past them a page begins anew.
_LISTINGS_KEPT = 64

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# One object, or a common prefix.
_Entry = ListedObject | str


class FolderBucket:
    """The files below ``root``. Safe to share between threads and between processes."""

    def __init__(self, root: Path, *, create: bool = False) -> None:
        """Touch nothing yet. With ``create`` a missing root is empty and the first write makes it.

        Without it a missing root is a ``StoreError``: most often a disk that is not mounted.
        """
        self._root = os.path.abspath(root)
        self._create = create
        self._tree = FolderTree(Path(self._root), create=create, is_foreign=True)
        self._listings: dict[tuple[str, str, bool], Iterator[_Entry]] = {}

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        """Open the same root anew in another process: descriptors do not travel."""
        return (type(self), (Path(self._root),))

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> "FolderBucket":
        """Return the bucket at a ``file:///path`` URL; anything else is an ``InputError``."""
        return cls(parse_location(url), create=create)

    @property
    def url(self) -> str:
        """The root as a ``file://`` URL."""
        return Path(self._root).as_uri()

    @property
    def vendor(self) -> str:
        """Always ``filesystem``."""
        return "filesystem"

    @property
    def identity(self) -> str:
        """The root: it is all that a folder is known by."""
        return self.url

    def obey(self, stop: Callable[[], bool]) -> None:
        """Do nothing: nobody sleeps for a folder."""
        del stop

    def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
        """Return one page; ``token`` is the last key or common prefix of the page before.

        Folders are read when the listing comes to them. Listing goes on where the page before
        ended; only another process, or a much later call, has to find the place again.
        """
        entries = self._listings.pop((prefix, token, is_deep), None)
        if entries is None:
            entries = self._entries_after(prefix, token, is_deep=is_deep)
        page = list(islice(entries, PAGE_OBJECTS))
        last = page[-1] if page else ""
        following = last if isinstance(last, str) else last.key
        if len(page) < PAGE_OBJECTS:
            following = ""
        else:
            self._keep((prefix, following, is_deep), entries)
        return ListPage(
            objects=tuple(entry for entry in page if not isinstance(entry, str)),
            prefixes=tuple(entry for entry in page if isinstance(entry, str)),
            token=following,
        )

    def _keep(self, place: tuple[str, str, bool], entries: Iterator[_Entry]) -> None:
        while len(self._listings) >= _LISTINGS_KEPT:
            with suppress(StopIteration, KeyError, RuntimeError):  # Another thread was first.
                del self._listings[next(iter(self._listings))]
        self._listings[place] = entries

    def _entries_after(self, prefix: str, token: str, *, is_deep: bool) -> Iterator[_Entry]:
        after = os.fsencode(token)
        for entry in self._entries(prefix, after, is_deep=is_deep):
            if os.fsencode(entry if isinstance(entry, str) else entry.key) > after:
                yield entry

    def _entries(self, prefix: str, after: bytes, *, is_deep: bool) -> Iterator[_Entry]:
        path, _, start = prefix.rpartition("/")
        if not _is_path(path) or prefix.startswith("/"):
            return
        root = self._open_root()
        if root is None:
            return
        folder = self._find_folder(root, path) if path else root
        if folder is not None:
            yield from self._walk(folder, path, start, after, is_deep=is_deep)

    def _walk(
        self, folder: Folder, path: str, start: str, after: bytes, *, is_deep: bool
    ) -> Iterator[_Entry]:
        with self._translated("list", path):
            leaves = _sorted_leaves(folder, start)
        for leaf in leaves:
            key = f"{path}/{leaf}" if path else leaf
            name = os.fsencode(key)
            if key == f"{TEMPORARY}/" or (name < after and not after.startswith(name)):
                continue
            if not leaf.endswith("/"):
                status = self._status(key, leaf, folder)
                if status is not None:
                    yield _describe(key, status)
            elif is_deep:
                below = self._open_folder(key[:-1], folder)
                if below is not None:
                    yield from self._walk(below, key[:-1], "", after, is_deep=True)
            else:
                yield key

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        """Return exactly these bytes of the file that ``etag`` describes.

        What the file system says of it is compared before and after: a file may be written to
        while it is read.
        """
        with self._opened(key) as descriptor:
            self._check_etag(key, descriptor, etag)
            content = self._read(key, descriptor, offset, length)
            self._check_etag(key, descriptor, etag)
        return ObjectPart(content=content, properties=None if offset else Properties())

    def describe(self, key: str) -> ListedObject:
        """Return what a listing would say of this file now, or raise ``NotFoundError``."""
        with self._opened(key) as descriptor, self._translated("look at", key):
            return _describe(key, os.fstat(descriptor))

    def write(
        self, key: str, properties: Properties, *, size: int, overwrite: bool
    ) -> FolderUpload:
        """Begin a file; a folder has no place for ``properties`` and no use for ``size``.

        Without ``overwrite``, ``complete`` raises ``ConflictError`` if the name exists. A key
        that can be no path is an ``InputError``.
        """
        del properties, size
        if not key or not _is_path(key) or key.split("/", 1)[0] == TEMPORARY:
            raise InputError(f"a key cannot be the path of a file below {self._root}", items=(key,))
        temporary = self._tree.made(TEMPORARY)
        with translated("clean up", f"{self._root}/{TEMPORARY}"):
            sweep(temporary)
        kind = _ReplacingUpload if overwrite else FolderUpload
        return kind(self._tree, key, temporary)

    @contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        """Open a regular file and give its descriptor; anything else is a ``NotFoundError``."""
        path, _, leaf = key.rpartition("/")
        root = self._open_root() if _is_path(key) else None
        folder = self._find_folder(root, path) if root is not None and path else root
        descriptor = None if folder is None else self._open_file(key, leaf, folder)
        if descriptor is None:
            raise NotFoundError(f"{self._tree.location(key)} is not there", items=(key,))
        try:
            with self._translated("look at", key):
                status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotFoundError(
                    f"{self._tree.location(key)} is not a regular file", items=(key,)
                )
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_file(self, key: str, leaf: str, folder: Folder) -> int | None:
        # Devices and pipes are not opened: that alone can have an effect.
        if self._status(key, leaf, folder) is None:
            return None
        with self._translated("read", key):
            try:
                return os.open(leaf, _OPEN_FILE, dir_fd=folder.descriptor)
            except OSError as error:
                # A link or a socket took its place at this moment.
                if error.errno not in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
                    raise
                return None

    def _open_root(self) -> Folder | None:
        try:
            with translated("open the folder", self._root):
                root = Folder(os.open(self._root, _OPEN_FOLDER & ~os.O_NOFOLLOW))
            return self._tree.same(root)
        except StoreError as error:
            if not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                raise
            is_missing = isinstance(error.__cause__, FileNotFoundError)
            # One that another thread makes at this moment is there by now, and was missing.
            if self._create and is_missing and not os.path.islink(self._root):
                return None
            raise error.with_hint("mount the disk that holds it, or correct the URL") from None

    def _check_etag(self, key: str, descriptor: int, etag: str) -> None:
        with self._translated("look at", key):
            status = os.fstat(descriptor)
        if _etag(status) != etag:
            raise ConflictError(f"{self._tree.location(key)} has been changed", items=(key,))

    def _read(self, key: str, descriptor: int, offset: int, length: int) -> bytes:
        pieces = []
        with self._translated("read", key):
            while length > 0:
                piece = os.pread(descriptor, length, offset)
                if not piece:
                    raise ConflictError(
                        f"{self._tree.location(key)} has become shorter", items=(key,)
                    )
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _find_folder(self, root: Folder, path: str) -> Folder | None:
        """Open a folder below ``root``; None if there is none, or a link on the way."""
        folder, above = root, ""
        for part in path.split("/"):
            above = f"{above}/{part}" if above else part
            below = self._open_folder(above, folder)
            if below is None:
                return None
            folder = below
        return folder

    def _open_folder(self, path: str, parent: Folder) -> Folder | None:
        leaf = path.rpartition("/")[2]
        try:
            with self._translated("open the folder", path):
                return Folder(os.open(leaf, _OPEN_FOLDER, dir_fd=parent.descriptor))
        except StoreError as error:
            # Gone, or something else by now: it holds no objects then.
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                return None
            raise

    def _status(self, key: str, leaf: str, folder: Folder) -> os.stat_result | None:
        """Return the status of a regular file, None if it is gone or something else."""
        try:
            status = os.stat(leaf, dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError:
            with self._translated("look at", key):
                raise
        return status if stat.S_ISREG(status.st_mode) else None

    def _translated(self, doing: str, key: str) -> AbstractContextManager[None]:
        return translated(doing, self._tree.location(key), self._tree.items(key))


class _ReplacingUpload(FolderUpload):
    """Takes the place of what is there, in one step."""

    def _link(self) -> None:
        path, _, leaf = self._name.rpartition("/")
        folder = self._tree.made(path)
        places = (self._temporary.descriptor, folder.descriptor)
        with translated("replace", self._location, self._items):
            os.replace(self._leaf, leaf, src_dir_fd=places[0], dst_dir_fd=places[1])
            folder.sync()


def _is_path(key: str) -> bool:
    """Say whether a key can be a path below a folder; the empty one is the folder itself."""
    if not key:
        return True
    parts = os.fsencode(key).split(b"/")
    return b"\0" not in os.fsencode(key) and not any(
        part in {b"", b".", b".."} or len(part) > PATH_COMPONENT_SIZE_MAX for part in parts
    )


def _sorted_leaves(folder: Folder, start: str) -> list[str]:
    """Return the names in a folder that start with ``start``, those of folders with a slash.

    In the order of the keys' bytes, which the slash gives: ``a-b`` before ``a/b``.
    """
    leaves = []
    # A descriptor of our own: readers of a shared one would take turns at the entries.
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder.descriptor)
    try:
        with os.scandir(descriptor) as found:
            for entry in found:
                if entry.name.startswith(start):
                    if entry.is_dir(follow_symlinks=False):
                        leaves.append(f"{entry.name}/")
                    elif entry.is_file(follow_symlinks=False):
                        leaves.append(entry.name)
    finally:
        os.close(descriptor)
    return sorted(leaves, key=os.fsencode)


def _describe(key: str, status: os.stat_result) -> ListedObject:
    return ListedObject(
        key=key, size=status.st_size, etag=_etag(status), modified=int(status.st_mtime // 1)
    )


def _etag(status: os.stat_result) -> str:
    numbers = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    return "-".join(f"{number:x}" for number in numbers)
