"""Pieces of long files wait on disk: they come back as they were, and memory does not grow."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.long_files import LongFile, PieceRow, spool_files
from core.errors import StoreError
from core.limits import BLOB_SIZE_MAX
from core.plan.restore import Target

HEADER = bytes(56)
# 128 GiB, and what of two such files may be in memory at any moment.
PIECES = 16_384
MEMORY_SIZE = 1 << 20


def target(row: int, piece_count: int) -> Target:
    return Target(
        row=row,
        path=b"%d" % row,
        modified=0,
        mode=None,
        replaces=None,
        piece_count=piece_count,
        size=piece_count * BLOB_SIZE_MAX,
    )


def packed(ordinal: int, pack: int = 1, header: bytes = HEADER) -> PieceRow:
    length, frame = BLOB_SIZE_MAX, (pack << 40, 7)
    place = (pack, *frame, 3, length, bytes([pack]) * 32)
    return (ordinal, length, b"%032d" % ordinal, *place, "5" * 32, "b" * 32, 1 << 29, header)


def loose(ordinal: int) -> PieceRow:
    return (ordinal, 9, b"%032d" % ordinal, *[None] * 10)


def test_pieces_come_back_as_they_were_each_with_its_pack(tmp_path: Path) -> None:
    rows = [packed(0, 1), packed(0, 2, b""), loose(1)]
    files = [(target(4, 2), iter(rows)), (target(7, 1), iter([packed(5)]))]
    first, second = spool_files(files, tmp_path / "pieces")
    one, other, bare = first.pieces()
    assert (one.piece.target, one.piece.ordinal, one.piece.offset) == (first.target, 0, 0)
    assert (one.piece.length, one.piece.blob) == (BLOB_SIZE_MAX, b"%032d" % 0)
    assert one.piece.place is not None
    assert (one.piece.place.frame.pack, one.piece.place.frame.offset) == (1, 1 << 40)
    assert (one.piece.place.frame.length, one.piece.place.offset) == (7, 3)
    assert (one.piece.place.length, one.piece.place.digest) == (BLOB_SIZE_MAX, b"\1" * 32)
    assert one.pack is not None
    assert (one.pack.session_id, one.pack.pack_id) == ("5" * 32, "b" * 32)
    assert (one.pack.size, one.pack.header) == (1 << 29, HEADER)
    assert other.pack is not None
    assert other.pack.header == b""
    assert (bare.piece.place, bare.pack, bare.piece.offset) == (None, None, BLOB_SIZE_MAX)
    (last,) = second.pieces()
    assert (last.piece.target.row, last.piece.offset) == (7, 5 * BLOB_SIZE_MAX)


def test_a_file_is_there_before_the_next_one_is_asked_for(tmp_path: Path) -> None:
    asked = []

    def files() -> Iterator[tuple[Target, Iterator[PieceRow]]]:
        for row in range(3):
            asked.append(row)
            yield target(row, 1), iter([packed(row)])

    found = spool_files(files(), tmp_path / "pieces")
    for row in range(3):
        assert [each.piece.ordinal for each in next(found).pieces()] == [row]
        assert asked == list(range(row + 1))


def test_pieces_of_long_files_take_no_memory(tmp_path: Path) -> None:
    files = ((target(row, PIECES), map(packed, range(PIECES))) for row in range(2))
    spooled: list[LongFile] = []
    tracemalloc.start()
    try:
        spooled += spool_files(files, tmp_path / "pieces")
        running = [each.pieces() for each in spooled]
        count = sum(1 for pieces in zip(*running, strict=True) for _ in pieces)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 2 * PIECES
    assert peak < MEMORY_SIZE


def test_a_spool_that_cannot_be_written_or_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write the temporary file"):
        list(spool_files([], tmp_path / "nowhere" / "pieces"))
    lost = LongFile(target=target(0, 1), path=tmp_path / "lost", start=0, count=1)
    with pytest.raises(StoreError, match="cannot read the temporary file"):
        list(lost.pieces())
