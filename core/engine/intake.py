"""Files' content on its way into loose blobs: read by many threads, within bounded memory.

Small files are read and stored by one thread each, so that their syncs to disk run side by
side. Large ones are read piece by piece, and the pieces are stored by further threads. Content
in flight never passes ``FETCH_BYTES_IN_FLIGHT_MAX``.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from core import limits
from core.engine.backup_rows import temporary_files
from core.engine.progress import Progress
from core.engine.scan import Folder, Tree, file_item
from core.engine.skipped import CHANGING, REPLACED, SkipList, UnreadableError, reading
from core.errors import IntegrityError, NotReadyError
from core.format.names import blob
from core.ids import BlobId
from core.limits import BLOB_SIZE_MAX
from core.model import Item
from core.sources.repository import Repository

# Without O_NONBLOCK a FIFO that took a file's place would hold its reader for ever.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# Enough for every reader to find its next file waiting; each keeps its folder open.
_WAITING_MAX = 4 * limits.READ_THREADS
_STOP_CHECK_SECONDS = 0.2

# Clocks of file systems tick up to so far apart. Of two changes within one tick, the second
# cannot be seen, so what changed a moment ago is given time before it is read.
_TICK_SECONDS = 0.02


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
        self._readers = ThreadPoolExecutor(limits.READ_THREADS, "read")
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
            item = self._read_settled(folder, name, path)
        except UnreadableError as error:
            self._skips.add(path, str(error))
            return None
        self._progress.advance(count=1)
        return item

    def _read_settled(self, folder: Folder, name: bytes, path: bytes) -> Item:
        for _ in range(limits.READ_TRIES_MAX):
            with SourceFile(folder, name) as file:
                blobs = self._store_content(file)
                if blobs is not None:
                    return replace(file_item(path, file.status), blobs=blobs)
        raise UnreadableError(CHANGING)

    def _store_content(self, file: "SourceFile") -> tuple[BlobId, ...] | None:
        """Store a file's content; None when it was changed meanwhile."""
        size = file.status.st_size
        if size > BLOB_SIZE_MAX:
            return self._store_pieces(file, size)
        self._budget.take(size)
        try:
            content = file.read(0, size)
            if len(content) != size or not file.is_settled():
                return None
            return (self._put(content),) if size else ()
        finally:
            self._budget.give_back(size)

    def _store_pieces(self, file: "SourceFile", size: int) -> tuple[BlobId, ...] | None:
        futures = []
        for offset in range(0, size, BLOB_SIZE_MAX):
            if self._is_halted:
                raise CancelledError
            length = min(BLOB_SIZE_MAX, size - offset)
            future = self._store_piece(file, offset, length)
            if future is None:
                return None
            futures.append(future)
        is_settled = file.is_settled()
        blobs = tuple(future.result() for future in futures)
        return blobs if is_settled else None

    def _store_piece(self, file: "SourceFile", offset: int, length: int) -> "Future[BlobId] | None":
        """Read a piece and have it stored by another thread; None when it is not there."""
        self._budget.take(length)
        future: Future[BlobId] | None = None
        try:
            content = file.read(offset, length)
            if len(content) == length:
                future = self._storers.submit(self._put, content)
                # Called as well when the piece fails or is cancelled while it waits.
                future.add_done_callback(lambda _: self._budget.give_back(length))
            return future
        finally:
            if future is None:
                self._budget.give_back(length)

    def _put(self, content: bytes) -> BlobId:
        blob_id, stored_size = self._repository.put_blob(content)
        if not stored_size and blob_id in self._damaged:
            self._check(blob_id)
        with self._lock, temporary_files():
            self._log.write(f"{blob_id.hex()}\n")
            self._count(len(content), stored_size)
        self._progress.advance(size=len(content))
        return blob_id

    def _count(self, content_size: int, stored_size: int) -> None:
        if stored_size:
            self.counts.new_blob_count += 1
            self.counts.new_content_size += content_size
            self.counts.stored_size += stored_size
        else:
            self.counts.found_blob_count += 1

    def _check(self, blob_id: BlobId) -> None:
        """Let a blob that was once found damaged pass only if it is whole (I1)."""
        try:
            self._repository.read_blob(blob_id)
        except IntegrityError as error:
            raise UnreadableError(
                f"cannot be stored: the repository holds its content damaged, as {blob(blob_id)}"
            ) from error


class SourceFile:
    """A file that is being read. Use as a context manager."""

    def __init__(self, folder: Folder, name: bytes) -> None:
        """Open it; ``UnreadableError`` unless it is a regular file that may be read."""
        with reading():
            self._descriptor = os.open(name, _OPEN_FILE, dir_fd=folder.descriptor)
            self.status = os.fstat(self._descriptor)
            if abs(time.time() - self.status.st_ctime) < _TICK_SECONDS:
                time.sleep(_TICK_SECONDS)
                self.status = os.fstat(self._descriptor)
        if not stat.S_ISREG(self.status.st_mode):
            os.close(self._descriptor)
            raise UnreadableError(REPLACED)

    def __enter__(self) -> Self:
        """Hand out the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        os.close(self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Return these bytes, fewer where the file ends before them."""
        pieces = []
        with reading():
            while length > 0:
                piece = os.pread(self._descriptor, length, offset)
                if not piece:
                    break
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def is_settled(self) -> bool:
        """Say whether the file is as it was when it was opened, and ends where it said."""
        before = self.status
        with reading():
            now = os.fstat(self._descriptor)
        is_same = (now.st_size, now.st_mtime_ns, now.st_ctime_ns) == (
            before.st_size,
            before.st_mtime_ns,
            before.st_ctime_ns,
        )
        # Files that a kernel makes up as they are read have no true size.
        return is_same and not self.read(before.st_size, 1)


def _take(done: "SimpleQueue[Future[Item | None]]", stop: Callable[[], bool]) -> Iterator[Item]:
    """Wait for one file; yield its item, unless it was skipped."""
    while True:
        check_stop(stop)
        try:
            item = done.get(timeout=_STOP_CHECK_SECONDS).result()
        except Empty:
            continue
        if item is not None:
            yield item
        return


def check_stop(stop: Callable[[], bool]) -> None:
    """Raise ``NotReadyError`` when whoever started the backup wants it to end."""
    if stop():
        raise NotReadyError(
            "the backup was stopped; no restore point was made",
            hint="Run it again: what has been stored is found and not stored twice.",
        )
