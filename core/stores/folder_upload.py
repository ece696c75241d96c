"""One object on its way into a folder: a temporary file until ``complete`` links it to its name."""

import os
import secrets
import stat
import time
from contextlib import suppress
from datetime import UTC, datetime

from core.errors import ConflictError, StoreError
from core.stores.folder_errors import translated
from core.stores.folder_tree import FOLDER_TRIES, Folder, FolderTree
from core.stores.store import ObjectHead

TEMPORARY = ".coldhaul-tmp"
FILE_MODE = 0o600

# A writer that has not touched its file for so long is dead.
TEMPORARY_SECONDS_MAX = 2 * 24 * 3600

# Write-back is started each time so much has been written, so that the disk works while the
# next bytes are made and the last sync is short.
WRITE_BACK_SIZE = 8 << 20

_OPEN_TEMPORARY = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderUpload:
    """Nothing is visible before ``complete``; any failure leaves nothing behind."""

    def __init__(self, tree: FolderTree, name: str, temporary: Folder) -> None:
        """Make the temporary file in the folder for these."""
        self._tree = tree
        self._name = name
        self._location = tree.location(name)
        self._items = tree.items(name)
        self._temporary = temporary
        self._leaf = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._written_size = 0
        self._flushed_size = 0
        self._descriptor = -1
        with translated("make a file in", f"{tree.root}/{TEMPORARY}"):
            self._descriptor = os.open(
                self._leaf, _OPEN_TEMPORARY, FILE_MODE, dir_fd=temporary.descriptor
            )

    def write(self, data: bytes) -> None:
        """Take the next bytes, in order."""
        assert self._descriptor >= 0, "an upload that has ended takes no more bytes"
        try:
            with translated("write", self._location, self._items):
                self._write(data)
        except StoreError:
            self.abort()
            raise

    def complete(self) -> ObjectHead:
        """Make the object visible and durable, or raise ``ConflictError`` if the name exists."""
        assert self._descriptor >= 0, "an upload ends only once"
        try:
            with translated("write", self._location, self._items):
                os.fsync(self._descriptor)
            status = os.fstat(self._descriptor)
            self._link()
        finally:
            self.abort()
        return head_of(self._name, status)

    def abort(self) -> None:
        """Give up and leave nothing behind. Harmless after ``complete`` and when called twice."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        # Nothing is lost by a failure here: the sync has told all that closing could tell, and
        # a file that cannot be removed now is swept later.
        with suppress(OSError):
            os.close(descriptor)
        with suppress(OSError):
            os.unlink(self._leaf, dir_fd=self._temporary.descriptor)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            size = os.write(self._descriptor, rest)
            rest = rest[size:]
            self._written_size += size
        size = self._written_size - self._flushed_size
        if size >= WRITE_BACK_SIZE and hasattr(os, "posix_fadvise"):
            # Linux starts to write these pages now and does not wait for them.
            os.posix_fadvise(self._descriptor, self._flushed_size, size, os.POSIX_FADV_DONTNEED)
            self._flushed_size = self._written_size

    def _link(self) -> None:
        """Give the file its name, durably. Its bytes are durable already."""
        path, _, leaf = self._name.rpartition("/")
        for _ in range(FOLDER_TRIES):
            folder = self._tree.made(path)
            with translated("create", self._location, self._items):
                try:
                    os.link(
                        self._leaf,
                        leaf,
                        src_dir_fd=self._temporary.descriptor,
                        dst_dir_fd=folder.descriptor,
                        follow_symlinks=False,
                    )
                except FileNotFoundError:
                    # Somebody removed the folder because it was empty: make it again.
                    continue
                except FileExistsError:
                    self._raise_conflict(folder, leaf)
                folder.sync()
                return
        raise StoreError(
            f"cannot give {self._location} its name: its temporary file or its folder vanishes",
            hint="find out which other program removes files there",
            items=self._items,
        )

    def _raise_conflict(self, folder: Folder, leaf: str) -> None:
        try:
            status = os.stat(leaf, dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            raise ConflictError(
                f"{self._location} was there a moment ago", items=self._items
            ) from None
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(
                f"{self._location} is there and is not a regular file",
                hint="move it out of the repository's folder",
                items=self._items,
            )
        # Whoever was first may not have synced yet, and our caller may go on from its object.
        folder.sync()
        raise ConflictError(f"{self._location} exists already", items=self._items)


def head_of(name: str, status: os.stat_result) -> ObjectHead:
    """Describe an object by its file's status; linking a file changes none of this."""
    return ObjectHead(
        name=name,
        size=status.st_size,
        etag=f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}",
        modified=datetime.fromtimestamp(status.st_mtime, UTC),
    )


def sweep(temporary: Folder) -> None:
    """Remove what processes left that were killed while writing."""
    oldest = time.time() - TEMPORARY_SECONDS_MAX
    for leaf in os.listdir(temporary.descriptor):
        try:
            status = os.stat(leaf, dir_fd=temporary.descriptor, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_mtime < oldest:
                os.unlink(leaf, dir_fd=temporary.descriptor)
        except FileNotFoundError:
            # Another process sweeps as well, or the writer has just finished.
            continue
