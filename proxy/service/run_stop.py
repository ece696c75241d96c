"""When a run ends early: the service ends, the job is gone, or its window has closed."""

from collections.abc import Callable
from datetime import datetime

from core.engine.standing import NEVER
from proxy.due import closing
from proxy.service.decision import Terms


class RunStop:
    """Asked often by the engine: says whether a run ends now, at the next safe point."""

    def __init__(
        self,
        terms: Terms,
        clock: Callable[[], datetime],
        is_ending: Callable[[], bool],
        is_removed: Callable[[], bool],
    ) -> None:
        """Nothing is known of the window yet."""
        self._terms = terms
        self._clock = clock
        self._is_ending = is_ending
        self._is_removed = is_removed
        self._closes = NEVER

    def __call__(self) -> bool:
        """Say whether to end a run on this machine."""
        return self.leaves() or self.why() != ""

    def leaves(self) -> bool:
        """Say whether nobody watches any more a run that goes on elsewhere."""
        return self._is_ending()

    def why(self) -> str:
        """Say why a run has to end wherever it is; empty while it may work."""
        if self._is_removed():
            return "its job is no longer in the configuration of this proxy"
        return "its window has closed" if self._is_closed() else ""

    def _is_closed(self) -> bool:
        now = self._clock()
        if now >= self._closes:
            closes = closing(self._terms.windows, self._terms.zone, now)
            if closes is None:
                return True
            self._closes = closes
        return False
