"""What this process has seen of sessions, by its own steady clock: no other clock is trusted."""

import time
from collections.abc import Callable, Iterable

from core.ids import SessionId


class Observer:
    """Remembers since when nothing has been seen to be written for a session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has been seen yet."""
        self._clock = clock
        self._seen: dict[SessionId, tuple[str, float]] = {}

    def idle_seconds(self, session_id: SessionId, trace: str) -> float:
        """Note a session's trace; return for how long it has been the same."""
        now = self._clock()
        before, since = self._seen.get(session_id, ("", now))
        if before != trace:
            self._seen[session_id] = (trace, now)
            return 0.0
        return now - since

    def forget_others(self, session_ids: Iterable[SessionId]) -> None:
        """Forget all but these."""
        kept = set(session_ids)
        self._seen = {key: value for key, value in self._seen.items() if key in kept}
