"""Who runs a session and why, how the local runner works, and who watches it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from core.engine.progress import Progress, Silent
from core.engine.session import Clock, system_clock
from core.plan.placement import NOT_CONFIGURED

LOCAL = "local"


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """The terms of a run on this machine.

    ``name`` and ``reason`` say who repacks and why, in the session's log and report.
    ``stop`` is asked often and ends the run at once when it says so. ``workers`` are processes.
    ``call_seconds`` bounds each repack call as a function's time limit would; None: no bound.
    """

    name: str = LOCAL
    reason: str = NOT_CONFIGURED
    progress: Progress = field(default_factory=Silent)
    stop: Callable[[], bool] = _never
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    call_seconds: float | None = None
    clock: Clock = system_clock
