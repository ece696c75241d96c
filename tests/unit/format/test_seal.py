"""The seal against the published vectors, by stream and by random access."""

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import InputError, IntegrityError
from core.format import seal
from core.ids import RepositoryId

VECTORS = Path(__file__).parents[2] / "vectors" / "c2sp_chunked_encryption_aes_256_gcm_test.json"
REPOSITORY = RepositoryId("0123456789abcdef0123456789abcdef")
KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
CONTEXT = seal.context(REPOSITORY, "blobs/ab/abcd")
# Around every boundary of chunks, and the empty object.
SIZES = (0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 100_000)


@dataclass(frozen=True)
class Vector:
    """One published case."""

    number: int
    key: bytes
    context: bytes
    stored: bytes
    is_valid: bool
    flags: frozenset[str]
    object_key: bytes | None
    base_nonce: bytes | None
    plain_size: int | None
    plain_sha512: str | None


def read_vector(case: dict[str, object]) -> Vector:
    def data(name: str) -> bytes | None:
        value = case.get(name)
        return bytes.fromhex(value) if isinstance(value, str) else None

    size, sha512, flags = case.get("msgLength"), case.get("msgSha512"), case["flags"]
    assert isinstance(flags, list)
    return Vector(
        number=int(str(case["tcId"])),
        key=data("key") or b"",
        context=data("ctx") or b"",
        stored=zlib.decompress(data("ct") or b""),
        is_valid=case["result"] == "valid",
        flags=frozenset(flags),
        object_key=data("aeadKey"),
        base_nonce=data("baseNonce"),
        plain_size=size if isinstance(size, int) else None,
        plain_sha512=sha512 if isinstance(sha512, str) else None,
    )


def read_vectors() -> list[Vector]:
    (group,) = json.loads(VECTORS.read_text())["testGroups"]
    return [read_vector(case) for case in group["tests"]]


ALL = read_vectors()
each_vector = pytest.mark.parametrize("vector", ALL, ids=lambda vector: f"case{vector.number}")


def sha512(data: bytes) -> str:
    return hashlib.sha512(data).hexdigest()


def open_by_stream(vector: Vector, step: int) -> tuple[bytes, bool]:
    """Return what was proved, and whether the object was good to its end."""
    opened = bytearray()
    try:
        opener = seal.StreamOpener([vector.key], vector.context)
        for start in range(0, len(vector.stored), step):
            opened += opener.update(vector.stored[start : start + step])
        opened += opener.finalize()
    except (IntegrityError, InputError):
        return bytes(opened), False
    return bytes(opened), True


