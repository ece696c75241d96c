"""What the parts of one verification share."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from core.engine.damage import Faults
from core.engine.progress import Progress
from core.errors import NotReadyError


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of the data a run reads: ``percent`` of it, another one each day.

    So a repository of which ten per cent are read a day is read whole in ten days.
    """

    percent: int
    day: int

    def takes(self, name: str) -> bool:
        """Say whether an object is read in this run."""
        place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 100
        return (place - self.day * self.percent) % 100 < self.percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Who watches, who may stop it, where faults go, and what is listed as damaged already."""

    share: Share
    marked: frozenset[str]
    faults: Faults
    progress: Progress
    stop: Callable[[], bool]


def check_stop(terms: Terms) -> None:
    """Raise ``NotReadyError`` if somebody wants the verification to stop."""
    if terms.stop():
        raise NotReadyError(
            "the verification was stopped", hint="What it has found is not listed; run it again."
        )
