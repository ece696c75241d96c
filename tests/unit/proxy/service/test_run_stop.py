"""When a run ends early."""

from datetime import UTC, datetime

from proxy.schedule import parse_schedule
from proxy.service.decision import Terms
from proxy.service.run_stop import RunStop
from proxy.window import parse_window


def test_a_run_ends_when_its_window_closes_or_the_service_ends() -> None:
    windows = [parse_window("Mon 20:00-06:00"), parse_window("Tue 06:00-07:00")]
    terms = Terms(schedule=parse_schedule("immediate"), windows=windows, zone=UTC)
    now, is_ending = [datetime(2026, 5, 4, 20, 0, tzinfo=UTC)], [False]
    stop = RunStop(terms, lambda: now[0], lambda: is_ending[0], lambda: False)
    assert not stop()
    assert stop.why() == ""
    now[0] = datetime(2026, 5, 5, 6, 59, tzinfo=UTC)
    assert not stop()
    now[0] = datetime(2026, 5, 5, 7, 0, tzinfo=UTC)
    assert stop()
    assert (stop.leaves(), stop.why()) == (False, "its window has closed")
    now[0] = datetime(2026, 5, 11, 20, 0, tzinfo=UTC)
    assert not stop()
    is_ending[0] = True
    assert stop()
    assert (stop.leaves(), stop.why()) == (True, "")


def test_without_windows_only_the_service_ends_it() -> None:
    terms = Terms(schedule=parse_schedule("immediate"), windows=[], zone=UTC)
    now = datetime(2026, 5, 4, tzinfo=UTC)
    assert not RunStop(terms, lambda: now, lambda: False, lambda: False)()


def test_the_run_of_a_job_that_is_gone_ends_wherever_it_is() -> None:
    terms = Terms(schedule=parse_schedule("immediate"), windows=[], zone=UTC)
    stop = RunStop(terms, lambda: datetime(2026, 5, 4, tzinfo=UTC), lambda: False, lambda: True)
    assert stop()
    assert not stop.leaves()
    assert "no longer in the configuration" in stop.why()
