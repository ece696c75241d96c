"""The content of a pack: a zstd file in the seekable format, with a table of contents.

::

    frame*  one zstd frame each, of one or more whole blobs
    table of contents, a skippable frame 0x184D2A50:
        version u32 = 1, then for each blob in order: id 32, SHA-256 32, length u32
    seek table, a skippable frame 0x184D2A5E:
        for each frame, and last for the table of contents:
            compressed size u32, decompressed size u32 (0 for the table of contents)
        footer: number of entries u32, descriptor u8 = 0, magic 0x8F92EAB1

All numbers are little-endian. The tables come last because a pack is written in one pass; the
footer has a fixed size, so a reader finds everything from the end. What is sealed is the whole.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from core import limits
from core.errors import IntegrityError
from core.ids import BlobId, Digest
from core.model import PackedBlob

TABLE_VERSION = 1
# What a reader may ask for first: holds both tables of a pack of some 900 blobs.
TAIL_SIZE_FIRST = 64 * limits.KIB

_SKIPPABLE = struct.Struct("<II")
_VERSION = struct.Struct("<I")
_BLOB = struct.Struct("<32s32sI")
_FRAME = struct.Struct("<II")
_FOOTER = struct.Struct("<IBI")

_TABLE_OF_CONTENTS_MAGIC = 0x184D2A50
_SEEK_TABLE_MAGIC = 0x184D2A5E
_FOOTER_MAGIC = 0x8F92EAB1

# Both tables of an empty pack: what there is to add to frames, blobs and their entries.
_TABLES_SIZE_MIN = 2 * _SKIPPABLE.size + _VERSION.size + _FRAME.size + _FOOTER.size

assert _BLOB.size == limits.TABLE_OF_CONTENTS_ENTRY_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameBlob:
    """A blob of a frame, in order: its id, the SHA-256 of its content, and the content's length."""

    id: BlobId
    digest: Digest
    length: int


