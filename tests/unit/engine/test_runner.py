"""Who runs a session, and how the local runner works, when nobody says otherwise."""

import os

from core.engine.runner import LOCAL, Runner
from core.plan.placement import NOT_CONFIGURED


def test_by_itself_it_uses_every_core_and_never_stops() -> None:
    runner = Runner()
    assert runner.workers == (os.cpu_count() or 1)
    assert not runner.stop()
    assert runner.call_seconds is None
    assert runner.clock().tzinfo is not None
    assert (runner.name, runner.reason) == (LOCAL, NOT_CONFIGURED)
