"""Which layers are merged: few layers, few rewritten rows."""

from core.limits import LAYERS_MAX
from core.plan.layers import plan_merge


def test_a_small_change_is_a_layer_of_its_own() -> None:
    assert plan_merge([1_000_000], 10) == 1
    assert plan_merge([1_000_000, 1000], 10) == 2


def test_a_layer_that_is_not_far_larger_is_merged() -> None:
    assert plan_merge([1_000_000, 20], 10) == 1
    assert plan_merge([1_000_000, 60, 20], 10) == 1


def test_deltas_that_outweigh_the_base_give_a_new_base() -> None:
    assert plan_merge([100], 50) == 0
    assert plan_merge([100, 30], 20) == 0


def test_no_change_changes_nothing() -> None:
    assert plan_merge([100, 5], 0) == 2
    assert plan_merge([], 0) == 0


def test_the_first_point_has_one_layer() -> None:
    assert plan_merge([], 7) == 0


def test_there_are_never_too_many_layers() -> None:
    huge = [4**place for place in range(LAYERS_MAX + 5, 0, -1)]
    assert plan_merge(huge, 1) + 1 <= LAYERS_MAX


def test_a_hundred_daily_changes_stay_few_layers_and_few_rewrites() -> None:
    rows, rewritten = [100_000], 0
    for _ in range(100):
        kept = plan_merge(rows, 1_000)
        merged = sum(rows[kept:]) + 1_000
        rewritten += merged
        rows = [*rows[:kept], merged]
        assert len(rows) <= 8
    assert rewritten <= 100 * 1_000 * 8 + 2 * 200_000
