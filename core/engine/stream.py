"""From a batch's rows to compressed frames: fetched in parallel, checked, compressed, in order.

A frame is cut from the planned lengths before its blobs are read, so the stages need not wait
for each other: runs of blobs are fetched by several threads, frames are opened, checked and
compressed by others, and the caller takes them in order. The content in flight is bounded.

Those that fetch do nothing but wait for bytes. Were they to open them too, each would ask for the
interpreter several times a blob, and many threads that do so spend a seventh of the processor's
time on taking turns.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from core import ids, limits
from core.catalog.tables import ARCHIVED, CHANGED, DAMAGED, DESCRIBED, MISSING, VANISHED
from core.errors import ConflictError, IntegrityError, NotFoundError, NotReadyError
from core.format import frame
from core.format.pack import FrameBlob
from core.ids import BlobId, Digest
from core.model import Parameters
from core.sources.source import Source

# What a blob's rows and results take beside its content: tiny blobs are bounded by it.
_ROW_SIZE = limits.KIB

_NO_DIGEST = Digest(b"")

_RUN_COUNT = 16
_RUN_SIZE = limits.MIB


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row of a batch: its place, the packed blob's id, how the source knows it, its length.

    A row without length asks for an object's properties alone.
    """

    ordinal: int
    id: BlobId
    source_id: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """A blob and its object's properties, or what was wrong with it.

    ``content`` is as the source stores it until it is opened; then the digest is there too.
    """

    wanted: Wanted
    content: bytes = b""
    digest: Digest = _NO_DIGEST
    fault: str = ""
    properties: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyFrame:
    """A frame to be packed: consecutive ordinals from ``first`` up to before ``end``.

    ``blobs``, ``ordinals`` and ``properties`` go together; ``others`` are the rows (ordinal,
    fault, id, properties) that are no blobs of the frame. ``compressed`` is empty when all are.
    """

    first: int
    end: int
    compressed: bytes
    blobs: tuple[FrameBlob, ...]
    ordinals: tuple[int, ...]
    properties: tuple[str, ...]
    others: tuple[tuple[int, str, BlobId, str], ...]
    content_size: int
    fetch_seconds: float
    compress_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """How many threads fetch and how many compress."""

    fetch: int
    compress: int


@dataclass(slots=True)
class _Frame:
    wanted: list[Wanted] = field(default_factory=list)
    size: int = 0


def cut_frames(rows: Iterable[Wanted], frame_size: int) -> Iterator[list[Wanted]]:
    """Cut rows into frames.

    A frame closes before the blob that would take it past ``frame_size`` (a larger blob is
    alone) or past ``FRAME_BLOBS_MAX``.
    """
    current = _Frame()
    for row in rows:
        is_full = (
            current.size + row.length > frame_size or len(current.wanted) >= limits.FRAME_BLOBS_MAX
        )
        if current.wanted and is_full:
            yield current.wanted
            current = _Frame()
        current.wanted.append(row)
        current.size += row.length
    if current.wanted:
        yield current.wanted


def cut_runs(wanted: list[Wanted]) -> Iterator[list[Wanted]]:
    """Cut a frame's rows into what one fetching thread reads in one go."""
    run: list[Wanted] = []
    size = 0
    for row in wanted:
        if run and (len(run) >= _RUN_COUNT or size + row.length > _RUN_SIZE):
            yield run
            run, size = [], 0
        run.append(row)
        size += row.length
    if run:
        yield run


