"""The folders of a destination, reached without ever following a symbolic link below its top.

Every folder is opened from its parent's descriptor, component by component. So no item, and
nobody who changes the destination meanwhile, leads out of it.
"""

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from core.errors import ConflictError, InputError, StoreError

# Open folders: enough for some threads in deep trees, far below the usual limit of descriptors.
OPEN_FOLDERS_MAX = 128

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_BELOW = _OPEN_FOLDER | os.O_NOFOLLOW

# After these every further item would fail as well.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


class DestinationError(StoreError):
    """The destination takes nothing more, whatever the item."""


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


class Folders:
    """The folders below a top, by their paths; ``b""`` is the top. Threads may share it.

    ``ConflictError`` where something on the way is no folder.
    """

    def __init__(self, top: Path) -> None:
        """Open the top, which may be reached through links; make it if it is missing."""
        self.top = _open_top(top)
        self._open: OrderedDict[bytes, Folder] = OrderedDict()
        self._opening = threading.Lock()

    def find(self, path: bytes) -> Folder | None:
        """Open a folder, or return None where there is none."""
        with self._opening:
            return self._walk(path, make=False)

    def existing(self, path: bytes) -> Folder:
        """Open a folder that was there a moment ago."""
        folder = self.find(path)
        if folder is None:
            raise StoreError("the folder it belongs into has vanished")
        return folder

    def make(self, path: bytes) -> Folder:
        """Open a folder; what is missing of it is made as the user's ``umask`` says."""
        with self._opening:
            folder = self._walk(path, make=True)
        if folder is None:
            raise StoreError("the folder it belongs into vanishes each time it is made")
        return folder

    def close(self) -> None:
        """Let go of all folders but the top."""
        with self._opening:
            self._open.clear()

    def _walk(self, path: bytes, *, make: bool) -> Folder | None:
        """Open a folder from the nearest open one above it."""
        above = path
        while above and above not in self._open:
            above = above.rpartition(b"/")[0]
        folder = self._open.get(above, self.top)
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


def _open_top(top: Path) -> Folder:
    try:
        top.mkdir(parents=True, exist_ok=True)
        return Folder(os.open(top, _OPEN_FOLDER))
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{top} is not a folder", hint="Name another folder.") from None
    except OSError as error:
        raise StoreError(f"cannot make or open the folder {top}: {error.strerror}") from error


def _open_below(folder: Folder, leaf: bytes, *, make: bool) -> Folder | None:
    with translated("open a folder on the way"):
        try:
            return Folder(os.open(leaf, _OPEN_BELOW, dir_fd=folder.descriptor))
        except FileNotFoundError:
            if not make:
                return None
        except OSError as error:
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                raise ConflictError(
                    "a file or a link stands where a folder on the way has to be"
                ) from None
            raise
        # Somebody else may make it at the same moment.
        with suppress(FileExistsError):
            os.mkdir(leaf, dir_fd=folder.descriptor)
        return _open_below(folder, leaf, make=False)


@contextmanager
def translated(action: str) -> Iterator[None]:
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
