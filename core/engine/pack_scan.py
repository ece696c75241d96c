"""Reads a whole pack once, from its first byte to its last, and says which blobs are whole.

It goes on behind damage: a chunk that does not open or a frame that does not decode costs the
blobs in it and no others. Memory is a piece of the pack, a frame, and the pack's tables.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from core import limits
from core.engine.metadata import open_pack_by_name, read_pack_rows
from core.errors import IntegrityError
from core.format import frame, seal
from core.model import PackedBlob
from core.sources.repository import Repository

_CHUNKS_AT_ONCE = 512
_PIECE_SIZE = _CHUNKS_AT_ONCE * seal.STORED_CHUNK_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class PackScan:
    """What a whole pack holds. ``faults`` are the reasons, empty for a pack as it was written.

    ``rows`` are all blobs that its table of contents names, or those that were expected where
    the table cannot be read; ``bad`` are the ids of those that cannot be had from where they
    should be. ``sha256`` is of the stored bytes, ``header`` the seal's part of them.
    """

    rows: Sequence[PackedBlob]
    bad: frozenset[bytes]
    sha256: bytes
    header: bytes
    faults: tuple[str, ...]


def scan_pack(
    repository: Repository,
    name: str,
    size: int,
    expected: Sequence[PackedBlob],
    advance: Callable[[int], None],
) -> PackScan:
    """Read a pack of ``size`` stored bytes; ``expected`` are the rows that the index has of it.

    ``advance`` is told how many stored bytes were read, and may raise to stop.
    """
    return _Scan(repository, name, size, advance).run(expected)


class _Scan:
    def __init__(
        self, repository: Repository, name: str, size: int, advance: Callable[[int], None]
    ) -> None:
        self._repository = repository
        self._name = name
        self._size = size
        self._advance = advance
        self._opener: seal.Opener | None = None
        self._header = b""
        self._sha256 = hashlib.sha256()
        self._bad: set[bytes] = set()
        # Counted, so that a pack with a thousand faults says so in a line.
        self._faults: dict[str, int] = {}

    def run(self, expected: Sequence[PackedBlob]) -> PackScan:
        rows = expected
        try:
            self._open_header()
        except IntegrityError as error:
            self._add(error.message, expected)
        else:
            rows = self._read_rows(expected)
            self._check_frames(rows)
        return PackScan(
            rows=rows,
            bad=frozenset(self._bad),
            sha256=self._sha256.digest(),
            header=self._header,
            faults=tuple(
                fault if count == 1 else f"{fault} ({count} times)"
                for fault, count in self._faults.items()
            ),
        )

    def _add(self, fault: str, blobs: Sequence[PackedBlob] = ()) -> None:
        self._faults[fault] = self._faults.get(fault, 0) + 1
        self._bad.update(blob.id for blob in blobs)

    def _open_header(self) -> None:
        if self._repository.identity.is_encrypted:
            seal.plain_size(self._size)
            self._header = self._repository.store.get_range(self._name, 0, seal.HEADER_SIZE)
            self._sha256.update(self._header)
            self._opener = self._repository.open_header(self._name, self._header)

    def _read_rows(self, expected: Sequence[PackedBlob]) -> Sequence[PackedBlob]:
        """Return the rows of the table of contents, once compared with those of the index."""
        try:
            rows = read_pack_rows(open_pack_by_name(self._repository, self._name, self._size))
        except IntegrityError as error:
            self._add(error.message)
            return sorted(expected, key=lambda row: (row.frame_offset, row.offset))
        there = set(rows)
        for row in expected:
            if row not in there:
                self._add("the index places a blob where the pack has none", [row])
        return rows

    def _stored_pieces(self) -> Iterator[bytes]:
        for offset in range(len(self._header), self._size, _PIECE_SIZE):
            length = min(_PIECE_SIZE, self._size - offset)
            stored = self._repository.store.get_range(self._name, offset, length)
            self._sha256.update(stored)
            self._advance(length)
            yield stored

    def _plain_pieces(self) -> Iterator[bytes]:
        """Yield the content in pieces; what does not open reads as zeros."""
        offset = len(self._header)
        for number, stored in enumerate(self._stored_pieces()):
            offset += len(stored)
            if self._opener is None:
                yield stored
                continue
            first_chunk = number * _CHUNKS_AT_ONCE
            is_end = offset == self._size
            try:
                yield self._opener.open_chunks(first_chunk, stored, is_end=is_end)
            except IntegrityError:
                yield b"".join(self._open_each(self._opener, first_chunk, stored, is_end=is_end))

    def _open_each(
        self, opener: seal.Opener, first_chunk: int, stored: bytes, *, is_end: bool
    ) -> Iterator[bytes]:
        for number, start in enumerate(range(0, len(stored), seal.STORED_CHUNK_SIZE)):
            chunk = stored[start : start + seal.STORED_CHUNK_SIZE]
            is_last = is_end and start + len(chunk) == len(stored)
            try:
                yield opener.open_chunks(first_chunk + number, chunk, is_end=is_last)
            except IntegrityError:
                self._add("a chunk of its seal does not open")
                yield bytes(len(chunk) - seal.TAG_SIZE)

    def _check_frames(self, rows: Sequence[PackedBlob]) -> None:
        """Take the content to its end; decode each frame on the way and compare its blobs."""
        content = _Forward(self._plain_pieces())
        for (offset, length), blobs in groupby(rows, lambda r: (r.frame_offset, r.frame_length)):
            self._check_frame(content.take(offset, length), list(blobs))
        content.exhaust()

    def _check_frame(self, compressed: bytes, blobs: Sequence[PackedBlob]) -> None:
        try:
            content = memoryview(frame.decode_frame(compressed, limits.FRAME_SIZE_MAX))
        except IntegrityError as error:
            self._add(error.message, blobs)
            return
        for blob in blobs:
            piece = content[blob.offset : blob.offset + blob.length]
            if not hmac.compare_digest(hashlib.sha256(piece).digest(), blob.digest):
                self._add("a blob is not what was packed", [blob])


class _Forward:
    """Cuts ranges out of a stream; never goes back."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = bytearray()
        self._offset = 0

    def take(self, offset: int, length: int) -> bytes:
        """Return a range, or less of it where the stream ends or was left behind already."""
        self._drop(offset - self._offset)
        while len(self._buffer) < length and (piece := next(self._pieces, b"")):
            self._buffer += piece
            self._drop(offset - self._offset)
        taken = bytes(memoryview(self._buffer)[:length])
        self._drop(length)
        return taken

    def _drop(self, size: int) -> None:
        dropped = max(0, min(size, len(self._buffer)))
        del self._buffer[:dropped]
        self._offset += dropped

    def exhaust(self) -> None:
        """Let the rest of the stream pass."""
        for _ in self._pieces:
            continue
