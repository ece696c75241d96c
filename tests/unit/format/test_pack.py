"""Packs: written in one pass, read from the end, readable by strangers, refused when wrong."""

import hashlib
import io
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import pyzstd
import zstandard

from core import limits
from core.errors import IntegrityError
from core.format import pack
from core.format.frame import decode_frame, encode_frame
from core.format.pack import FrameBlob, PackWriter, read_tail, tail_size
from core.ids import BlobId, content_digest
from core.model import PackedBlob

FOOTER_SIZE = 9
ENTRY_SIZE = 8


@dataclass(frozen=True)
class Made:
    """A pack's bytes, the blobs in it, frame by frame, and what its writer said of them."""

    content: bytes
    frames: list[list[bytes]]
    rows: list[PackedBlob]

    @property
    def blobs(self) -> bytes:
        return b"".join(blob for frame in self.frames for blob in frame)


def frame_blob(blob: bytes) -> FrameBlob:
    blob_id = BlobId(hashlib.sha256(b"id of " + blob).digest())
    return FrameBlob(id=blob_id, digest=content_digest(blob), length=len(blob))


def make_pack(frames: list[list[bytes]]) -> Made:
    writer = PackWriter()
    content = bytearray()
    for blobs in frames:
        compressed = encode_frame(b"".join(blobs), 3)
        finished_size = writer.size_with(len(compressed), len(blobs))
        writer.add_frame(compressed, [frame_blob(blob) for blob in blobs])
        content += compressed
        assert writer.content_size == len(content)
    content += writer.finish()
    assert len(content) == writer.content_size == finished_size
    return Made(bytes(content), frames, writer.rows)


def text_frames(frame_count: int, blob_count: int) -> list[list[bytes]]:
    return [
        [b"frame %d, blob %d; " % (frame, blob) * (1 + blob) for blob in range(blob_count)]
        for frame in range(frame_count)
    ]


SMALL = make_pack(text_frames(5, 7))


def read_all(content: bytes, first: int = 0) -> list[PackedBlob]:
    """Read a pack's tables as a reader of ranges does; three reads have to be enough."""
    size = first
    for _ in range(4):
        tail = content[len(content) - size :] if size else b""
        needed = tail_size(len(content), tail)
        if needed <= len(tail):
            return read_tail(len(content), tail)
        size = needed
    raise AssertionError(f"{size} bytes were not enough")


@pytest.mark.parametrize("first", [0, 9, 100, len(SMALL.content)])
def test_the_tables_are_read_from_any_first_tail(first: int) -> None:
    assert read_all(SMALL.content, first) == SMALL.rows


def test_every_blob_is_where_its_row_says() -> None:
    blobs = [blob for frame in SMALL.frames for blob in frame]
    for row, blob in zip(SMALL.rows, blobs, strict=True):
        frame = SMALL.content[row.frame_offset : row.frame_offset + row.frame_length]
        content = decode_frame(frame, limits.FRAME_SIZE_MAX)
        assert content[row.offset : row.offset + row.length] == blob
        assert row.digest == content_digest(blob)


def test_the_zstd_command_gives_all_blobs_end_to_end(tmp_path: Path) -> None:
    command = shutil.which("zstd")
    if command is None:
        pytest.skip("the zstd command is not installed")
    path = tmp_path / "pack.zst"
    path.write_bytes(SMALL.content)
    subprocess.run([command, "-t", str(path)], check=True, capture_output=True)
    done = subprocess.run([command, "-dc", str(path)], check=True, capture_output=True)
    assert done.stdout == SMALL.blobs


def test_a_stranger_who_knows_the_seekable_format_reads_every_frame() -> None:
    with pyzstd.SeekableZstdFile(io.BytesIO(SMALL.content)) as file:
        assert file.read() == SMALL.blobs
        offset = 0
        for frame in SMALL.frames:
            for blob in frame:
                file.seek(offset)
                assert file.read(len(blob)) == blob
                offset += len(blob)


