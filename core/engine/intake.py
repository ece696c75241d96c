"""Files' content on its way into loose blobs: read by many threads, within bounded memory.

Small files are read and stored by one thread each, so that their syncs to disk run side by
side. Large ones are read piece by piece, and the pieces are stored by further threads. Content
in flight never passes ``FETCH_BYTES_IN_FLIGHT_MAX``.
"""

import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from core import limits
from core.engine.progress import Progress
from core.engine.scan import Folder, Tree, file_item, special_reason
from core.engine.skipped import CHANGING, REPLACED, SkipList, UnreadableError, reading
from core.errors import IntegrityError, NotReadyError
from core.ids import BlobId
from core.limits import BLOB_SIZE_MAX
from core.model import Item
from core.sources.repository import Repository

# Without O_NONBLOCK a FIFO that took a file's place would hold its reader for ever.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# Enough for every reader to find its next file waiting; each keeps its folder open.
_WAITING_MAX = 4 * limits.FETCH_THREADS
_STOP_CHECK_SECONDS = 0.2


@dataclass(slots=True)
class Counts:
    """What an intake has done. ``found`` blobs were in the repository already."""

    new_blob_count: int = 0
    new_content_size: int = 0
    stored_size: int = 0
    found_blob_count: int = 0


class Budget:
    """Bytes that may be in flight; taking more waits until others have been given back."""

    def __init__(self, size_max: int) -> None:
        """All of it is free."""
        self._size_max = size_max
        self._taken = 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait for room; ``size`` is at most the whole."""
        assert 0 <= size <= self._size_max
        with self._changed:
            self._changed.wait_for(lambda: self._taken + size <= self._size_max)
            self._taken += size

    def give_back(self, size: int) -> None:
        """Make room."""
        with self._changed:
            self._taken -= size
            self._changed.notify_all()


class Intake:
    """Stores files as blobs. Use as a context manager: its threads end with it."""

    def __init__(
        self,
        repository: Repository,
        skips: SkipList,
        log: Path,
        progress: Progress,
        damaged: frozenset[bytes] = frozenset(),
    ) -> None:
        """``log`` receives the id of every blob, in hex, once it is stored.

        ``damaged`` are ids of blobs that were found damaged: finding one stored is no proof.
        """
        self.counts = Counts()
        self._repository = repository
        self._skips = skips
        self._progress = progress
        self._damaged = damaged
        self._log = log.open("w")
        self._lock = threading.Lock()
        self._budget = Budget(limits.FETCH_BYTES_IN_FLIGHT_MAX)
        self._readers = ThreadPoolExecutor(limits.FETCH_THREADS, "read")
        self._storers = ThreadPoolExecutor((os.cpu_count() or 1) + 2, "store")
        self._is_halted = False

    def __enter__(self) -> Self:
        """Hand out the intake."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the threads: at once between two pieces, when something went wrong."""
        self._is_halted = True
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._storers.shutdown(wait=True, cancel_futures=True)
        self._log.close()

    def read_files(
        self, tree: Tree, paths: Iterable[bytes], stop: Callable[[], bool]
    ) -> Iterator[Item]:
        """Yield each file's item, its content stored, in any order.

        Files that cannot be read go to the skip list. ``stop`` is asked several times a second;
        true is a ``NotReadyError``.
        """
        done: SimpleQueue[Future[Item | None]] = SimpleQueue()
        waiting_count = 0
        for path in paths:
            while waiting_count >= _WAITING_MAX:
                waiting_count -= 1
                yield from _take(done, stop)
            parent, _, name = path.rpartition(b"/")
            try:
                folder = tree.open_folder(parent)
            except UnreadableError as error:
                self._skips.add(path, str(error))
                continue
            future = self._readers.submit(self._read_file, folder, name, path)
            future.add_done_callback(done.put)
            waiting_count += 1
        for _ in range(waiting_count):
            yield from _take(done, stop)

    def _read_file(self, folder: Folder, name: bytes, path: bytes) -> Item | None:
        try:
            for _ in range(limits.READ_TRIES_MAX):
                with SourceFile(folder, name) as file:
                    blobs = self._store_content(file)
                    if blobs is not None:
                        return replace(file_item(path, file.status), blobs=blobs)
            raise UnreadableError(CHANGING)
        except UnreadableError as error:
            self._skips.add(path, str(error))
            return None
        finally:
            self._progress.advance(count=1)

    def _store_content(self, file: "SourceFile") -> tuple[BlobId, ...] | None:
        """Store a file's content; None when it was changed meanwhile."""
        size = file.status.st_size
        futures = []
        for offset in range(0, size, BLOB_SIZE_MAX):
            length = min(BLOB_SIZE_MAX, size - offset)
            self._budget.take(length)
            future = self._store_piece(file, offset, length)
            future.add_done_callback(lambda _, taken=length: self._budget.give_back(taken))
            futures.append(future)
        blobs = [future.result() for future in futures]
        if None in blobs or not file.is_settled():
            return None
        return tuple(blob for blob in blobs if blob is not None)

    def _store_piece(
        self, file: "SourceFile", offset: int, length: int
    ) -> "Future[BlobId | None]":
        """Read a piece here and have it stored: by another thread if there are more pieces."""
        future: Future[BlobId | None] = Future()
        ...
        return future
