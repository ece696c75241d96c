"""Reads a pack back while it is written: an archived object cannot be read before it thaws.

The bytes that go to the uploader are opened by the ordinary reader, every frame decoded, every
blob's digest compared, and the tables read, before the upload is completed.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import Iterator, Sequence

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
        # Stored bytes of a chunk that has only begun, and opened content of frames that have.
        self._stored = b""
        self._next_chunk = 0
        self._plain: deque[memoryview] = deque()
        self._plain_size = 0
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
        if pack.read_tail(self._content_size, self._cut(self._plain_size)) != list(rows):
            raise self._mismatch("its tables name other blobs")
        return self._sha256.digest()

    def _take(self, stored: bytes, *, is_end: bool) -> None:
        self._sha256.update(stored)
        self.stored_size += len(stored)
        for plain in self._open(stored, is_end=is_end):
            self._content_size += len(plain)
            self._plain_size += len(plain)
            self._plain.append(memoryview(plain))
        while self._frames and self._plain_size >= self._frames[0][0]:
            length, blobs = self._frames.popleft()
            self._check_frame(self._cut(length), blobs)

    def _cut(self, length: int) -> bytes:
        """Take so many bytes off the opened content. Each byte is copied once, by this."""
        self._plain_size -= length
        pieces = []
        while length > 0:
            piece = self._plain.popleft()
            if len(piece) > length:
                self._plain.appendleft(piece[length:])
                piece = piece[:length]
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def _open(self, stored: bytes, *, is_end: bool) -> Iterator[bytes]:
        """Yield what the whole chunks hold that there are now; the rest waits."""
        if self._repository.keys is None:
            yield stored
            return
        if self._opener is None:
            stored, self._stored = self._stored + stored, b""
            if len(stored) < seal.HEADER_SIZE:
                self._stored = stored
                return
            self.header = stored[: seal.HEADER_SIZE]
            stored = stored[seal.HEADER_SIZE :]
            self._opener = self._repository.open_header(self._name, self.header)
        yield from self._open_chunks(self._opener, memoryview(stored), is_end=is_end)

    def _open_chunks(
        self, opener: seal.Opener, stored: memoryview, *, is_end: bool
    ) -> Iterator[bytes]:
        missing = seal.STORED_CHUNK_SIZE - len(self._stored)
        if self._stored and len(stored) >= missing:
            yield opener.open_chunks(
                self._next_chunk, self._stored + stored[:missing], is_end=False
            )
            self._next_chunk += 1
            self._stored, stored = b"", stored[missing:]
        if is_end:
            # The last chunk is recognised by being short, so it is only known now.
            yield opener.open_chunks(self._next_chunk, self._stored + stored, is_end=True)
            return
        count = 0 if self._stored else len(stored) // seal.STORED_CHUNK_SIZE
        length = count * seal.STORED_CHUNK_SIZE
        yield opener.open_chunks(self._next_chunk, stored[:length], is_end=False)
        self._next_chunk += count
        self._stored += stored[length:]

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
