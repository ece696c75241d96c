"""From rows to frames: cut by planned lengths, in order, with bounded content under way."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from core import ids, limits
from core.engine.stream import FrameStream, ReadyFrame, Threads, Wanted, cut_frames, cut_runs
from core.errors import (
    ConflictError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.format.frame import decode_frame
from core.ids import BlobId, RepositoryId
from core.model import Parameters, RetentionType
from core.sources.source import SourceBlob
from tests.support.waiting import PATIENCE_SECONDS, wait_until

THREADS = Threads(fetch=4, compress=2)


def rows(*lengths: int) -> list[Wanted]:
    return [
        Wanted(number, BlobId(b"%032d" % number), b"%d" % number, length)
        for number, length in enumerate(lengths)
    ]


def content(row: Wanted) -> bytes:
    return b"%d " % row.ordinal * row.length


_NOBODY = RepositoryId("0" * 32)

Read = Callable[[bytes], bytes]


@dataclass(frozen=True)
class FromFunction:
    """A source whose blobs a function returns; each carries its id as properties."""

    read: Read
    has_content_ids: bool = False
    is_changing: bool = False
    url: str = "file:///nowhere"
    vendor: str = "filesystem"
    id: RepositoryId = _NOBODY
    retention_type: RetentionType = RetentionType.SNAPSHOT_BASED
    space: str = "sha256"
    opened: Read = bytes

    def fetch(self, reference: bytes) -> SourceBlob:
        return SourceBlob(content=self.read(reference), properties=reference.decode("latin-1"))

    def open(self, reference: bytes, stored: bytes) -> bytes:
        del reference
        return self.opened(stored)


def reader(wanted: Sequence[Wanted]) -> Read:
    """Return what reads each row's blob: its number again and again, cut to its length."""
    known = {row.source_id: content(row)[: row.length] for row in wanted}
    return lambda source_id: known[source_id]


def stream(
    wanted: Sequence[Wanted], read: Read, frame_size: int = 100, *, is_changing: bool = False
) -> FrameStream:
    return FrameStream(
        wanted,
        FromFunction(read, is_changing=is_changing),
        parameters=Parameters(frame_size=frame_size, zstd_level=1),
        threads=THREADS,
    )


def lengths(frames: Sequence[list[Wanted]]) -> list[list[int]]:
    return [[row.length for row in frame] for frame in frames]


def test_a_frame_closes_before_the_blob_that_would_take_it_past_its_size() -> None:
    assert lengths(list(cut_frames(rows(40, 60, 1, 99, 100, 1), 100))) == [
        [40, 60],
        [1, 99],
        [100],
        [1],
    ]


def test_a_blob_larger_than_a_frame_is_alone() -> None:
    assert lengths(list(cut_frames(rows(1, 500, 1), 100))) == [[1], [500], [1]]


def test_no_rows_are_no_frames() -> None:
    assert list(cut_frames([], 100)) == []
    assert list(cut_runs([])) == []


def test_a_frame_has_no_more_blobs_than_its_table_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FRAME_BLOBS_MAX", 3)
    assert [len(frame) for frame in cut_frames(rows(*[1] * 8), 100)] == [3, 3, 2]


