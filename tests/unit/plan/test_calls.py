"""When a batch is called again and when it is given up."""

from core.limits import BATCH_CALLS_WITHOUT_PROGRESS_MAX
from core.plan.calls import CallsMade, stalled_reason


def made(*part_counts: int) -> CallsMade:
    calls = CallsMade()
    for part_count in part_counts:
        calls = calls.then(part_count)
    return calls


def test_calls_that_add_parts_may_go_on_for_ever() -> None:
    assert not made(*range(1, 100)).is_stalled
    assert not made(0, 0, 1, 1, 1, 2, 2, 2).is_stalled
    assert made(1, 1, 2) == CallsMade(part_count=2, stalled_calls=0)


def test_three_calls_without_a_new_part_are_too_many() -> None:
    assert BATCH_CALLS_WITHOUT_PROGRESS_MAX == 3
    assert made(0, 0, 0).is_stalled
    assert made(4, 4, 4, 4).is_stalled
    assert not made(4, 4, 4).is_stalled


def test_a_listing_that_misses_a_part_is_no_progress_when_it_shows_it_again() -> None:
    assert made(4, 3, 4, 4).is_stalled


def test_the_reason_names_the_batch() -> None:
    assert stalled_reason(7) == "batch 7 makes no progress"
