"""To wait until something is so, and never for a time."""

import time
from collections.abc import Callable

# It only ends what hangs: a machine that is busy with other tests takes what it takes.
PATIENCE_SECONDS = 120


def wait_until(is_so: Callable[[], object], said: Callable[[], str] = lambda: "") -> None:
    """Wait until something is so; ``said`` tells of whatever made it fail to."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"it has not come about: {said()}"
        time.sleep(0.02)
