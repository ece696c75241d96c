"""Reads a pack back while it is written: an archived object cannot be read before it thaws.

The bytes that go to the uploader are opened by the ordinary reader, every frame decoded, every
blob's digest compared, and the tables read, before the upload is completed.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import Sequence

from core import limits
from core.errors import IntegrityError
from core.format import frame, pack, seal
from core.format.pack import FrameBlob
from core.model import PackedBlob
from core.sources.repository import Repository


class PackCheck:
    """Takes a pack's stored bytes in order, with what its frames should hold."""

    def __init__(self, repository: Repository, name: str) -> None:
        """Nothing has been written yet."""
        self._repository = repository
        self._name = name
        self._sha256 = hashlib.sha256()
        self._opener: seal.Opener | None = None
        self._stored = bytearray()
        self._next_chunk = 0
        self._plain = bytearray()
        self._frames: deque[tuple[int, Sequence[FrameBlob]]] = deque()
        self._content_size = 0
        self.header = b""
        self.stored_size = 0

    def update(self, stored: bytes, frame_length: int, blobs: Sequence[FrameBlob]) -> None:
        """Take what sealing a frame of ``frame_length`` bytes gave; 0 bytes mean no frame."""
        if frame_length:
            self._frames.append((frame_length, blobs))
        self._take(stored, is_end=False)

    def finish(self, stored: bytes, rows: Sequence[PackedBlob]) -> bytes:
        """Take the last bytes, compare the tables with ``rows``; return the stored SHA-256."""
        self._take(stored, is_end=True)
        if self._frames:
            raise self._mismatch("it ends within a frame")
        tail = bytes(self._plain)
        if pack.read_tail(self._content_size, tail) != list(rows):
            raise self._mismatch("its tables name other blobs")
        return self._sha256.digest()

    def _take(self, stored: bytes, *, is_end: bool) -> None:
        self._sha256.update(stored)
        self.stored_size += len(stored)
        plain = self._open(stored, is_end=is_end)
        self._content_size += len(plain)
        self._plain += plain
        while self._frames and len(self._plain) >= self._frames[0][0]:
            length, blobs = self._frames.popleft()
            compressed = bytes(memoryview(self._plain)[:length])
            del self._plain[:length]
            self._check_frame(compressed, blobs)

    def _open(self, stored: bytes, *, is_end: bool) -> bytes:
        if self._repository.keys is None:
            return stored
        self._stored += stored
        if self._opener is None:
            if len(self._stored) < seal.HEADER_SIZE:
                return b""
            self.header = bytes(self._stored[: seal.HEADER_SIZE])
            del self._stored[: seal.HEADER_SIZE]
            self._opener = self._repository.open_header(self._name, self.header)
        # The last chunk is recognised by being short, so it is only known at the end.
        count = len(self._stored) // seal.STORED_CHUNK_SIZE
        length = len(self._stored) if is_end else count * seal.STORED_CHUNK_SIZE
        run = bytes(memoryview(self._stored)[:length])
        del self._stored[:length]
        plain = self._opener.open_chunks(self._next_chunk, run, is_end=is_end)
        self._next_chunk += count
        return plain

    def _check_frame(self, compressed: bytes, blobs: Sequence[FrameBlob]) -> None:
        content = memoryview(frame.decode_frame(compressed, limits.FRAME_SIZE_MAX))
        offset = 0
        for blob in blobs:
            piece = content[offset : offset + blob.length]
            if not hmac.compare_digest(hashlib.sha256(piece).digest(), blob.digest):
                raise self._mismatch("a blob does not read back")
            offset += blob.length
        if offset != len(content):
            raise self._mismatch("a frame holds more than its blobs")

    def _mismatch(self, reason: str) -> IntegrityError:
        return IntegrityError(
            f"{self._name} did not read back as it was written: {reason}",
            hint="Nothing was stored. This machine's memory or processor may be failing; "
            "run the job elsewhere.",
        )
