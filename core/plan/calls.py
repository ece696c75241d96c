"""Whether a batch is called again: what whoever drives a session remembers of its calls."""

from dataclasses import dataclass

from core import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsMade:
    """The calls on a batch so far: its parts after the last, and the calls since one was new."""

    part_count: int = 0
    stalled_calls: int = 0

    def then(self, part_count: int) -> "CallsMade":
        """Add a call that did not finish the batch; whoever added its parts, they count."""
        is_new = part_count > self.part_count
        return CallsMade(
            part_count=max(part_count, self.part_count),
            stalled_calls=0 if is_new else self.stalled_calls + 1,
        )

    @property
    def is_stalled(self) -> bool:
        """Say that it is called no more: the session fails by it."""
        return self.stalled_calls >= limits.BATCH_CALLS_WITHOUT_PROGRESS_MAX


def stalled_reason(batch_number: int) -> str:
    """Say why a session fails by a batch that is stalled."""
    return f"batch {batch_number} makes no progress"
