"""How large the parts of an upload are, and how many of them are under way at once."""

from dataclasses import dataclass

from core.errors import InputError
from core.limits import (
    MIB,
    UPLOAD_MEMORY_SIZE,
    UPLOAD_PART_IN_MEMORY_MAX,
    UPLOAD_PART_SIZE,
    UPLOAD_PARTS_IN_FLIGHT_MAX,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a vendor takes of one object: so many parts, each of so many bytes at most."""

    service: str
    parts_max: int
    part_size_max: int

    @property
    def size_max(self) -> int:
        """The largest object there can be."""
        return self.parts_max * self.part_size_max


def size_parts(size: int, bounds: Bounds, location: str) -> int:
    """Return the size of every part but the last of an object of ``size`` bytes.

    It is the least that is worth a request; a larger one where there would be too many parts.
    """
    if size > bounds.size_max:
        raise InputError(
            f"{location} would have {size:,} bytes: {bounds.service} takes no object of more than"
            f" {bounds.size_max:,}",
            hint="Restore it into a folder.",
        )
    whole_mebibytes = -(-size // (bounds.parts_max * MIB)) * MIB
    return max(UPLOAD_PART_SIZE, whole_mebibytes)


def is_kept_in_memory(part_size: int) -> bool:
    """Say whether parts of this size wait in memory; larger ones wait in files."""
    return part_size <= UPLOAD_PART_IN_MEMORY_MAX


def count_in_flight(part_size: int) -> int:
    """Return how many parts are sent at once while one more is filled."""
    if not is_kept_in_memory(part_size):
        return 1
    return min(UPLOAD_PARTS_IN_FLIGHT_MAX, UPLOAD_MEMORY_SIZE // part_size - 1)
