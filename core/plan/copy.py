"""The decisions of a copy: which point, which delta, which batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from core import limits
from core.ids import PointId
from core.model import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLimits:
    """The bounds that a plan is made with; see ``core.limits`` for their meaning.

    A session keeps those that it was begun with: a newer coldhaul that went on with others would
    cut batches that do not fit those stored already.
    """

    range_blobs: int
    batch_size_min: int
    batch_size_max: int
    batch_blobs_max: int
    batches_max: int

    def with_batch_blobs(self, batch_blobs_max: int) -> "PlanLimits":
        """Return the same bounds with fewer blobs to a batch, at least one."""
        return replace(self, batch_blobs_max=max(1, batch_blobs_max))


def current_limits() -> PlanLimits:
    """Return the bounds of this version."""
    return PlanLimits(
        range_blobs=limits.RANGE_BLOBS_TARGET,
        batch_size_min=limits.BATCH_SIZE_MIN,
        batch_size_max=limits.BATCH_SIZE_MAX,
        batch_blobs_max=limits.BATCH_BLOBS_MAX,
        batches_max=limits.SESSION_BATCHES_MAX,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How large one batch may become: content bytes and blobs."""

    size_max: int
    blobs_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A run of consecutive blobs that one batch takes whole: number of blobs, content bytes."""

    count: int
    size: int


def batch_limits(blob_count: int, content_size: int, plan: PlanLimits) -> BatchLimits:
    """Return the bounds for a session of this size.

    Small sessions get smaller batches, down to ``batch_size_min``, so that every worker has
    one, and about equal ones, so that none works long alone; very large sessions get larger
    ones, so that there are never too many. Half of the batches may be closed by their bytes and
    half by their blobs, and a group that does not fit any more wastes up to a thirty-second of a
    batch: hence the factor of nine quarters.
    """
    # A sixteenth is what a group and a blob may add: no small rest is left behind equal batches.
    padded = content_size + content_size // 16
    wanted = min(max(padded // 4, plan.batch_size_min), plan.batch_size_max)
    count = max(1, -(-padded // wanted))
    size = min(-(-padded // count), wanted) if count > 1 else wanted
    least_size = -(-9 * content_size // (4 * plan.batches_max))
    least_count = -(-9 * blob_count // (4 * plan.batches_max))
    return BatchLimits(
        size_max=max(size, least_size),
        blobs_max=max(plan.batch_blobs_max, least_count),
    )


def group_bounds(bounds: BatchLimits) -> tuple[int, int]:
    """Return the bytes and blobs after which a new group starts, small beside a batch."""
    return max(1, bounds.size_max // 64), max(1, bounds.blobs_max // 64)


def cut_batches(groups: Iterable[Group], bounds: BatchLimits) -> Iterator[Group]:
    """Join consecutive groups into batches, each as large as the bounds allow.

    Every group lands in exactly one batch, in order; equal input gives equal batches. A single
    group above the bounds is a batch alone, which ``group_bounds`` rules out.
    """
    count = size = 0
    for group in groups:
        is_full = size + group.size > bounds.size_max or count + group.count > bounds.blobs_max
        if count and is_full:
            yield Group(count=count, size=size)
            count = size = 0
        count += group.count
        size += group.size
    if count:
        yield Group(count=count, size=size)


def choose_point(
    points: Sequence[PointId],
    present: Iterable[PointId],
    copied: Iterable[PointId],
    *,
    is_immediate: bool,
) -> PointId | None:
    """Choose the point that a run copies (R3), or None when there is nothing to do.

    ``points`` are the source's points, oldest first; ``present`` those that were there when the
    job was created; ``copied`` those whose copy is published. ``immediate`` takes the oldest
    after the last copied one, the other schedules the newest.
    """
    known = set(present)
    done = set(copied)
    new = [point for point in points if point not in known]
    last_done = max((place for place, point in enumerate(new) if point in done), default=-1)
    following = new[last_done + 1 :]
    if not following:
        return None
    return following[0] if is_immediate else following[-1]


def common_prefix(before: Sequence[Layer], after: Sequence[Layer]) -> int:
    """Return how many of the oldest layers two lists share."""
    shared = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        shared += 1
    return shared


def range_count(blob_count: int, plan: PlanLimits) -> int:
    """Return into how many id ranges a plan of this many blobs is cut."""
    return max(1, -(-blob_count // plan.range_blobs))
