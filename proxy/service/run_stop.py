"""When a run ends early: the service ends, the job is gone, or its window has closed."""

from collections.abc import Callable
from datetime import datetime

from core.engine.standing import NEVER
from proxy.due import closing
from proxy.service.decision import Terms


class RunStop:
    """Asked often by the engine: says whether a run ends now, at the next safe point."""

    def __init__(
        self, terms: Terms, clock: Callable[[], datetime], is_ending: Callable[[], bool]
    ) -> None:
        """Nothing is known of the window yet."""
        self._terms = terms
        self._clock = clock
        self._is_ending = is_ending
        self._closes = NEVER

    def __call__(self) -> bool:
        """Say whether to end."""
        if self._is_ending():
            return True
        now = self._clock()
        if now >= self._closes:
            closes = closing(self._terms.windows, self._terms.zone, now)
            if closes is None:
                return True
            self._closes = closes
        return False
