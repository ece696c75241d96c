"""What the operating system refuses, said so that a user knows what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import StoreError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_PERMISSION = (errno.EACCES, errno.EPERM)
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_BROKEN_DISK = (errno.EIO, errno.EUCLEAN, errno.ENXIO, errno.ENODEV, errno.ESTALE)
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def translated(doing: str, location: str, items: tuple[str, ...] = ()) -> Iterator[None]:
    """Turn what the operating system refuses into a ``StoreError`` that says what to do.

    ``items`` are keys of others that it is about, which ``location`` does not have.
    """
    try:
        yield
    except OSError as error:
        raise _translate(error, doing, location).about(items) from error


def _translate(error: OSError, doing: str, location: str) -> StoreError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StoreError(
        f"cannot {doing} {location}: {reason}", hint=_hint(error.errno or 0, doing, location)
    )


def _hint(number: int, doing: str, location: str) -> str:
    if number in _NO_SPACE:
        return "free some space or raise the quota and run again; nothing half-written is left"
    if doing == "create" and number in _NO_HARD_LINKS:
        return "this file system has no hard links; keep the repository on one that has them"
    if number in _NO_PERMISSION:
        return f"give the user with the id {os.geteuid()} permission to {doing} {location}"
    if number == errno.EROFS:
        return "the file system is mounted read-only: mount it writable"
    if number == errno.EXDEV:
        return "everything below a repository's folder must be on one file system"
    if number in _BROKEN_DISK:
        return "look at the system's log: the disk, its cable or the network share is failing"
    if number in _NO_DESCRIPTORS:
        return "raise the limit of open files (ulimit -n)"
    if number == errno.ENOTDIR:
        return "a file is where a folder should be: move it out of the repository's folder"
    return ""
