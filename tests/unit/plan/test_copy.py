"""The decisions of a copy: which point, which bounds, which batches."""

import pytest

from core import limits
from core.ids import PointId
from core.limits import GIB, MIB
from core.model import Layer
from core.plan.copy import (
    BatchLimits,
    Group,
    batch_limits,
    choose_point,
    common_prefix,
    current_limits,
    cut_batches,
    group_bounds,
    range_count,
)

LIMITS = current_limits()


def points(text: str) -> list[PointId]:
    return [PointId(letter) for letter in text]


@pytest.mark.parametrize(
    ("present", "copied", "daily", "immediate"),
    [
        ("", "", "e", "a"),
        ("abc", "", "e", "d"),
        ("abcde", "", None, None),
        ("ab", "c", "e", "d"),
        ("ab", "e", None, None),
        ("ab", "ce", None, None),
        ("ab", "d", "e", "e"),
        ("ab", "a", "e", "c"),
    ],
)
def test_a_run_takes_what_appeared_since_the_job_was_created(
    present: str, copied: str, daily: str | None, immediate: str | None
) -> None:
    """R3: immediate takes the oldest after the last copied one, the others the newest."""
    for is_immediate, expected in ((False, daily), (True, immediate)):
        chosen = choose_point(
            points("abcde"), points(present), points(copied), is_immediate=is_immediate
        )
        assert chosen == expected


def test_limits_are_those_of_this_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BATCH_SIZE_MIN", 7)
    assert current_limits().batch_size_min == 7


@pytest.mark.parametrize(
    ("content_size", "count"),
    [
        (1, 1),
        (512 * MIB, 1),
        (GIB, 2),
        (3 * GIB // 2, 3),
        (2 * GIB, 4),
        (4 * GIB, 4),
        (10 * GIB, 4),
    ],
)
@pytest.mark.parametrize("blob_size", [28_000, MIB, 8 * MIB])
def test_sessions_are_cut_into_a_few_equal_batches(
    content_size: int, count: int, blob_size: int
) -> None:
    bounds = batch_limits(content_size // blob_size, content_size, LIMITS)
    group_size, _ = group_bounds(bounds)
    per_group = max(1, group_size // blob_size)
    blob_count = max(1, content_size // blob_size)
    groups = [
        Group(count=n, size=n * blob_size)
        for start in range(0, blob_count, per_group)
        if (n := min(per_group, blob_count - start))
    ]
    sizes = [batch.size for batch in cut_batches(groups, bounds)]
    assert len(sizes) == count
    assert min(sizes) > max(sizes) * 0.7


def test_batches_stay_between_their_least_and_their_largest() -> None:
    assert batch_limits(100, 0, LIMITS).size_max == LIMITS.batch_size_min
    largest = LIMITS.batch_size_max
    assert largest * 0.9 < batch_limits(100, 100 * GIB, LIMITS).size_max <= largest


def test_huge_sessions_have_larger_batches_instead_of_more() -> None:
    bounds = batch_limits(10**11, 10**6 * GIB, LIMITS)
    assert bounds.size_max >= 10**6 * GIB * 2 // LIMITS.batches_max
    assert bounds.blobs_max >= 10**11 * 2 // LIMITS.batches_max


def test_groups_are_small_beside_a_batch() -> None:
    assert group_bounds(BatchLimits(size_max=64 * MIB, blobs_max=640)) == (MIB, 10)
    assert group_bounds(BatchLimits(size_max=1, blobs_max=1)) == (1, 1)


def test_batches_are_as_large_as_their_bounds_allow() -> None:
    groups = [Group(count=1, size=size) for size in (4, 4, 4, 10, 1, 1, 1, 1)]
    cut = list(cut_batches(groups, BatchLimits(size_max=10, blobs_max=3)))
    assert [(batch.count, batch.size) for batch in cut] == [(2, 8), (1, 4), (1, 10), (3, 3), (1, 1)]
    assert list(cut_batches([], BatchLimits(size_max=10, blobs_max=3))) == []


def test_only_the_oldest_layers_count_as_shared() -> None:
    a, b, c = (Layer(objects=(), rows=rows) for rows in (1, 2, 3))
    assert common_prefix([a, b, c], [a, b]) == 2
    assert common_prefix([a, b], [a, c]) == 1
    assert common_prefix([b, a], [a, b]) == 0
    assert common_prefix([], [a]) == 0


def test_ranges_hold_a_million_blobs_each() -> None:
    assert range_count(0, LIMITS) == 1
    assert range_count(LIMITS.range_blobs, LIMITS) == 1
    assert range_count(LIMITS.range_blobs + 1, LIMITS) == 2
