"""One zstd frame: how packs, loose blobs, tables and JSON are compressed and checksummed.

A frame written here always carries its content's size and checksum, and a reader demands both:
so it knows how much memory a frame takes before it decodes, and finds damage where no seal does.
"""

import threading

import zstandard

from core.errors import IntegrityError

Bytes = bytes | bytearray | memoryview

_MAGIC = b"\x28\xb5\x2f\xfd"
_HEADER_SIZE_MAX = 18
# 4 KiB of hostile input can grow to at most 128 MiB before its size is looked at.
_STEP_SIZE = 4096


class _Contexts(threading.local):
    """A context may not be used by two threads, and making one costs more than a small frame."""

    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def encode_frame(content: Bytes, level: int) -> bytes:
    """Return one frame that holds ``content``."""
    compressor = _contexts.compressors.get(level)
    if compressor is None:
        compressor = _contexts.compressors[level] = _compressor(level)
    return compressor.compress(content)


def decode_frame(stored: Bytes, size_max: int) -> bytes:
    """Return the content of ``stored``, which has to be one whole frame and nothing else.

    A frame of more than ``size_max`` bytes, without size or checksum, or damaged, is an
    ``IntegrityError``.
    """
    size = _content_size(stored, size_max)
    try:
        if size == 0:
            return _decode_empty(stored)
        return _contexts.decompressor.decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _damaged(error) from error


class FrameEncoder:
    """Writes one frame as its content passes; ``size`` is the whole content's."""

    def __init__(self, level: int, size: int) -> None:
        """Begin a frame."""
        self._size = size
        self._left_size = size
        self._stream = _compressor(level).compressobj(size=size)

    def update(self, content: Bytes) -> bytes:
        """Take the next content and return the bytes of the frame that are ready."""
        self._left_size -= len(content)
        self._check(is_as_announced=self._left_size >= 0)
        return self._stream.compress(content)

    def finish(self) -> bytes:
        """Return the last bytes; content of another size than announced is an error."""
        self._check(is_as_announced=self._left_size == 0)
        return self._stream.flush()

    def _check(self, *, is_as_announced: bool) -> None:
        if not is_as_announced:
            raise IntegrityError(f"the content is not the announced {self._size} bytes long")


class FrameDecoder:
    """Reads one frame as its bytes pass; only ``finish`` proves that all of it came."""

    def __init__(self, size_max: int) -> None:
        """Refuse any frame of more content than ``size_max``."""
        self._size_max = size_max
        self._size = -1
        self._read_size = 0
        self._header = b""
        self._stream = zstandard.ZstdDecompressor().decompressobj()

    def update(self, stored: Bytes) -> bytes:
        """Take the next bytes of the frame and return the content that is ready."""
        if self._size >= 0:
            return self._decode(stored)
        self._header += bytes(stored)
        if len(self._header) < _HEADER_SIZE_MAX:
            return b""
        return self._decode_begin()

    def finish(self) -> bytes:
        """Return the last content, or raise if the frame is not whole."""
        content = b"" if self._size >= 0 else self._decode_begin()
        if not self._stream.eof or self._read_size != self._size:
            raise _damaged("it ends early")
        return content

    def _decode_begin(self) -> bytes:
        self._size = _content_size(self._header, self._size_max)
        return self._decode(self._header)

    def _decode(self, stored: Bytes) -> bytes:
        pieces = []
        view = memoryview(stored)
        for start in range(0, len(view), _STEP_SIZE):
            if self._stream.eof:
                raise _damaged("something follows it")
            try:
                piece = self._stream.decompress(view[start : start + _STEP_SIZE])
            except zstandard.ZstdError as error:
                raise _damaged(error) from error
            self._read_size += len(piece)
            if self._read_size > self._size or self._stream.unused_data:
                raise _damaged("it holds more than it says")
            pieces.append(piece)
        return b"".join(pieces)


def _compressor(level: int) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True)


def _content_size(stored: Bytes, size_max: int) -> int:
    """Return the size that a frame's header announces, once it is acceptable."""
    if stored[:4] != _MAGIC:
        raise _damaged("it does not begin as one")
    try:
        header = zstandard.get_frame_parameters(stored)
    except zstandard.ZstdError as error:
        raise _damaged(error) from error
    if header.content_size == zstandard.CONTENTSIZE_UNKNOWN or not header.has_checksum:
        raise _damaged("it carries no size or no checksum")
    if header.content_size > size_max:
        raise _damaged(f"it holds {header.content_size} bytes, more than {size_max}")
    return int(header.content_size)


def _decode_empty(stored: Bytes) -> bytes:
    """Check a frame without content, which the one-step decoder takes for good unread."""
    stream = zstandard.ZstdDecompressor().decompressobj()
    content = stream.decompress(stored[:_HEADER_SIZE_MAX])
    if content or not stream.eof or stream.unused_data or len(stored) > _HEADER_SIZE_MAX:
        raise _damaged("it holds more than it says")
    return b""


def _damaged(reason: object) -> IntegrityError:
    return IntegrityError(f"a zstd frame is damaged: {reason}")
