"""When a call of an activity has to come to its end."""

import time

from core.limits import (
    AZURE_CALL_SECONDS_MAX,
    AZURE_FUNCTION_SECONDS_MAX,
    FUNCTION_MARGIN_SECONDS,
)


def call_deadline() -> float:
    """Return the ``time.monotonic`` moment of a call, begun now, that can go on another time."""
    return time.monotonic() + AZURE_CALL_SECONDS_MAX


def whole_deadline() -> float:
    """Return the same for a call that has to do all that it has to do."""
    return time.monotonic() + AZURE_FUNCTION_SECONDS_MAX - FUNCTION_MARGIN_SECONDS
