"""What metadata may say, and reads that come in order and stay within bounds."""

import pytest

from core.errors import IntegrityError
from core.ids import BlobId, Digest
from core.limits import MIB
from core.model import ItemKind
from core.plan.restore import (
    LOOSE_READ_PIECES,
    READ_PIECES_MAX,
    Frame,
    Piece,
    Place,
    Target,
    plan_frame_reads,
    plan_loose_reads,
    read_attributes,
)


def target(row: int) -> Target:
    return Target(row=row, path=b"%d" % row, modified=0, mode=None, replaces=None, piece_count=1)


def loose(row: int, blob: bytes, length: int = 10) -> Piece:
    return Piece(
        target=target(row), ordinal=0, offset=0, length=length, blob=BlobId(blob), place=None
    )


def packed(row: int, pack: int, frame_offset: int) -> Piece:
    frame = Frame(pack=pack, offset=frame_offset, length=100)
    place = Place(frame=frame, offset=0, length=10, digest=Digest(b"d"))
    return Piece(target=target(row), ordinal=0, offset=0, length=10, blob=BlobId(b"b"), place=place)


def test_mode_is_read_without_the_bits_that_lend_rights() -> None:
    assert read_attributes(ItemKind.FILE, '{"mode":2541}').mode == 0o755
    assert read_attributes(ItemKind.FILE, f'{{"mode":{0o7777}}}').mode == 0o1777
    assert read_attributes(ItemKind.FILE, "{}").mode is None


def test_a_link_target_is_read_from_hex() -> None:
    metadata = f'{{"target":"{bytes([0xFF, 0x0A]).hex()}"}}'
    assert read_attributes(ItemKind.LINK, metadata).link_target == b"\xff\n"
    assert read_attributes(ItemKind.FILE, metadata).link_target == b""


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "[" * 100_000,
        '{"mode":"644"}',
        '{"mode":true}',
        '{"mode":-1}',
        '{"mode":4294967296}',
        '{"mode":1.5}',
        '{"mode":1e999}',
    ],
)
def test_metadata_that_no_backup_writes_is_damage(metadata: str) -> None:
    with pytest.raises(IntegrityError, match="metadata is damaged"):
        read_attributes(ItemKind.FILE, metadata)


@pytest.mark.parametrize(
    "value", ["null", '""', '"6"', '"zz"', "5", '"610062"', f'"{"61" * 4096}"']
)
def test_a_link_target_that_could_be_none_is_damage(value: str) -> None:
    with pytest.raises(IntegrityError, match="no target"):
        read_attributes(ItemKind.LINK, f'{{"target":{value}}}')


def test_pieces_of_one_frame_are_one_read() -> None:
    pieces = [packed(0, 1, 0), packed(1, 1, 0), packed(2, 1, 500), packed(3, 2, 500)]
    reads = list(plan_frame_reads(pieces))
    assert [[piece.target.row for piece in read.pieces] for read in reads] == [[0, 1], [2], [3]]
    assert [(read.frame.pack, read.frame.offset) for read in reads if read.frame] == [
        (1, 0),
        (1, 500),
        (2, 500),
    ]


def test_a_frame_that_very_many_pieces_need_is_several_bounded_reads() -> None:
    pieces = [packed(row, 1, 0) for row in range(2 * READ_PIECES_MAX + 1)]
    reads = list(plan_frame_reads(pieces))
    assert [len(read.pieces) for read in reads] == [READ_PIECES_MAX, READ_PIECES_MAX, 1]
    assert len({read.frame for read in reads}) == 1


def test_small_loose_blobs_are_read_together_and_large_ones_alone() -> None:
    small = [loose(row, b"%d" % row) for row in range(LOOSE_READ_PIECES + 1)]
    assert [len(read.pieces) for read in plan_loose_reads(small)] == [LOOSE_READ_PIECES, 1]
    large = [loose(row, b"%d" % row, 8 * MIB) for row in range(3)]
    assert [len(read.pieces) for read in plan_loose_reads(large)] == [1, 1, 1]


def test_a_loose_blob_that_many_files_need_is_read_once() -> None:
    twins = [loose(row, b"same", 8 * MIB) for row in range(LOOSE_READ_PIECES * 3)]
    assert [len(read.pieces) for read in plan_loose_reads([*twins, loose(999, b"other")])] == [
        LOOSE_READ_PIECES * 3,
        1,
    ]


def test_a_loose_blob_that_very_many_files_need_is_bounded_reads() -> None:
    twins = [loose(row, b"same") for row in range(READ_PIECES_MAX + 1)]
    assert [len(read.pieces) for read in plan_loose_reads(twins)] == [READ_PIECES_MAX, 1]


def test_nothing_to_read_is_no_read() -> None:
    assert list(plan_frame_reads([])) == []
    assert list(plan_loose_reads([])) == []
