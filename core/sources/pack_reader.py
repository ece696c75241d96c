"""Packs read by ranges, and what stands in for a seal where there is none."""

from collections.abc import Iterator

from core import limits
from core.errors import IntegrityError
from core.format import frame, seal
from core.stores.store import Store


class PlainSealer:
    """Stands in for a sealer in an unencrypted repository."""

    def update(self, data: bytes) -> bytes:
        """Return the bytes themselves."""
        return data

    def finalize(self) -> bytes:
        """Return nothing."""
        return b""


class PackReader:
    """Range reads of one pack's content; sealed or not makes no difference to the caller."""

    def __init__(self, store: Store, name: str, size: int, opener: seal.Opener | None) -> None:
        """``size`` is the stored size; ``opener`` opens the seal, None where there is none."""
        self.name = name
        self._store = store
        self._size = size
        self._opener = opener
        self.content_size = seal.plain_size(size) if opener is not None else size

    def read(self, offset: int, length: int) -> bytes:
        """Return this range of the content; its seal is checked, its meaning is not."""
        if offset < 0 or length <= 0 or offset + length > self.content_size:
            raise IntegrityError(f"{self.name} has no bytes {offset} to {offset + length}")
        if self._opener is None:
            return self._store.get_range(self.name, offset, length)
        where = seal.stored_range(offset, length, self._size)
        stored = self._store.get_range(self.name, where.offset, where.length)
        plain = self._opener.open_chunks(where.first_chunk, stored, is_end=where.is_end)
        return plain[where.skip : where.skip + length]

    def read_frame(self, frame_offset: int, frame_length: int) -> bytes:
        """Return a frame's decompressed content, its checksum checked."""
        if frame_length > limits.FRAME_STORED_SIZE_MAX:
            raise IntegrityError(f"{self.name} has no frame of {frame_length} bytes")
        stored = self.read(frame_offset, frame_length)
        return decode_named_frame(self.name, stored, limits.FRAME_SIZE_MAX)


def decode_named_frame(name: str, plain: bytes, size_max: int) -> bytes:
    """Return a frame's content; damage names the object ``name``."""
    try:
        return frame.decode_frame(plain, size_max)
    except IntegrityError as error:
        raise IntegrityError(f"{name}: {error.message}") from error


def decode_pieces(decoder: frame.FrameDecoder, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a large frame's content, checked when the last of it has come."""
    for plain in pieces:
        yield decoder.update(plain)
    yield decoder.finish()
