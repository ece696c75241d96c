"""A run's progress as events and metrics."""

import io
import json

from proxy.service.event_log import EventLog
from proxy.service.metrics import Metrics
from proxy.service.run_progress import RunProgress


def test_phases_are_told_when_they_end_and_now_and_then_between() -> None:
    now, stream, metrics = [0.0], io.StringIO(), Metrics()
    log = EventLog(stream, is_json=True)
    progress = RunProgress("nightly", log, metrics, lambda: now[0])
    progress.advance(5, 1)
    progress.start("Repacking", 1000, 10)
    assert metrics.planned.labels("nightly")._value.get() == 1000
    progress.advance(100, 1)
    now[0] = 61.0
    progress.advance(100, 1)
    progress.advance(100, 1)
    progress.note("planned: 3 rows")
    progress.warn("slow")
    assert metrics.done.labels("nightly")._value.get() == 300
    progress.start("Publishing", None, None)
    progress.finish()
    progress.finish()
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(each["event"], each["level"]) for each in events] == [
        ("progress", "info"),
        ("note", "info"),
        ("note", "warning"),
        ("phase", "info"),
        ("phase", "info"),
    ]
    assert "200 bytes of 1000 bytes" in events[0]["done"] or "20%" in events[0]["done"]
    assert events[3]["phase"] == "Repacking"
    assert all(each["job"] == "nightly" for each in events)