def open_by_range(vector: Vector) -> tuple[bytes, bool]:
    """Open chunk by chunk, each by itself; return the proved prefix and whether all is good."""
    opened = bytearray()
    try:
        opener = seal.open_header([vector.key], vector.context, vector.stored[: seal.HEADER_SIZE])
        count = max(-(-(len(vector.stored) - seal.HEADER_SIZE) // seal.STORED_CHUNK_SIZE), 1)
        for chunk in range(count):
            start = seal.HEADER_SIZE + chunk * seal.STORED_CHUNK_SIZE
            stored = vector.stored[start : start + seal.STORED_CHUNK_SIZE]
            is_full = len(stored) == seal.STORED_CHUNK_SIZE
            opened += opener.open_chunks(chunk, stored, is_end=not is_full)
        seal.plain_size(len(vector.stored))
    except (IntegrityError, InputError):
        return bytes(opened), False
    return bytes(opened), True


def check_proved(vector: Vector, opened: bytes, is_whole: bool) -> None:
    assert is_whole == vector.is_valid
    assert len(opened) == (vector.plain_size or 0)
    if vector.plain_sha512 is not None:
        assert sha512(opened) == vector.plain_sha512


def test_there_are_35_vectors() -> None:
    assert [vector.number for vector in ALL] == list(range(1, 36))
    assert sum(vector.is_valid for vector in ALL) == 10


@each_vector
@pytest.mark.parametrize("step", [16_400, 7_001])
def test_a_vector_opens_by_stream_as_far_as_it_is_valid(vector: Vector, step: int) -> None:
    check_proved(vector, *open_by_stream(vector, step))


@each_vector
def test_a_vector_given_to_a_stream_at_once_opens_only_if_it_is_valid(vector: Vector) -> None:
    opened, is_whole = open_by_stream(vector, 1 << 30)
    assert is_whole == vector.is_valid
    # What was proved within a failing call is lost with it, and nothing unproved comes out.
    if is_whole or opened:
        assert sha512(opened) == vector.plain_sha512


@each_vector
def test_a_vector_opens_by_chunk_as_far_as_it_is_valid(vector: Vector) -> None:
    check_proved(vector, *open_by_range(vector))


@each_vector
def test_a_vector_opens_whole_only_if_it_is_valid(vector: Vector) -> None:
    if vector.is_valid:
        opened = seal.open_sealed([vector.key], vector.context, vector.stored)
        assert sha512(opened) == vector.plain_sha512
    else:
        with pytest.raises((IntegrityError, InputError)):
            seal.open_sealed([vector.key], vector.context, vector.stored)


@each_vector
def test_a_vectors_object_key_and_nonce_are_derived(vector: Vector) -> None:
    if vector.object_key is None:
        assert "HeaderFailure" in vector.flags
        with pytest.raises((IntegrityError, InputError)):
            seal.open_header([vector.key], vector.context, vector.stored[: seal.HEADER_SIZE])
        return
    salt, commitment = vector.stored[:24], vector.stored[24:56]
    derived = seal.derive(vector.key, vector.context, salt)
    assert derived == (vector.object_key, vector.base_nonce, commitment)


@each_vector
def test_a_vectors_final_chunk_opens_alone_only_where_it_is_valid(vector: Vector) -> None:
    def open_end() -> bytes:
        opener = seal.open_header([vector.key], vector.context, vector.stored[: seal.HEADER_SIZE])
        size = seal.plain_size(len(vector.stored))
        end = seal.stored_range(size, 0, len(vector.stored))
        stored = vector.stored[end.offset :]
        assert (len(stored), end.is_end) == (end.length, True)
        return opener.open_chunks(end.first_chunk, stored, is_end=True)

    if vector.is_valid or "ValidFinalChunk" in vector.flags:
        assert len(open_end()) == seal.plain_size(len(vector.stored)) % seal.CHUNK_SIZE
    else:
        with pytest.raises((IntegrityError, InputError)):
            open_end()


@pytest.mark.parametrize("size", SIZES)
def test_sealed_content_comes_back_by_every_way(size: int) -> None:
    plain = bytes(number % 251 for number in range(size))
    stored = seal.seal(KEY, CONTEXT, plain)
    assert len(stored) == seal.sealed_size(size)
    assert seal.plain_size(len(stored)) == size
    assert seal.open_sealed([KEY], CONTEXT, stored) == plain
    opener = seal.open_header([KEY], CONTEXT, stored[:56])
    assert opener.open_chunks(0, stored[56:], is_end=True) == plain


def test_a_sealer_and_a_stream_opener_take_any_pieces() -> None:
    plain = bytes(50_000)
    sealer = seal.Sealer(KEY, CONTEXT)
    pieces = [sealer.update(plain[:1]), sealer.update(b""), sealer.update(plain[1:])]
    stored = b"".join([*pieces, sealer.finalize()])
    opener = seal.StreamOpener([KEY], CONTEXT)
    opened = [opener.update(stored[start : start + 55]) for start in range(0, len(stored), 55)]
    assert b"".join([*opened, opener.finalize()]) == plain


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 0), (0, 1), (16_383, 2), (16_384, 16_384), (40_000, 9_152), (49_152, 848), (50_000, 0)],
)
def test_a_range_of_content_is_read_from_a_range_of_stored_bytes(offset: int, length: int) -> None:
    plain = bytes(number % 249 for number in range(50_000))
    stored = seal.seal(KEY, CONTEXT, plain)
    where = seal.stored_range(offset, length, len(stored))
    opener = seal.open_header([KEY], CONTEXT, stored[:56])
    opened = opener.open_chunks(
        where.first_chunk,
        stored[where.offset : where.offset + where.length],
        is_end=where.is_end,
    )
    assert opened[where.skip : where.skip + length] == plain[offset : offset + length]
    assert len(opened) < length + 2 * seal.CHUNK_SIZE


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1), (0, 101), (100, 1), (101, 0)])
def test_a_range_outside_of_the_content_is_refused(offset: int, length: int) -> None:
    with pytest.raises(IntegrityError, match="not within an object of 100 bytes"):
        seal.stored_range(offset, length, seal.sealed_size(100))


@pytest.mark.parametrize("size", [-1, 0, 55, 56, 71, 56 + 16_400, 56 + 16_415])
def test_a_size_that_no_sealed_object_has_is_refused(size: int) -> None:
    with pytest.raises(IntegrityError, match="cut or added to"):
        seal.plain_size(size)


