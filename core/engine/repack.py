"""The second step of a session: one batch, streamed into packs.

After each finished pack a part is created: that makes the pack real. Part n starts where part
n-1 ends, so a rerun starts after the last, and of two runs at once one wins each part.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from core import limits
from core.catalog.tables import PartRow, write_part
from core.catalog.workspace import Workspace, quote
from core.engine.batches import find_batch
from core.engine.memory import keep_buffers, set_aside
from core.engine.packed import mark_packed
from core.engine.packing import OpenPack, begin_pack
from core.engine.session import CopySession, is_stopped, record_size
from core.engine.state import PlannedBatch, Transfer
from core.engine.stream import FrameStream, ReadyFrame, Threads, Wanted
from core.engine.tables import Tables
from core.errors import ConflictError, IntegrityError
from core.format import names
from core.ids import BlobId
from core.model import PackRow, StageSeconds
from core.sources.repository import Repository

_STOP_CHECK_SECONDS = 5.0

# What a part carries of objects' properties: usually nothing, at worst kilobytes for each.
_PROPERTIES_SIZE_MAX = 64 * limits.MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class RepackOutcome:
    """How one call on a batch ended. Not ``is_done`` asks for another call."""

    is_done: bool
    is_stopped: bool
    part_count: int
    transfer: Transfer


@dataclass(slots=True)
class _Part:
    """The pack being written and the rows that its part will have."""

    pack: OpenPack | None = None
    rows: list[PartRow] = field(default_factory=list)
    end: int = 0
    properties_size: int = 0


def _never() -> bool:
    return False


def _ignore(_size: int, _count: int) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The terms of one call on a batch.

    ``deadline`` is a ``time.monotonic`` moment at which the pack under way is closed early; a
    call packs at least a frame, so that any number of short calls come to the end.
    ``stop`` gives it up at once. ``advance`` is told content bytes and blobs as they are packed.
    The ``is_first`` of a driver's calls on a batch tells it of what others had packed before.
    ``core_count`` is how many of the machine's cores are the call's own.
    """

    deadline: float | None = None
    stop: Callable[[], bool] = _never
    advance: Callable[[int, int], None] = _ignore
    is_first: bool = True
    core_count: int = field(default_factory=lambda: os.cpu_count() or 1)


def run_repack(session: CopySession, batch_number: int, call: Call) -> RepackOutcome:
    """Repack a batch, or go on with it."""
    batch = find_batch(session.target, session.id, batch_number)
    keep_buffers()
    with Workspace(limits.REPACK_MEMORY_SIZE, threads=1) as workspace:
        return _Repacker(session, batch, batch_number, workspace, call).run()


def list_parts(target: Repository, session: CopySession, batch_number: int) -> list[str]:
    """Return the names of a batch's parts in order; a gap between them is an ``IntegrityError``."""
    parts, is_whole = _list_parts(target, session, batch_number)
    if not is_whole:
        # A listing may miss what came while it was made, and show what came after that.
        parts, is_whole = _list_parts(target, session, batch_number)
    if not is_whole:
        missing = names.part(session.id, batch_number, len(parts))
        raise IntegrityError(
            f"{missing} is missing, although a part after it is there",
            hint=f"Give the session up ('coldhaul session abandon {session.id}') and run the job "
            "again: packs whose parts are there are used.",
        )
    return parts


def _list_parts(
    target: Repository, session: CopySession, batch_number: int
) -> tuple[list[str], bool]:
    """Return a batch's parts up to the first gap, and whether that is all of them."""
    prefix = names.parts_of(session.id, batch_number)
    found = {head.name for head in target.store.list(prefix)}
    parts: list[str] = []
    while (name := names.part(session.id, batch_number, len(parts))) in found:
        parts.append(name)
    ordinals = (name.removeprefix(prefix).removesuffix(".parquet") for name in found - set(parts))
    return parts, not any(ordinal.isdigit() for ordinal in ordinals)


