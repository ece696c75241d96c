"""Parts grow with the object, never past what the vendor takes, and memory does not grow."""

import pytest

from core.errors import InputError
from core.limits import (
    GIB,
    MIB,
    UPLOAD_MEMORY_SIZE,
    UPLOAD_PART_IN_MEMORY_MAX,
    UPLOAD_PART_SIZE,
    UPLOAD_PARTS_IN_FLIGHT_MAX,
)
from core.stores.azure_upload import BOUNDS as AZURE
from core.stores.part_sizes import Bounds, count_in_flight, is_kept_in_memory, size_parts
from core.stores.s3_upload import BOUNDS as S3

LEAST_S3 = 10_000 * UPLOAD_PART_SIZE


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, UPLOAD_PART_SIZE),
        (512 * MIB, UPLOAD_PART_SIZE),
        (LEAST_S3, UPLOAD_PART_SIZE),
        (LEAST_S3 + 1, UPLOAD_PART_SIZE + MIB),
        (10_000 * 33 * MIB, 33 * MIB),
        (10_000 * 33 * MIB + 1, 34 * MIB),
        (50_000 * GIB - 1, 5 * GIB),
        (50_000 * GIB, 5 * GIB),
    ],
)
def test_parts_are_as_small_as_their_number_allows(size: int, expected: int) -> None:
    assert size_parts(size, S3, "s3://b/key") == expected


def test_azure_takes_more_parts_and_smaller_ones() -> None:
    assert size_parts(50_000 * UPLOAD_PART_SIZE, AZURE, "az://c/key") == UPLOAD_PART_SIZE
    assert size_parts(AZURE.size_max, AZURE, "az://c/key") == 4_000 * MIB
    assert AZURE.size_max == 50_000 * 4_000 * MIB


@pytest.mark.parametrize(
    ("bounds", "most"), [(S3, "S3 .* 53,687,091,200,000"), (AZURE, "Azure .* 209,715,200,000,000")]
)
def test_what_no_vendor_takes_is_refused_by_its_numbers(bounds: Bounds, most: str) -> None:
    with pytest.raises(InputError, match=most) as caught:
        size_parts(bounds.size_max + 1, bounds, "s3://b/key")
    assert f"{bounds.size_max + 1:,}" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("bounds", [S3, AZURE])
def test_any_object_fits_into_its_parts_and_they_into_memory(bounds: Bounds) -> None:
    for step in range(2_000):
        size = bounds.size_max * step // 1_999
        part_size = size_parts(size, bounds, "s3://b/key")
        assert part_size * bounds.parts_max >= size
        assert part_size <= bounds.part_size_max
        in_flight = count_in_flight(part_size)
        assert 1 <= in_flight <= UPLOAD_PARTS_IN_FLIGHT_MAX
        if is_kept_in_memory(part_size):
            assert (in_flight + 1) * part_size <= UPLOAD_MEMORY_SIZE


def test_larger_parts_are_fewer_and_then_on_disk() -> None:
    counts = [count_in_flight(size * MIB) for size in (32, 33, 42, 43, 64, 65, 5 * 1024)]
    assert counts == [3, 2, 2, 1, 1, 1, 1]
    assert is_kept_in_memory(UPLOAD_PART_IN_MEMORY_MAX)
    assert not is_kept_in_memory(UPLOAD_PART_IN_MEMORY_MAX + 1)