def test_the_first_key_that_fits_opens_and_none_is_an_error() -> None:
    stored = seal.seal(KEY, CONTEXT, b"plain")
    assert seal.open_sealed([OTHER_KEY, KEY], CONTEXT, stored) == b"plain"
    opener = seal.open_header([OTHER_KEY, KEY], CONTEXT, stored[:56])
    assert opener.open_chunks(0, stored[56:], is_end=True) == b"plain"
    for keys in ([OTHER_KEY], []):
        with pytest.raises(IntegrityError, match="blobs/ab/abcd: no key"):
            seal.open_sealed(keys, CONTEXT, stored)
        with pytest.raises(IntegrityError, match="no key"):
            seal.open_header(keys, CONTEXT, stored[:56])
        with pytest.raises(IntegrityError, match="no key"):
            seal.StreamOpener(keys, CONTEXT).update(stored)


def test_an_object_does_not_open_in_another_place() -> None:
    stored = seal.seal(KEY, CONTEXT, b"plain")
    other_repository = RepositoryId("f" * 32)
    for context in (
        seal.context(REPOSITORY, "blobs/ab/abce"),
        seal.context(other_repository, "blobs/ab/abcd"),
    ):
        with pytest.raises(IntegrityError, match="no key"):
            seal.open_sealed([KEY], context, stored)


def test_two_objects_of_one_content_share_no_salt() -> None:
    """So no key and nonce is used twice (I5)."""
    assert seal.seal(KEY, CONTEXT, b"same")[:24] != seal.seal(KEY, CONTEXT, b"same")[:24]


def all_openers(stored: bytes) -> list[Callable[[], bytes]]:
    def by_stream() -> bytes:
        opener = seal.StreamOpener([KEY], CONTEXT)
        return opener.update(stored) + opener.finalize()

    def by_range() -> bytes:
        opener = seal.open_header([KEY], CONTEXT, stored[:56])
        return opener.open_chunks(0, stored[56:], is_end=True)

    return [lambda: seal.open_sealed([KEY], CONTEXT, stored), by_stream, by_range]


@pytest.mark.parametrize("place", [0, 23, 24, 55, 56, 16_455, 16_456, 40_103])
def test_a_flipped_bit_anywhere_is_found(place: int) -> None:
    stored = bytearray(seal.seal(KEY, CONTEXT, bytes(40_000)))
    stored[place] ^= 0x10
    for open_it in all_openers(bytes(stored)):
        with pytest.raises(IntegrityError):
            open_it()


@pytest.mark.parametrize("size", [0, 1, 55, 56, 57, 72, 16_456, 16_457, 40_103])
def test_a_cut_object_is_found(size: int) -> None:
    stored = seal.seal(KEY, CONTEXT, bytes(40_000))
    for open_it in all_openers(stored[:size]):
        with pytest.raises(IntegrityError):
            open_it()


def test_a_failed_stream_keeps_failing() -> None:
    stored = bytearray(seal.seal(KEY, CONTEXT, bytes(40_000)))
    stored[100] ^= 1
    opener = seal.StreamOpener([KEY], CONTEXT)
    for _ in range(2):
        with pytest.raises(IntegrityError):
            opener.update(bytes(stored))
    with pytest.raises(IntegrityError):
        opener.finalize()


def test_a_run_that_claims_the_wrong_end_is_refused() -> None:
    stored = seal.seal(KEY, CONTEXT, bytes(20_000))
    opener = seal.open_header([KEY], CONTEXT, stored[:56])
    with pytest.raises(IntegrityError, match="not whole chunks"):
        opener.open_chunks(0, stored[56:], is_end=False)
    with pytest.raises(IntegrityError, match="not whole chunks"):
        opener.open_chunks(0, stored[56 : 56 + 16_400], is_end=True)
    with pytest.raises(IntegrityError, match="chunk 1 is not"):
        opener.open_chunks(1, stored[56 : 56 + 16_400], is_end=False)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_the_wrong_size_is_refused(size: int) -> None:
    stored = seal.seal(KEY, CONTEXT, b"plain")
    with pytest.raises(InputError, match="32 bytes"):
        seal.open_sealed([bytes(size)], CONTEXT, stored)
    with pytest.raises(InputError, match="32 bytes"):
        seal.open_header([bytes(size)], CONTEXT, stored[:56])
    with pytest.raises(InputError, match="32 bytes"):
        seal.seal(bytes(size), CONTEXT, b"plain")
    with pytest.raises(InputError, match="32 bytes"):
        seal.Sealer(bytes(size), CONTEXT)
