"""Laws of seal, frame and pack that hold for all bytes."""

import hashlib
from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core import limits
from core.errors import IntegrityError
from core.format import seal
from core.format.frame import FrameDecoder, decode_frame, encode_frame
from core.format.pack import FrameBlob, PackWriter, read_tail, tail_size
from core.ids import BlobId, RepositoryId, content_digest

KEY = bytes(range(32))
CONTEXT = seal.context(RepositoryId("0" * 32), "packs/name")
SIZE_MAX = 1 << 20

# Contents around the sizes where chunks begin, made of few different bytes so that they are cheap.
contents = st.builds(
    lambda piece, size: (piece * (size // len(piece) + 1))[:size],
    st.binary(min_size=1, max_size=64),
    st.one_of(
        st.integers(0, 200),
        st.sampled_from([0, 1, 2, 3]).flatmap(
            lambda count: st.integers(max(0, count * 16_384 - 3), count * 16_384 + 3)
        ),
    ),
)
frames_of_blobs = st.lists(
    st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), min_size=1, max_size=5
)
# Where to change a byte, counted from either end, and how.
changes = st.lists(st.tuples(st.integers(-400, 400), st.integers(1, 255)), min_size=1, max_size=4)


def changed(stored: bytes, places: list[tuple[int, int]]) -> bytes:
    changing = bytearray(stored)
    for place, mask in places:
        changing[place % len(changing)] ^= mask
    return bytes(changing)


def opens_or_is_refused(read: Callable[[], object]) -> object:
    """Return what was read, or None if it was refused as damage; any other error comes out."""
    try:
        return read()
    except IntegrityError:
        return None


def make_pack(frames: list[list[bytes]]) -> tuple[bytes, PackWriter]:
    writer = PackWriter()
    content = bytearray()
    for blobs in frames:
        compressed = encode_frame(b"".join(blobs), 1)
        writer.add_frame(
            compressed,
            [
                FrameBlob(
                    id=BlobId(hashlib.sha256(blob + b"id").digest()),
                    digest=content_digest(blob),
                    length=len(blob),
                )
                for blob in blobs
            ],
        )
        content += compressed
    return bytes(content) + writer.finish(), writer


@given(contents)
def test_sealed_content_comes_back(plain: bytes) -> None:
    stored = seal.seal(KEY, CONTEXT, plain)
    assert len(stored) == seal.sealed_size(len(plain))
    assert seal.plain_size(len(stored)) == len(plain)
    assert seal.open_sealed([KEY], CONTEXT, stored) == plain


@given(contents, st.data())
def test_any_range_of_sealed_content_comes_back(plain: bytes, data: st.DataObject) -> None:
    stored = seal.seal(KEY, CONTEXT, plain)
    offset = data.draw(st.integers(0, len(plain)))
    length = data.draw(st.integers(0, len(plain) - offset))
    where = seal.stored_range(offset, length, len(stored))
    opener = seal.open_header([KEY], CONTEXT, stored[: seal.HEADER_SIZE])
    run = stored[where.offset : where.offset + where.length]
    assert len(run) == where.length
    opened = opener.open_chunks(where.first_chunk, run, is_end=where.is_end)
    assert opened[where.skip : where.skip + length] == plain[offset : offset + length]


@given(contents, st.lists(st.integers(0, 50_000), max_size=6))
def test_pieces_make_no_difference_to_a_stream(plain: bytes, cuts: list[int]) -> None:
    def pieces(whole: bytes) -> list[bytes]:
        places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
        return [whole[start:end] for start, end in pairwise(places)]

    sealer = seal.Sealer(KEY, CONTEXT)
    stored = b"".join([*map(sealer.update, pieces(plain)), sealer.finalize()])
    opener = seal.StreamOpener([KEY], CONTEXT)
    assert b"".join([*map(opener.update, pieces(stored)), opener.finalize()]) == plain


@given(contents, changes, st.integers(0, 40))
def test_a_changed_or_cut_sealed_object_never_opens(
    plain: bytes, places: list[tuple[int, int]], cut: int
) -> None:
    stored = seal.seal(KEY, CONTEXT, plain)
    damaged = changed(stored, places)[: len(stored) - cut]
    if damaged != stored:
        assert opens_or_is_refused(lambda: seal.open_sealed([KEY], CONTEXT, damaged)) is None


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_open(stored: bytes) -> None:
    assert opens_or_is_refused(lambda: seal.open_sealed([KEY], CONTEXT, stored)) is None


@given(st.integers(0, 1 << 40))
def test_sizes_are_inverse(size: int) -> None:
    assert seal.plain_size(seal.sealed_size(size)) == size
    opens_or_is_refused(lambda: seal.plain_size(size))


@given(st.binary(max_size=2000), st.sampled_from([1, 3, 19]))
def test_a_frames_content_comes_back(content: bytes, level: int) -> None:
    assert decode_frame(encode_frame(content, level), len(content)) == content


@given(st.binary(max_size=500), changes, st.integers(0, 20), st.integers(1, 64))
def test_a_changed_or_cut_frame_is_refused_or_holds_the_same(
    content: bytes, places: list[tuple[int, int]], cut: int, step: int
) -> None:
    def decode_pieces() -> bytes:
        decoder = FrameDecoder(SIZE_MAX)
        pieces = [decoder.update(damaged[at : at + step]) for at in range(0, len(damaged), step)]
        return b"".join([*pieces, decoder.finish()])

    stored = encode_frame(content, 3)
    damaged = changed(stored, places)[: len(stored) - cut]
    # A header's spare bits may differ without a difference to what it holds.
    assert opens_or_is_refused(lambda: decode_frame(damaged, SIZE_MAX)) in (None, content)
    assert opens_or_is_refused(decode_pieces) in (None, content)


@given(st.binary(max_size=100), st.booleans())
def test_arbitrary_bytes_are_no_frame(stored: bytes, has_magic: bool) -> None:
    stored = b"\x28\xb5\x2f\xfd" + stored if has_magic else stored
    opens_or_is_refused(lambda: decode_frame(stored, SIZE_MAX))


@given(frames_of_blobs)
def test_a_packs_tables_say_where_every_blob_is(frames: list[list[bytes]]) -> None:
    content, writer = make_pack(frames)
    rows = read_tail(len(content), content)
    assert rows == writer.rows
    blobs = [blob for frame in frames for blob in frame]
    for row, blob in zip(rows, blobs, strict=True):
        frame = content[row.frame_offset : row.frame_offset + row.frame_length]
        found = decode_frame(frame, limits.FRAME_SIZE_MAX)[row.offset : row.offset + row.length]
        assert found == blob


@given(frames_of_blobs, changes, st.integers(0, 60))
def test_changed_or_cut_tables_are_refused_or_stay_within_the_pack(
    frames: list[list[bytes]], places: list[tuple[int, int]], cut: int
) -> None:
    content, _ = make_pack(frames)
    damaged = changed(content, places)
    damaged = damaged[: len(damaged) - cut]
    rows = opens_or_is_refused(lambda: read_tail(len(damaged), damaged))
    for row in rows if isinstance(rows, list) else []:
        assert 0 <= row.frame_offset < row.frame_offset + row.frame_length < len(damaged)
        assert 0 < row.length <= limits.BLOB_SIZE_MAX
        assert 0 <= row.offset < limits.FRAME_SIZE_MAX


@given(st.binary(max_size=300), st.integers(0, 1000), st.booleans())
def test_arbitrary_bytes_are_no_pack(tail: bytes, before: int, has_footer: bool) -> None:
    tail = tail + b"\x02\0\0\0\0\xb1\xea\x92\x8f" if has_footer else tail
    opens_or_is_refused(lambda: tail_size(before + len(tail), tail))
    opens_or_is_refused(lambda: read_tail(before + len(tail), tail))
