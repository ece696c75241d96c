"""Frames: checksummed, sized, whole, and nothing behind them."""

import threading

import pytest
import zstandard

from core.errors import IntegrityError
from core.format.frame import FrameDecoder, FrameEncoder, decode_frame, encode_frame

CONTENT = bytes(range(256)) * 400
SIZE_MAX = 1 << 20


def decode_pieces(stored: bytes, step: int, size_max: int = SIZE_MAX) -> bytes:
    decoder = FrameDecoder(size_max)
    pieces = [decoder.update(stored[at : at + step]) for at in range(0, len(stored), step)]
    return b"".join([*pieces, decoder.finish()])


def refused(stored: bytes, size_max: int = SIZE_MAX) -> str:
    """Return why a frame is refused; each way of reading has to refuse it."""
    for step in (1, 1000, 1 << 30):
        with pytest.raises(IntegrityError):
            decode_pieces(stored, step, size_max)
    with pytest.raises(IntegrityError) as caught:
        decode_frame(stored, size_max)
    return caught.value.message


@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
def test_content_comes_back(content: bytes) -> None:
    for level in (1, 3, 9):
        stored = encode_frame(content, level)
        assert decode_frame(stored, SIZE_MAX) == content
        for step in (1, 17, 4096, 1 << 30):
            assert decode_pieces(stored, step) == content


def test_a_frame_carries_its_size_and_its_checksum() -> None:
    header = zstandard.get_frame_parameters(encode_frame(CONTENT, 3))
    assert header.content_size == len(CONTENT)
    assert header.has_checksum


def test_an_encoder_makes_a_frame_from_pieces() -> None:
    encoder = FrameEncoder(3, len(CONTENT))
    pieces = [encoder.update(CONTENT[at : at + 999]) for at in range(0, len(CONTENT), 999)]
    assert decode_frame(b"".join([*pieces, encoder.finish()]), SIZE_MAX) == CONTENT


def test_an_encoder_makes_a_frame_of_no_content() -> None:
    assert decode_frame(FrameEncoder(3, 0).finish(), 0) == b""


def test_an_encoder_works_beside_single_frames_of_its_level() -> None:
    encoder = FrameEncoder(3, 2 * len(CONTENT))
    first = encoder.update(CONTENT)
    assert decode_frame(encode_frame(b"between", 3), SIZE_MAX) == b"between"
    assert decode_frame(first + encoder.update(CONTENT) + encoder.finish(), SIZE_MAX) == CONTENT * 2


@pytest.mark.parametrize("size", [0, 99, 101])
def test_an_encoder_refuses_content_of_another_size_than_announced(size: int) -> None:
    encoder = FrameEncoder(3, 100)
    with pytest.raises(IntegrityError, match="not the announced 100 bytes"):  # noqa: PT012
        encoder.update(bytes(size))
        encoder.finish()


def test_a_frame_of_exactly_the_bound_is_read_and_a_larger_one_refused() -> None:
    stored = encode_frame(CONTENT, 3)
    assert decode_frame(stored, len(CONTENT)) == CONTENT
    assert "more than 102399" in refused(stored, len(CONTENT) - 1)


@pytest.mark.parametrize("content", [b"", CONTENT])
@pytest.mark.parametrize("size", [1, 3, 4, 5, 8, 12, -1])
def test_a_cut_frame_is_refused(content: bytes, size: int) -> None:
    refused(encode_frame(content, 3)[:size])


@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
@pytest.mark.parametrize(
    "behind", [b"\0", b"x" * 5000, encode_frame(b"", 3), encode_frame(b"x", 3)]
)
def test_something_behind_the_frame_is_refused(content: bytes, behind: bytes) -> None:
    refused(encode_frame(content, 3) + behind)


def test_a_changed_byte_is_found_by_the_checksum() -> None:
    stored = bytearray(encode_frame(bytes(range(256)), 3))
    stored[100] ^= 1
    refused(bytes(stored))


def test_a_frame_without_checksum_or_size_is_refused() -> None:
    no_checksum = zstandard.ZstdCompressor(write_checksum=False).compress(CONTENT)
    assert "no size or no checksum" in refused(no_checksum)
    no_size = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False)
    assert "no size or no checksum" in refused(no_size.compress(CONTENT))


def test_what_is_no_frame_is_refused() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"data"
    for stored in (b"", b"PAR1", b"not a frame at all, but long enough", skippable):
        assert "does not begin as one" in refused(stored)


def test_a_frame_of_a_dictionary_is_refused() -> None:
    dictionary = zstandard.ZstdCompressionDict(b"any content will do " * 20)
    compressor = zstandard.ZstdCompressor(dict_data=dictionary, write_checksum=True)
    refused(compressor.compress(b"any content will do " * 30))


def bomb(announced: int) -> bytes:
    """Return a frame that announces some size and then repeats bytes for 64 MiB."""
    header = b"\x28\xb5\x2f\xfd" + bytes([0b1000_0100, 0x60]) + announced.to_bytes(4, "little")
    block = ((128 * 1024) << 3 | 0b010).to_bytes(3, "little") + b"\0"
    return header + block * 512


@pytest.mark.parametrize("announced", [0, 1000])
def test_a_frame_that_holds_more_than_it_announces_is_refused(announced: int) -> None:
    refused(bomb(announced))


def test_threads_do_not_share_a_context() -> None:
    same_count = [0] * 4

    def work(number: int) -> None:
        content = bytes([number]) * 200_000
        for _ in range(50):
            same_count[number] += decode_frame(encode_frame(content, 3), SIZE_MAX) == content

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same_count == [50] * 4