class _Repacker:
    """One invocation's work on a batch."""

    def __init__(
        self,
        session: CopySession,
        batch: PlannedBatch,
        batch_number: int,
        workspace: Workspace,
        call: Call,
    ) -> None:
        self._session = session
        self._target = session.target
        self._number = batch_number
        self._batch = batch
        self._workspace = workspace
        self._tables = Tables(session.target, workspace)
        self._call = call
        self._transfer = Transfer()
        self._stop_checked = -_STOP_CHECK_SECONDS
        self._has_stopped = False

    def run(self) -> RepackOutcome:
        path = self._tables.fetch(self._batch.table.name, self._batch.table)
        self._workspace.run(f"create view batch as select * from read_parquet({quote(path)})")
        parts = list_parts(self._target, self._session, self._number)
        start = self._end_of(parts)
        if self._call.is_first:
            self._count_finished(start)
        while start < self._batch.blob_count and not self._is_stopped():
            with set_aside():
                self._stream(start, len(parts))
            before = len(parts)
            parts = list_parts(self._target, self._session, self._number)
            start = self._end_of(parts)
            # Whoever calls decides whether it is worth trying again what has added nothing.
            if self._is_late() or len(parts) <= before:
                break
        return self._outcome(start, len(parts))

    def _count_finished(self, end: int) -> None:
        """Tell whoever watches what earlier calls have done."""
        count, size = self._workspace.row(
            f"""select count(*) filter (length > 0), coalesce(sum(length), 0)::BIGINT from batch
            where ordinal < {end}"""
        )
        if count:
            self._call.advance(size, count)

    def _outcome(self, start: int, part_count: int) -> RepackOutcome:
        is_done = start >= self._batch.blob_count
        return RepackOutcome(
            is_done=is_done,
            is_stopped=not is_done and self._is_stopped(),
            part_count=part_count,
            transfer=self._transfer,
        )

    def _end_of(self, parts: list[str]) -> int:
        """Return the first ordinal that no part covers."""
        if not parts:
            return 0
        path = self._tables.fetch(parts[-1])
        (end,) = self._workspace.row(f"select max(ordinal) + 1 from read_parquet({quote(path)})")
        return int(end)

    def _is_late(self) -> bool:
        return self._call.deadline is not None and time.monotonic() >= self._call.deadline

    def _is_stopped(self) -> bool:
        self._has_stopped = self._has_stopped or self._call.stop() or self._is_ordered_to_stop()
        return self._has_stopped

    def _is_ordered_to_stop(self) -> bool:
        now = time.monotonic()
        if now - self._stop_checked < _STOP_CHECK_SECONDS:
            return False
        self._stop_checked = now
        # A record, void or not, ends the session: what is written after it is waste.
        is_over = record_size(self._target.store, self._session.claim.record_name) is not None
        return is_over or is_stopped(self._target.store, self._session.id)

    def _wanted(self, start: int) -> Iterator[Wanted]:
        rows = self._workspace.rows(
            f"select ordinal, id, source_id, length from batch where ordinal >= {start} "
            "order by ordinal"
        )
        for ordinal, blob_id, source_id, length in rows:
            yield Wanted(ordinal, BlobId(blob_id), source_id, length)

    def _stream(self, start: int, ordinal: int) -> None:
        """Write packs from ``start`` on until the batch, the time or our luck ends."""
        stream = FrameStream(
            self._wanted(start),
            self._session.source,
            parameters=self._target.identity.parameters,
            threads=self._threads(),
        )
        part = _Part(end=start)
        waited = time.monotonic()
        try:
            for frame in stream:
                self._count_waiting(frame, time.monotonic() - waited)
                if part.rows and self._is_full(part, frame):
                    if not self._close(part, ordinal):
                        return
                    part, ordinal = _Part(end=part.end), ordinal + 1
                if self._is_stopped():
                    return
                self._add(part, frame)
                if self._is_late():
                    break
                waited = time.monotonic()
            if part.rows:
                self._close(part, ordinal)
        finally:
            stream.close()
            if part.pack is not None:
                part.pack.abort()

    def _threads(self) -> Threads:
        cores = self._call.core_count
        if self._session.source.vendor == "filesystem":
            return Threads(fetch=min(cores, limits.FETCH_THREADS_LOCAL), compress=cores)
        return Threads(fetch=limits.FETCH_THREADS, compress=cores)

    def _is_full(self, part: _Part, frame: ReadyFrame) -> bool:
        # Blobs that could not be had take no room in a pack, but their rows take memory.
        if len(part.rows) + frame.end - frame.first > limits.PACK_BLOBS_MAX:
            return True
        if part.properties_size > _PROPERTIES_SIZE_MAX:
            return True
        if part.pack is None or not frame.blobs:
            return False
        size = part.pack.size_with(len(frame.compressed), len(frame.blobs))
        return size > self._target.identity.parameters.pack_size

    def _add(self, part: _Part, frame: ReadyFrame) -> None:
        if frame.blobs:
            if part.pack is None:
                part.pack = begin_pack(self._target, self._session.id)
            placed = part.pack.add(frame.compressed, frame.blobs)
            carried = zip(frame.ordinals, placed, frame.properties, strict=True)
            part.rows += [(ordinal, "", row, properties) for ordinal, row, properties in carried]
        part.rows += frame.others
        part.properties_size += sum(map(len, frame.properties))
        part.properties_size += sum(len(properties) for *_, properties in frame.others)
        part.end = frame.end
        self._call.advance(frame.content_size, len(frame.blobs))

    def _close(self, part: _Part, ordinal: int) -> bool:
        """Complete the pack and create its part; False when another run's part was first."""
        row = part.pack.complete() if part.pack is not None else None
        if not self._create_part(part, ordinal, row):
            return False
        if part.pack is not None and row is not None:
            packed = Transfer(
                pack_count=1,
                blob_count=part.pack.writer.blob_count,
                content_size=part.pack.content_size,
                stored_size=row.size,
                stages=StageSeconds(target=part.pack.target_seconds),
            )
            self._transfer = self._transfer.plus(packed)
            mark_packed(self._target.store, self._session.id, (self._number, ordinal), packed)
        part.rows = []
        return True

    def _create_part(self, part: _Part, ordinal: int, row: PackRow | None) -> bool:
        name = names.part(self._session.id, self._number, ordinal)
        path = self._workspace.new_path("part")
        has_properties = self._session.source.is_changing
        count = write_part(self._workspace, path, row, part.rows, has_properties=has_properties)
        try:
            self._target.put_table(name, path, count)
        except ConflictError:
            # A lost answer looks the same as another run's part: only the pack's id tells.
            theirs = self._tables.fetch(name)
            (pack,) = self._workspace.row(f"select max(pack) from read_parquet({quote(theirs)})")
            return row is not None and pack == row.pack_id
        return True

    def _count_waiting(self, frame: ReadyFrame, seconds: float) -> None:
        is_source = frame.fetch_seconds >= frame.compress_seconds
        stages = StageSeconds(source=seconds) if is_source else StageSeconds(repack=seconds)
        self._transfer = self._transfer.plus(Transfer(stages=stages))
