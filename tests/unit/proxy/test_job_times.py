"""When a job ran last and may run next."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from core.engine.jobs import enable_job
from proxy.config import load_config
from proxy.job_times import job_times, show_moment, zone_of
from proxy.tables import JobTable
from tests.cli.place import Place
from tests.cli.service import declare_proxy
from tests.support.copies import JOB, Pair, back_up, make_pair


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1"})
    return pair


def table(schedule: str, *windows: str) -> JobTable:
    values = {"source": "a", "target": "b", "schedule": schedule}
    return JobTable.model_validate(values | ({"window": list(windows)} if windows else {}))


def test_a_job_that_never_ran_runs_when_its_schedule_says(pair: Pair) -> None:
    now = datetime.now(UTC)
    times = job_times(table("periodic 12 h"), UTC, pair.target, pair.definition, now)
    assert times.last is None
    assert times.next is not None
    assert now < times.next <= now + timedelta(hours=12)
    assert times.next.hour in {0, 12}


def test_one_that_missed_its_time_may_run_now(pair: Pair) -> None:
    claim = pair.session().claim
    later = datetime.now(UTC) + timedelta(days=3)
    times = job_times(table("daily 22:00"), UTC, pair.target, pair.definition, later)
    assert times.next == later
    assert times.last is not None
    assert times.last.strftime("%Y%m%d") == claim.claimed[:8]


def test_a_disabled_job_has_no_next_run(pair: Pair) -> None:
    definition = enable_job(pair.target, JOB, is_enabled=False)
    times = job_times(table("immediate"), UTC, pair.target, definition, datetime.now(UTC))
    assert times.next is None


def test_the_zone_is_that_of_the_proxy(place: Place) -> None:
    assert zone_of(load_config(place.config)) == UTC
    declare_proxy(place, who='name = "hq"\ntime_zone = "Europe/Berlin"')
    assert zone_of(load_config(place.config)) == ZoneInfo("Europe/Berlin")


def test_people_read_local_time() -> None:
    moment, berlin = datetime(2026, 5, 4, 20, 0, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    assert show_moment(moment, berlin, moment - timedelta(hours=1)) == "2026-05-04 22:00 CEST"
    assert show_moment(moment, berlin, moment) == "now"
    assert show_moment(None, berlin, moment) == ""
