"""For all sizes of blobs: every one in a batch, in order, and no bound is ever passed."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from core.ids import PointId
from core.limits import BLOB_SIZE_MAX, GIB
from core.plan.copy import (
    Group,
    PlanLimits,
    batch_limits,
    choose_point,
    current_limits,
    cut_batches,
    group_bounds,
)

TIGHT = PlanLimits(
    range_blobs=10, batch_size_min=640, batch_size_max=6_400, batch_blobs_max=128, batches_max=20
)
BLOB_SIZE = 10
blobs = st.lists(st.integers(1, BLOB_SIZE), max_size=4_000)


def groups_of(lengths: Sequence[int], size: int, count: int) -> list[Group]:
    """Group blobs as the plan's query does: by bytes reached and by number."""
    groups: dict[tuple[int, int], list[int]] = {}
    reached = 0
    for number, length in enumerate(lengths):
        reached += length
        groups.setdefault((reached // size, number // count), []).append(length)
    return [Group(count=len(group), size=sum(group)) for group in groups.values()]


@given(blobs, st.sampled_from([TIGHT, current_limits()]))
def test_every_blob_is_in_one_batch_and_no_bound_is_passed(
    lengths: list[int], plan: PlanLimits
) -> None:
    bounds = batch_limits(len(lengths), sum(lengths), plan)
    groups = groups_of(lengths, *group_bounds(bounds))
    batches = list(cut_batches(groups, bounds))
    assert list(cut_batches(groups, bounds)) == batches
    assert sum(batch.count for batch in batches) == len(lengths)
    assert sum(batch.size for batch in batches) == sum(lengths)
    assert len(batches) <= plan.batches_max
    for batch in batches:
        assert 0 < batch.count <= bounds.blobs_max
        assert 0 < batch.size <= bounds.size_max


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 100)), min_size=1, max_size=60),
    st.integers(1, 40),
)
def test_a_huge_session_never_has_too_many_batches(
    phases: list[tuple[bool, int]], scale: int
) -> None:
    """Runs of tiny blobs, which fill batches by number, between runs of large ones."""
    plan = current_limits()
    tiny = Group(count=16_384 * scale, size=16_384 * scale)
    large = Group(count=8 * scale, size=8 * scale * BLOB_SIZE_MAX)
    groups = [tiny if is_tiny else large for is_tiny, length in phases for _ in range(length)]
    count, size = sum(g.count for g in groups), sum(g.size for g in groups)
    # The same shape, as large as no session has ever been.
    factor = max(1, 10**6 * GIB // size)
    bounds = batch_limits(count * factor, size * factor, plan)
    small = batch_limits(count, size, plan)
    assert bounds.size_max * plan.batches_max >= 2 * size * factor
    assert bounds.blobs_max * plan.batches_max >= 2 * count * factor
    assert len(list(cut_batches(groups, small))) <= plan.batches_max


def test_batches_closed_by_bytes_and_by_number_in_turn_are_still_few_enough() -> None:
    """The worst that can come: each bound closes half of the batches."""
    plan = PlanLimits(
        range_blobs=1, batch_size_min=64, batch_size_max=64, batch_blobs_max=64, batches_max=100
    )
    lengths: list[int] = []
    for _ in range(200):
        lengths += [1] * 1_000 + [1_000]
    bounds = batch_limits(len(lengths), sum(lengths), plan)
    batches = list(cut_batches(groups_of(lengths, *group_bounds(bounds)), bounds))
    assert len(batches) <= plan.batches_max


points = st.lists(st.integers(0, 99), unique=True, max_size=12).map(
    lambda numbers: [PointId(f"{number:02d}") for number in sorted(numbers)]
)


@given(points, st.data(), st.booleans())
def test_a_run_takes_a_new_point_after_the_last_copied_one(
    found: list[PointId], data: st.DataObject, is_immediate: bool
) -> None:
    """R3, for all sources, jobs and histories."""
    some = st.lists(st.sampled_from(found), unique=True) if found else st.just([])
    present, copied = data.draw(some), data.draw(some)
    chosen = choose_point(found, present, copied, is_immediate=is_immediate)
    following = [
        point
        for point in found
        if point not in present and all(point > done for done in copied if done not in present)
    ]
    expected = (following[0] if is_immediate else following[-1]) if following else None
    assert chosen == expected