class FrameStream:
    """Iterate to get the batch's frames in order; close it to stop early."""

    def __init__(
        self,
        rows: Iterable[Wanted],
        source: Source,
        *,
        parameters: Parameters,
        threads: Threads,
    ) -> None:
        """Take the rows and where they are fetched from."""
        self._frames = cut_frames(rows, parameters.frame_size)
        self._source = source
        self._level = parameters.zstd_level
        self._fetchers = ThreadPoolExecutor(threads.fetch, "fetch")
        self._compressors = ThreadPoolExecutor(threads.compress, "compress")
        self._pending: deque[tuple[int, Future[ReadyFrame]]] = deque()
        self._size_in_flight = 0
        self._is_closed = False

    def __iter__(self) -> Iterator[ReadyFrame]:
        """Yield frames in the order of the rows; an error of a fetch is raised here."""
        self._fill()
        while self._pending:
            size, future = self._pending.popleft()
            ready = future.result()
            self._size_in_flight -= size
            self._fill()
            yield ready

    def close(self) -> None:
        """Stop fetching. What is under way ends by itself within one frame."""
        self._is_closed = True
        self._compressors.shutdown(wait=False, cancel_futures=True)
        self._fetchers.shutdown(wait=True, cancel_futures=True)
        self._compressors.shutdown(wait=True)

    def _fill(self) -> None:
        while self._size_in_flight < limits.FETCH_BYTES_IN_FLIGHT_MAX:
            wanted = next(self._frames, None)
            if wanted is None:
                return
            size = sum(row.length + _ROW_SIZE for row in wanted)
            runs = [self._fetchers.submit(self._fetch_run, run) for run in cut_runs(wanted)]
            future = self._compressors.submit(self._compress, wanted, runs)
            self._pending.append((size, future))
            self._size_in_flight += size

    def _fetch_run(self, run: list[Wanted]) -> list[Fetched]:
        return [] if self._is_closed else [self._fetch(row) for row in run]

    def _fetch(self, row: Wanted) -> Fetched:
        try:
            blob = self._source.fetch(row.source_id)
        except NotFoundError:
            return Fetched(row, fault=VANISHED if self._source.is_changing else MISSING)
        except ConflictError:
            return Fetched(row, fault=CHANGED)
        except NotReadyError:
            return Fetched(row, fault=ARCHIVED)
        except IntegrityError:
            return Fetched(row, fault=DAMAGED)
        return Fetched(row, blob.content, properties=blob.properties)

    def _open(self, fetched: Fetched) -> Fetched:
        """Return the same with its content opened and its digest, or what is wrong with it."""
        row = fetched.wanted
        if fetched.fault:
            return fetched
        try:
            content = self._source.open(row.source_id, fetched.content)
        except IntegrityError:
            return Fetched(row, fault=DAMAGED)
        if len(content) != row.length:
            return Fetched(row, fault=DAMAGED)
        if not row.length:
            return Fetched(row, fault=DESCRIBED, properties=fetched.properties)
        # Opening has checked the content against an id that is its digest; another must be taken.
        known = self._source.has_content_ids
        digest = Digest(row.source_id) if known else ids.content_digest(content)
        return Fetched(row, content, digest, properties=fetched.properties)

    def _compress(self, wanted: list[Wanted], runs: list[Future[list[Fetched]]]) -> ReadyFrame:
        started = time.monotonic()
        stored = [blob for run in runs for blob in run.result()]
        arrived = time.monotonic()
        fetched = [self._open(blob) for blob in stored]
        good = [blob for blob in fetched if not blob.fault]
        content = b"".join([blob.content for blob in good])
        compressed = frame.encode_frame(content, self._level) if good else b""
        return ReadyFrame(
            first=wanted[0].ordinal,
            end=wanted[-1].ordinal + 1,
            compressed=compressed,
            blobs=tuple(
                FrameBlob(id=b.wanted.id, digest=b.digest, length=b.wanted.length) for b in good
            ),
            ordinals=tuple(b.wanted.ordinal for b in good),
            properties=tuple(b.properties for b in good),
            others=tuple(
                (b.wanted.ordinal, b.fault, b.wanted.id, b.properties) for b in fetched if b.fault
            ),
            content_size=len(content),
            fetch_seconds=arrived - started,
            compress_seconds=time.monotonic() - arrived,
        )
