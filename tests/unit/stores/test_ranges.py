"""A range is whole, or an error that says how large the object is."""

import pytest

from core.errors import IntegrityError
from core.stores.ranges import read_exactly

CONTENT = b"0123456789"


def read(offset: int, length: int, *, content: bytes = CONTENT) -> tuple[bytes, int]:
    """Return a range of the content and how many reads it took."""
    reads = []

    def fetch() -> bytes:
        reads.append(offset)
        return content[offset : offset + length]

    data = read_exactly("s3://b/a", offset, length, read=fetch, find_size=lambda: len(CONTENT))
    return data, len(reads)


@pytest.mark.parametrize(("offset", "length"), [(0, 10), (0, 1), (9, 1), (3, 4)])
def test_what_is_there_is_returned_by_one_read(offset: int, length: int) -> None:
    assert read(offset, length) == (CONTENT[offset : offset + length], 1)


@pytest.mark.parametrize("offset", [0, 5, 10])
def test_no_bytes_need_no_read(offset: int) -> None:
    assert read(offset, 0) == (b"", 0)


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 11), (9, 2), (10, 1), (11, 0), (-1, 0), (-1, 2), (5, -1)]
)
def test_what_is_not_there_is_damage(offset: int, length: int) -> None:
    with pytest.raises(IntegrityError, match=f"s3://b/a has 10 bytes and not the {length} at"):
        read(offset, length)


def test_a_store_that_sends_more_is_not_believed() -> None:
    with pytest.raises(IntegrityError):
        read_exactly("s3://b/a", 0, 2, read=lambda: CONTENT, find_size=lambda: 10)
