"""When a call of a function has to come to its end."""

import time
from typing import Protocol

from core.limits import FUNCTION_MARGIN_SECONDS


class Context(Protocol):
    """What Lambda hands to a handler, as far as time is concerned."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function may run yet."""


def deadline_of(context: Context) -> float:
    """Return the ``time.monotonic`` moment from which on a call only ends what it has begun.

    What is left then is enough to close a pack, where the function's time is not short itself.
    """
    remaining = max(0, context.get_remaining_time_in_millis()) / 1000
    return time.monotonic() + remaining - min(FUNCTION_MARGIN_SECONDS, remaining / 2)