def test_the_bytes_of_the_tables_are_these() -> None:
    made = make_pack([[b"one", b"two"]])
    frame_length = made.rows[0].frame_length
    one, two = frame_blob(b"one"), frame_blob(b"two")
    assert made.content[frame_length:] == b"".join(
        [
            bytes.fromhex("502a4d18 8c000000 01000000"),
            one.id + one.digest + bytes.fromhex("03000000"),
            two.id + two.digest + bytes.fromhex("03000000"),
            bytes.fromhex("5e2a4d18 19000000"),
            struct.pack("<II", frame_length, 6),
            struct.pack("<II", 8 + 4 + 2 * 68, 0),
            bytes.fromhex("02000000 00 b1ea928f"),
        ]
    )


def test_a_pack_holds_as_many_blobs_as_the_limit_says() -> None:
    writer = PackWriter()
    blob = FrameBlob(id=BlobId(bytes(32)), digest=content_digest(b"x"), length=1)
    for _ in range(4):
        writer.add_frame(b"frame", [blob] * (limits.PACK_BLOBS_MAX // 4))
    tail = writer.finish()
    assert writer.blob_count == limits.PACK_BLOBS_MAX
    assert len(tail) < limits.TABLE_OF_CONTENTS_SIZE_MAX
    assert read_tail(writer.content_size, tail) == writer.rows


def test_a_writer_refuses_what_no_reader_would_take() -> None:
    blob = FrameBlob(id=BlobId(bytes(32)), digest=content_digest(b"x"), length=1)
    empty = FrameBlob(id=BlobId(bytes(32)), digest=content_digest(b""), length=0)
    large = FrameBlob(id=blob.id, digest=blob.digest, length=limits.BLOB_SIZE_MAX)
    too_large = FrameBlob(id=blob.id, digest=blob.digest, length=limits.BLOB_SIZE_MAX + 1)
    for compressed, blobs in (
        (b"", [blob]),
        (bytes(limits.FRAME_STORED_SIZE_MAX + 1), [blob]),
        (b"frame", []),
        (b"frame", [empty]),
        (b"frame", [too_large]),
        (b"frame", [large, blob]),
        (b"frame", [blob] * (limits.PACK_BLOBS_MAX + 1)),
    ):
        with pytest.raises(AssertionError):
            PackWriter().add_frame(compressed, blobs)
    with pytest.raises(AssertionError, match="at least one blob"):
        PackWriter().finish()


def set_u32(content: bytes, from_end: int, value: int) -> bytes:
    at = len(content) - from_end
    return content[:at] + struct.pack("<I", value) + content[at + 4 :]


ENTRIES = len(SMALL.frames) + 1
SEEK_TABLE_SIZE = 8 + ENTRIES * ENTRY_SIZE + FOOTER_SIZE
CONTENTS_SIZE = 8 + 4 + len(SMALL.rows) * 68
FIRST_ENTRY = SEEK_TABLE_SIZE - 8
LAST_ENTRY = FOOTER_SIZE + ENTRY_SIZE
CONTENTS = SEEK_TABLE_SIZE + CONTENTS_SIZE


@pytest.mark.parametrize(
    ("from_end", "value", "message"),
    [
        (4, 0x8F92EAB2, "does not end with the footer"),
        (FOOTER_SIZE, 0, "has 0 entries"),
        (FOOTER_SIZE, 1, "has 1 entries"),
        (FOOTER_SIZE, limits.PACK_BLOBS_MAX + 2, "has 131074 entries"),
        (FOOTER_SIZE, 100_000, "100000 entries in"),
        (FOOTER_SIZE, ENTRIES - 1, "seek table does not begin where"),
        (FOOTER_SIZE, ENTRIES + 1, "seek table does not begin where"),
        (SEEK_TABLE_SIZE, 0x184D2A5D, "seek table does not begin where"),
        (SEEK_TABLE_SIZE - 4, 1, "seek table does not begin where"),
        (FIRST_ENTRY, 0, "frame of 0 bytes"),
        (FIRST_ENTRY, limits.FRAME_STORED_SIZE_MAX + 1, "has a frame of"),
        (FIRST_ENTRY, 77, "do not make up the pack"),
        (FIRST_ENTRY - 4, 0, "for 0"),
        (FIRST_ENTRY - 4, limits.FRAME_SIZE_MAX + 1, "has a frame of"),
        (FIRST_ENTRY - 4, limits.FRAME_SIZE_MAX, "blobs do not fill the frame"),
        (FIRST_ENTRY - 4, 1, "blobs do not fill the frame"),
        (LAST_ENTRY, 8 + 4, "table of contents takes 12 bytes"),
        (LAST_ENTRY, limits.TABLE_OF_CONTENTS_SIZE_MAX + 1, "table of contents takes"),
        (LAST_ENTRY, 1_000_000, "table of contents takes 1000000"),
        (LAST_ENTRY, CONTENTS_SIZE - 68, "do not make up the pack"),
        (LAST_ENTRY - 4, 1, "table of contents takes"),
        (CONTENTS, 0x184D2A51, "table of contents does not begin where"),
        (CONTENTS - 4, 7, "table of contents does not begin where"),
        (CONTENTS - 8, 2, "has version 2, not 1"),
        (SEEK_TABLE_SIZE + 4, 0, "blobs do not fill the frame"),
        (SEEK_TABLE_SIZE + 4, 1 << 31, "blobs do not fill the frame"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(from_end: int, value: int, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        read_all(set_u32(SMALL.content, from_end, value))


def test_a_descriptor_that_promises_checksums_is_refused() -> None:
    content = bytearray(SMALL.content)
    content[-5] = 0x80
    with pytest.raises(IntegrityError, match="does not end with the footer"):
        read_all(bytes(content))


def tables(frames: list[tuple[int, int]], lengths: list[int], padding: bytes = b"") -> bytes:
    """Write tables as a faulty writer might; everything but the given numbers is right."""
    contents = struct.pack("<I", 1)
    contents += b"".join(bytes(64) + struct.pack("<I", length) for length in lengths) + padding
    contents = struct.pack("<II", 0x184D2A50, len(contents)) + contents
    entries = b"".join(struct.pack("<II", *frame) for frame in [*frames, (len(contents), 0)])
    footer = struct.pack("<IBI", len(frames) + 1, 0, 0x8F92EAB1)
    return contents + struct.pack("<II", 0x184D2A5E, len(entries) + 9) + entries + footer


def test_tables_that_are_whole_but_disagree_are_refused() -> None:
    assert len(read_all(b"x" * 10 + tables([(10, 3)], [1, 2]))) == 2
    with pytest.raises(IntegrityError, match="1 blobs are in no frame"):
        read_all(b"x" * 10 + tables([(10, 3)], [1, 2, 4]))
    with pytest.raises(IntegrityError, match="do not fill the frame at 10"):
        read_all(b"x" * 20 + tables([(10, 3), (10, 3)], [1, 2]))
    with pytest.raises(IntegrityError, match="ends within an entry"):
        read_all(b"x" * 10 + tables([(10, 3)], [1, 2], padding=b"more"))
    too_many = limits.PACK_BLOBS_MAX + 1
    with pytest.raises(IntegrityError, match=f"has {too_many} blobs"):
        read_all(b"x" * 10 + tables([(10, too_many)], [1] * too_many))


@pytest.mark.parametrize("size", [0, 1, 8, 9, 50, 100, len(SMALL.content) - 1])
def test_a_pack_that_lost_its_beginning_or_its_end_is_refused(size: int) -> None:
    for content in (SMALL.content[:size], SMALL.content[len(SMALL.content) - size :]):
        with pytest.raises((IntegrityError, AssertionError)):
            read_all(content)
        with pytest.raises(IntegrityError):
            read_tail(len(content), content)


def test_a_tail_that_is_too_short_is_named() -> None:
    with pytest.raises(IntegrityError, match="bytes are needed, there are 60"):
        read_tail(len(SMALL.content), SMALL.content[-60:])


def test_frames_are_ordinary_zstd_frames_with_checksums() -> None:
    for row in SMALL.rows:
        frame = SMALL.content[row.frame_offset : row.frame_offset + row.frame_length]
        assert zstandard.get_frame_parameters(frame).has_checksum


def test_a_tail_of_the_first_size_holds_the_tables_of_a_small_pack() -> None:
    assert tail_size(len(SMALL.content), SMALL.content) < pack.TAIL_SIZE_FIRST
