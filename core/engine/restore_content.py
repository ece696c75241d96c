"""From stored blobs to files: read by several threads, checked, written where they are needed.

Each frame is read once and checked whole, each blob in it against the digest that the index
has, each loose blob against its id (I4). Only then a byte of it goes into a file. The reads in
flight are bounded, whatever the restore point's size.
"""

import hashlib
import hmac
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice

from core.engine.bucket_landing import BucketLanding
from core.engine.destination import DestinationError
from core.engine.faults import FaultLog
from core.engine.landing import GrowingFile, Landing
from core.engine.long_files import LongFile, PlacedPiece
from core.engine.progress import Progress
from core.errors import (
    ConflictError,
    InputError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.format import names
from core.limits import RESTORE_LONG_OBJECTS, RESTORE_THREADS
from core.model import PackRow
from core.plan.restore import Frame, Piece, Place, Read, Target
from core.sources.pack_reader import PackReader
from core.sources.repository import Repository

# Beside the reads that threads work on, some wait, so that no thread does.
_READS_WAITING = 2
_EMPTY_FILES_AT_ONCE = 256
_READERS_MAX = 32


@dataclass(slots=True)
class _Growth:
    """A file of several pieces, and how many of them are missing; no file when it has failed."""

    file: GrowingFile | None
    missing_count: int


class ContentWriter:
    """Writes the files of a restore. ``item_count`` and the sizes count what is done."""

    def __init__(
        self,
        repository: Repository,
        landing: Landing | BucketLanding,
        log: FaultLog,
        progress: Progress,
        *,
        threads: int = RESTORE_THREADS,
    ) -> None:
        """Nothing is read yet."""
        self._threads = threads
        self._repository = repository
        self._landing = landing
        self._log = log
        self._progress = progress
        self._lock = threading.Lock()
        self._readers: dict[int, PackReader] = {}
        self._growing: dict[int, _Growth] = {}
        self.item_count = 0
        self.content_size = 0
        self.read_size = 0

    def write_empty(self, targets: Iterable[Target], stop: Callable[[], bool]) -> None:
        """Write files without content; ``NotReadyError`` when told to stop."""
        _work_off((partial(self._write_empty, some) for some in _cut(targets)), stop, self._threads)

    def write_loose(self, reads: Iterable[Read], stop: Callable[[], bool]) -> None:
        """Write what loose blobs hold; ``NotReadyError`` when told to stop."""
        _work_off((partial(self._write_loose, read) for read in reads), stop, self._threads)

    def write_packed(
        self, reads: Iterable[Read], pack_row: Callable[[int], PackRow], stop: Callable[[], bool]
    ) -> None:
        """Write what frames hold; ``NotReadyError`` when told to stop."""
        _work_off(self._frame_works(reads, pack_row), stop, self._threads)

    def write_long(self, files: Iterable[LongFile], stop: Callable[[], bool]) -> None:
        """Write objects of several pieces, each in order; ``NotReadyError`` when told to stop."""
        works = (partial(self._write_long, file, stop) for file in files)
        _work_off(works, stop, min(self._threads, RESTORE_LONG_OBJECTS))

    def _write_long(self, file: LongFile, stop: Callable[[], bool]) -> None:
        assert isinstance(self._landing, BucketLanding), "files are written in any order"
        target = file.target
        try:
            with self._landing.begin_object(target) as upload:
                for _, choices in groupby(file.pieces(), key=lambda each: each.piece.ordinal):
                    check_stop(stop)
                    content = self._read_piece(list(choices))
                    upload.write(content)
                    self._progress.advance(len(content), 0)
        except DestinationError:
            raise
        except (ConflictError, InputError, IntegrityError, StoreError) as error:
            self._log.fail_with(target.row, error)
            return
        self._count(target, 0, is_done=True)

    def _read_piece(self, choices: Sequence[PlacedPiece]) -> bytes:
        """Return a piece from the first of its places that has it; the last one's error if none."""
        failure: IntegrityError | StoreError | None = None
        for choice in choices:
            try:
                return self._read_place(choice.piece, choice.pack)
            except NotReadyError as error:
                failure = StoreError(error.message, hint=error.hint, items=error.items)
            except (IntegrityError, NotFoundError, StoreError) as error:
                failure = self._judged(error)
        assert failure is not None, "a piece has one choice at least"
        raise failure

    def _read_place(self, piece: Piece, row: PackRow | None) -> bytes:
        place = piece.place
        if place is None or row is None:
            content = self._repository.read_blob(piece.blob)
            with self._lock:
                self.read_size += len(content)
            blob: memoryview | None = memoryview(content)
            name = names.blob(piece.blob)
        else:
            blob = _checked_blob(memoryview(self._read_frame(place.frame, row)), place)
            name = names.pack_of(row)
        if blob is None or len(blob) != piece.length:
            raise IntegrityError(f"{name}: a blob is not what it was")
        return bytes(blob)

    def _frame_works(
        self, reads: Iterable[Read], pack_row: Callable[[int], PackRow]
    ) -> Iterator[Callable[[], None]]:
        row: PackRow | None = None
        frame: Frame | None = None
        content: _FrameContent | None = None
        for read in reads:
            assert read.frame is not None
            if row is None or frame is None or read.frame.pack != frame.pack:
                row = pack_row(read.frame.pack)
            if content is None or read.frame != frame:
                # Reads of one frame share what the first of them reads.
                content = _FrameContent(partial(self._read_frame, read.frame, row))
            frame = read.frame
            yield partial(self._write_packed, read.pieces, content, names.pack_of(row))

    def _write_empty(self, targets: Sequence[Target]) -> None:
        for target in targets:
            self._count(target, 0, is_done=self._write_file(target, b""))

    def _write_loose(self, read: Read) -> None:
        for blob, pieces in groupby(read.pieces, key=lambda piece: piece.blob):
            try:
                content = self._repository.read_blob(blob)
            except (IntegrityError, NotFoundError, StoreError) as error:
                judged = self._judged(error)
                for piece in pieces:
                    self._fail(piece, judged)
                continue
            with self._lock:
                self.read_size += len(content)
            for piece in pieces:
                if len(content) == piece.length:
                    self._write(piece, content)
                else:
                    self._fail(piece, IntegrityError(f"{names.blob(blob)} has another length"))

    def _fail(self, piece: Piece, error: IntegrityError | StoreError) -> None:
        self._log.fail_with(piece.target.row, error)

    def _write_packed(
        self, pieces: Sequence[Piece], content: "_FrameContent", pack_name: str
    ) -> None:
        try:
            frame = memoryview(content.get())
        except NotReadyError as error:
            # Archived, as the last resort of a blob or since this began.
            for piece in pieces:
                self._log.retry(piece, error)
            return
        except (IntegrityError, NotFoundError, StoreError) as error:
            judged = self._judged(error)
            for piece in pieces:
                self._log.retry(piece, judged)
            return
        for place, wanting in groupby(pieces, key=lambda piece: piece.place):
            assert place is not None
            blob = _checked_blob(frame, place)
            for piece in wanting:
                if blob is not None and len(blob) == piece.length:
                    self._write(piece, blob)
                else:
                    self._log.retry(
                        piece, IntegrityError(f"{pack_name}: a blob is not what it was")
                    )

    def _judged(
        self, error: IntegrityError | NotFoundError | StoreError
    ) -> IntegrityError | StoreError:
        """Say what a failed read is: damage, a hole, or a store that answers nothing any more."""
        if isinstance(error, NotFoundError):
            return IntegrityError(f"its content is missing: {error.message}")
        if isinstance(error, StoreError):
            # Where this fails too, there is no point in going on, and it says so by itself.
            self._repository.store.head(names.REPOSITORY)
        return error

    def _read_frame(self, frame: Frame, row: PackRow) -> bytes:
        with self._lock:
            reader = self._readers.get(frame.pack)
        if reader is None:
            reader = self._repository.open_pack(row)
            with self._lock:
                if len(self._readers) >= _READERS_MAX:
                    self._readers.clear()
                self._readers[frame.pack] = reader
        content = reader.read_frame(frame.offset, frame.length)
        with self._lock:
            self.read_size += frame.length
        return content

    def _write(self, piece: Piece, content: bytes | memoryview) -> None:
        """Write a piece into its file; with the last one the file is done."""
        target = piece.target
        if target.piece_count == 1:
            is_done = self._write_file(target, content)
        else:
            is_done = self._write_piece(piece, content)
        self._count(target, len(content), is_done=is_done)

    def _write_file(self, target: Target, content: bytes | memoryview) -> bool:
        try:
            self._landing.write_file(target, content)
        except DestinationError:
            raise
        except (ConflictError, InputError, IntegrityError, StoreError) as error:
            self._log.fail_with(target.row, error)
            return False
        return True

    def _write_piece(self, piece: Piece, content: bytes | memoryview) -> bool:
        target = piece.target
        growth = None
        try:
            growth = self._growth(target)
            if growth.file is None:
                return False
            self._folder.write_piece(growth.file, content, piece.offset)
            with self._lock:
                growth.missing_count -= 1
                if growth.missing_count:
                    return False
                del self._growing[target.row]
            self._folder.finish_file(growth.file)
        except DestinationError:
            raise
        except (ConflictError, StoreError) as error:
            self._log.fail_with(target.row, error)
            return False
        return True

    @property
    def _folder(self) -> Landing:
        assert isinstance(self._landing, Landing), "objects are written in order"
        return self._landing

    def _growth(self, target: Target) -> _Growth:
        with self._lock:
            growth = self._growing.get(target.row)
            if growth is None:
                growth = _Growth(file=None, missing_count=target.piece_count)
                self._growing[target.row] = growth
                growth.file = self._folder.begin_file(target)
            return growth

    def _count(self, target: Target, size: int, *, is_done: bool) -> None:
        if is_done:
            with self._lock:
                self.item_count += 1
                self.content_size += target.size
        self._progress.advance(size, int(is_done))


def check_stop(stop: Callable[[], bool]) -> None:
    """Raise ``NotReadyError`` when somebody has asked to stop."""
    if stop():
        raise NotReadyError(
            "the restore was stopped; what was restored so far is whole",
            hint="Restore again with '--overwrite' to finish it.",
        )


class _FrameContent:
    """A frame's content, read when it is first needed and once."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._content: bytes | None = None

    def get(self) -> bytes:
        with self._lock:
            if self._content is None:
                self._content = self._read()
            return self._content


def _checked_blob(frame: memoryview, place: Place) -> memoryview | None:
    """Return a blob's content, or None when it is not what the index says."""
    blob = frame[place.offset : place.offset + place.length]
    digest = hashlib.sha256(blob).digest()
    is_right = len(blob) == place.length and hmac.compare_digest(digest, place.digest)
    return blob if is_right else None


def _cut(targets: Iterable[Target]) -> Iterator[list[Target]]:
    remaining = iter(targets)
    while some := list(islice(remaining, _EMPTY_FILES_AT_ONCE)):
        yield some


def _work_off(works: Iterable[Callable[[], None]], stop: Callable[[], bool], threads: int) -> None:
    """Do all works by several threads; the first error ends it, after those in hand."""
    waiting: deque[Future[None]] = deque()
    pool = ThreadPoolExecutor(threads, "restore")
    try:
        for work in works:
            check_stop(stop)
            while len(waiting) >= threads + _READS_WAITING:
                waiting.popleft().result()
            waiting.append(pool.submit(work))
        for future in waiting:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