class PackWriter:
    """Keeps a pack's tables while the caller writes its frames, in order and without gaps.

    ``rows`` says where each blob is. ``content_size`` counts the frames so far, and everything
    once ``finish`` has returned.
    """

    def __init__(self) -> None:
        """Begin an empty pack."""
        self.rows: list[PackedBlob] = []
        self.content_size = 0
        self._contents = bytearray(_VERSION.pack(TABLE_VERSION))
        self._frames = bytearray()

    @property
    def blob_count(self) -> int:
        """The number of blobs so far."""
        return len(self.rows)

    def size_with(self, compressed_length: int, blob_count: int) -> int:
        """Return the finished pack's size if this frame were added as its last."""
        return (
            self.content_size
            + compressed_length
            + _TABLES_SIZE_MIN
            + _BLOB.size * (len(self.rows) + blob_count)
            + len(self._frames)
            + _FRAME.size
        )

    def add_frame(self, compressed: bytes, blobs: Sequence[FrameBlob]) -> list[PackedBlob]:
        """Note the next frame, which holds ``blobs`` end to end, and return where they are."""
        assert 0 < len(compressed) <= limits.FRAME_STORED_SIZE_MAX, len(compressed)
        assert len(blobs) > 0
        assert len(self.rows) + len(blobs) <= limits.PACK_BLOBS_MAX, len(self.rows)
        rows = []
        offset = 0
        for blob in blobs:
            assert 0 < blob.length <= limits.BLOB_SIZE_MAX, blob.length
            self._contents += _BLOB.pack(blob.id, blob.digest, blob.length)
            rows.append(
                PackedBlob(
                    id=blob.id,
                    digest=blob.digest,
                    frame_offset=self.content_size,
                    frame_length=len(compressed),
                    offset=offset,
                    length=blob.length,
                )
            )
            offset += blob.length
        assert offset <= limits.FRAME_SIZE_MAX, offset
        self._frames += _FRAME.pack(len(compressed), offset)
        self.content_size += len(compressed)
        self.rows += rows
        return rows

    def finish(self) -> bytes:
        """Return the tables: the pack's last bytes."""
        assert self.rows, "a pack holds at least one blob"
        contents = _SKIPPABLE.pack(_TABLE_OF_CONTENTS_MAGIC, len(self._contents)) + self._contents
        entries = self._frames + _FRAME.pack(len(contents), 0)
        footer = _FOOTER.pack(len(entries) // _FRAME.size, 0, _FOOTER_MAGIC)
        header = _SKIPPABLE.pack(_SEEK_TABLE_MAGIC, len(entries) + len(footer))
        tail = b"".join((contents, header, entries, footer))
        self.content_size += len(tail)
        return tail


def tail_size(content_size: int, tail: bytes) -> int:
    """Say how many of a pack's last bytes ``read_tail`` needs, as far as ``tail`` shows.

    ``tail`` holds any number of a pack's last bytes, at first none or ``TAIL_SIZE_FIRST``. If the
    answer is more than it has, read that many and ask again: it takes three reads at most.
    """
    if len(tail) < _FOOTER.size:
        return _FOOTER.size
    seek_table_size = _seek_table_size(content_size, tail)
    if len(tail) < seek_table_size:
        return seek_table_size
    contents_size, _ = _entries(tail, seek_table_size)[-1]
    if seek_table_size + contents_size > content_size:
        raise _damaged(f"the table of contents takes {contents_size} bytes")
    return seek_table_size + contents_size


def read_tail(content_size: int, tail: bytes) -> list[PackedBlob]:
    """Return where every blob is, in order, from a pack's last bytes and its content's size.

    Everything that the tables say is checked against everything else and against the bounds;
    whatever does not fit is an ``IntegrityError``.
    """
    size = tail_size(content_size, tail)
    if size > len(tail):
        raise _damaged(f"its last {size} bytes are needed, there are {len(tail)}")
    seek_table_size = _seek_table_size(content_size, tail)
    *frames, (_, _) = _entries(tail, seek_table_size)
    if sum(length for length, _ in frames) != content_size - size:
        raise _damaged("the frames of the seek table do not make up the pack")
    contents = tail[len(tail) - size : len(tail) - seek_table_size]
    return _place(frames, _read_table_of_contents(contents))


def _seek_table_size(content_size: int, tail: bytes) -> int:
    footer: tuple[int, int, int] = _FOOTER.unpack(tail[-_FOOTER.size :])
    count, descriptor, magic = footer
    if magic != _FOOTER_MAGIC or descriptor != 0:
        raise _damaged("it does not end with the footer of a seek table")
    # A frame holds at least a blob; the table of contents has an entry as well.
    if not 2 <= count <= limits.PACK_BLOBS_MAX + 1:
        raise _damaged(f"the seek table has {count} entries")
    size = _SKIPPABLE.size + count * _FRAME.size + _FOOTER.size
    if size > content_size:
        raise _damaged(f"the seek table has {count} entries in {content_size} bytes")
    return size


def _entries(tail: bytes, seek_table_size: int) -> list[tuple[int, int]]:
    """Return the seek table's entries, the table of contents last, each within its bounds."""
    table = tail[len(tail) - seek_table_size : len(tail) - _FOOTER.size]
    magic, length = _SKIPPABLE.unpack(table[: _SKIPPABLE.size])
    if magic != _SEEK_TABLE_MAGIC or length != seek_table_size - _SKIPPABLE.size:
        raise _damaged("the seek table does not begin where its footer says")
    entries: list[tuple[int, int]] = list(_FRAME.iter_unpack(table[_SKIPPABLE.size :]))
    for length, size in entries[:-1]:
        if not 0 < length <= limits.FRAME_STORED_SIZE_MAX or not 0 < size <= limits.FRAME_SIZE_MAX:
            raise _damaged(f"the seek table has a frame of {length} bytes for {size}")
    contents_length, contents_size = entries[-1]
    length_min = _SKIPPABLE.size + _VERSION.size + _BLOB.size
    if contents_size != 0 or not (
        length_min <= contents_length <= limits.TABLE_OF_CONTENTS_SIZE_MAX
    ):
        raise _damaged(f"the table of contents takes {contents_length} bytes")
    return entries


def _read_table_of_contents(stored: bytes) -> list[tuple[bytes, bytes, int]]:
    magic, length = _SKIPPABLE.unpack(stored[: _SKIPPABLE.size])
    if magic != _TABLE_OF_CONTENTS_MAGIC or length != len(stored) - _SKIPPABLE.size:
        raise _damaged("the table of contents does not begin where the seek table says")
    start = _SKIPPABLE.size + _VERSION.size
    (version,) = _VERSION.unpack(stored[_SKIPPABLE.size : start])
    if version != TABLE_VERSION:
        raise _damaged(f"the table of contents has version {version}, not {TABLE_VERSION}")
    if (len(stored) - start) % _BLOB.size:
        raise _damaged("the table of contents ends within an entry")
    return list(_BLOB.iter_unpack(stored[start:]))


def _place(
    frames: Sequence[tuple[int, int]], blobs: Sequence[tuple[bytes, bytes, int]]
) -> list[PackedBlob]:
    """Lay the blobs end to end into the frames, which have to come out even."""
    if len(blobs) > limits.PACK_BLOBS_MAX:
        raise _damaged(f"the table of contents has {len(blobs)} blobs")
    rows = []
    remaining = iter(blobs)
    frame_offset = 0
    for frame_length, size in frames:
        offset = 0
        while offset < size:
            blob_id, digest, length = next(remaining, (b"", b"", 0))
            if not 0 < length <= size - offset:
                raise _damaged(f"the blobs do not fill the frame at {frame_offset}")
            rows.append(
                PackedBlob(
                    id=BlobId(blob_id),
                    digest=Digest(digest),
                    frame_offset=frame_offset,
                    frame_length=frame_length,
                    offset=offset,
                    length=length,
                )
            )
            offset += length
        frame_offset += frame_length
    if len(rows) != len(blobs):
        raise _damaged(f"{len(blobs) - len(rows)} blobs are in no frame")
    return rows


def _damaged(reason: str) -> IntegrityError:
    return IntegrityError(f"a pack is damaged: {reason}")