def test_a_run_is_what_one_thread_reads_in_one_go() -> None:
    assert [len(run) for run in cut_runs(rows(*[1] * 40))] == [16, 16, 8]
    assert [len(run) for run in cut_runs(rows(*[limits.MIB // 2] * 5))] == [2, 2, 1]
    assert [len(run) for run in cut_runs(rows(8 * limits.MIB, 1))] == [1, 1]


def test_frames_come_in_order_with_every_blob_once() -> None:
    wanted = rows(*(number % 70 + 1 for number in range(300)))
    frames = list(stream(wanted, reader(wanted)))
    assert [frame.first for frame in frames[1:]] == [frame.end for frame in frames[:-1]]
    assert [ordinal for frame in frames for ordinal in frame.ordinals] == list(range(300))
    decoded = b"".join(decode_frame(frame.compressed, 1000) for frame in frames)
    assert decoded == b"".join(content(row)[: row.length] for row in wanted)
    digests = [blob.digest for frame in frames for blob in frame.blobs]
    assert digests == [ids.content_digest(content(row)[: row.length]) for row in wanted]


def test_an_id_that_is_the_digest_is_not_computed_again() -> None:
    piece = b"content"
    wanted = [Wanted(0, BlobId(b"x" * 32), hashlib.sha256(piece).digest(), len(piece))]
    frames = FrameStream(
        wanted,
        FromFunction(lambda _: piece, has_content_ids=True),
        parameters=Parameters(frame_size=100, zstd_level=1),
        threads=THREADS,
    )
    assert [frame.blobs[0].digest for frame in frames] == [hashlib.sha256(piece).digest()]


def fail(error: Exception) -> Callable[[bytes], bytes]:
    def read_blob(source_id: bytes) -> bytes:
        if source_id == b"1":
            raise error
        return b"abc"

    return read_blob


@pytest.mark.parametrize(
    ("error", "fault", "is_changing"),
    [
        (NotFoundError("gone"), "missing", False),
        (NotFoundError("gone"), "vanished", True),
        (ConflictError("changed"), "changed", True),
        (NotReadyError("in an archive class"), "archived", True),
        (IntegrityError("broken"), "damaged", False),
        (IntegrityError("broken"), "damaged", True),
    ],
)
def test_a_blob_that_cannot_be_had_is_told_and_the_others_come(
    error: Exception, fault: str, is_changing: bool
) -> None:
    (frame,) = stream(rows(3, 3, 3), fail(error), is_changing=is_changing)
    assert frame.ordinals == (0, 2)
    assert frame.properties == ("0", "2")
    assert frame.others == ((1, fault, rows(3, 3)[1].id, ""),)
    assert decode_frame(frame.compressed, 100) == b"abcabc"
    assert (frame.first, frame.end) == (0, 3)


def test_what_is_fetched_is_opened_and_what_cannot_be_opened_is_damage() -> None:
    def opened(stored: bytes) -> bytes:
        if stored == b"sealed 1":
            raise IntegrityError("broken")
        return stored.removeprefix(b"sealed ")

    source = FromFunction(lambda source_id: b"sealed " + source_id, opened=opened)
    parameters = Parameters(frame_size=100, zstd_level=1)
    (frame,) = FrameStream(rows(1, 1, 1), source, parameters=parameters, threads=THREADS)
    assert decode_frame(frame.compressed, 100) == b"02"
    assert [(ordinal, fault) for ordinal, fault, _, _ in frame.others] == [(1, "damaged")]


def test_many_threads_fetch_and_only_those_that_compress_open() -> None:
    fetching, opening = set(), set()

    def read(source_id: bytes) -> bytes:
        fetching.add(threading.current_thread().name)
        return source_id[:1]

    def opened(stored: bytes) -> bytes:
        opening.add(threading.current_thread().name)
        return stored

    source = FromFunction(read, opened=opened)
    parameters = Parameters(frame_size=100, zstd_level=1)
    list(FrameStream(rows(*[1] * 300), source, parameters=parameters, threads=THREADS))
    assert {name.split("_")[0] for name in fetching} == {"fetch"}
    assert {name.split("_")[0] for name in opening} == {"compress"}


def test_content_of_another_length_than_planned_is_damage() -> None:
    (frame,) = stream(rows(4), lambda _: b"abc")
    assert [fault for _, fault, *_ in frame.others] == ["damaged"]
    assert frame.compressed == b""


def test_a_row_without_length_asks_for_properties_alone() -> None:
    (frame,) = stream(rows(0, 3, 0), lambda row: b"" if row != b"1" else b"abc")
    ids_of = [row.id for row in rows(0, 3, 0)]
    assert frame.others == ((0, "described", ids_of[0], "0"), (2, "described", ids_of[2], "2"))
    assert (frame.ordinals, frame.properties) == ((1,), ("1",))
    (frame,) = stream(rows(0), lambda _: b"")
    assert (frame.compressed, frame.blobs, frame.end) == (b"", (), 1)


def test_a_store_that_fails_ends_the_stream() -> None:
    frames = stream(rows(3, 3), fail(StoreError("no answer")))
    with pytest.raises(StoreError, match="no answer"):
        list(frames)
    frames.close()


def test_a_stream_that_is_closed_early_reads_nothing_more() -> None:
    wanted = rows(*[60] * 50)
    read: list[bytes] = []
    first_is_taken = threading.Event()

    def read_blob(source_id: bytes) -> bytes:
        read.append(source_id)
        if len(read) > 1:
            first_is_taken.wait(PATIENCE_SECONDS)
        return b"x" * 60

    frames = stream(wanted, read_blob)
    taken: ReadyFrame = next(iter(frames))
    assert taken.first == 0
    closing = threading.Thread(target=frames.close)
    closing.start()
    # What is under way goes on once nothing more is begun.
    wait_until(lambda: frames._is_closed)
    first_is_taken.set()
    closing.join()
    assert len(read) <= 1 + limits.FETCH_THREADS


@pytest.mark.parametrize(("length", "frame_size"), [(1, 100), (4000, 16_000)])
def test_what_is_under_way_is_bounded_whatever_the_blobs_size(
    length: int, frame_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FETCH_BYTES_IN_FLIGHT_MAX", 100 * limits.KIB)
    monkeypatch.setattr(limits, "FRAME_BLOBS_MAX", 10)
    lock = threading.Lock()
    count = under_way = 0

    def read_blob(_: bytes) -> bytes:
        nonlocal count
        with lock:
            count += 1
        return b"x" * length

    frames = stream(rows(*[length] * 1000), read_blob, frame_size)
    taken = 0
    for frame in frames:
        under_way = max(under_way, count - taken)
        taken += len(frame.blobs)
    assert taken == 1000
    assert under_way * (length + 1024) <= 100 * limits.KIB + 2 * 10 * (length + 1024)
