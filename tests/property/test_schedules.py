"""Laws of schedules, in every zone and year: each moment comes once, in order, none is lost."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.due import closing, is_due, latest_moment, next_moment, opening
from proxy.local_time import day_begin, wall_of
from proxy.schedule import PERIODS_MINUTES, Schedule, ScheduleKind
from proxy.window import Window

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)

# Where clocks do what they do nowhere else; the rest are drawn from all.
ODD_ZONES = (
    "Africa/Casablanca",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Kwajalein",
)
zones = st.builds(
    ZoneInfo, st.sampled_from(ODD_ZONES) | st.sampled_from(sorted(available_timezones()))
)
years = st.integers(1970, 2060)
weekdays = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
daily = st.builds(
    Schedule,
    kind=st.just(ScheduleKind.DAILY),
    minutes=st.sampled_from([0, 1, 30, 90, 120, 150, 1380, 1439]) | st.integers(0, 1439),
    days=weekdays,
)
periodic = st.builds(
    Schedule,
    kind=st.just(ScheduleKind.PERIODIC),
    minutes=st.sampled_from(sorted(PERIODS_MINUTES.values())),
)
moments = st.datetimes(datetime(1970, 1, 9), datetime(2060, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)


def days_of(year: int, zone: ZoneInfo) -> list[date]:
    """Return the days that clocks show in a year, found by looking at them every half hour."""
    begin = datetime(year, 1, 1, tzinfo=UTC) - DAY
    shown = {wall_of(begin + step * 30 * MINUTE, zone).date() for step in range(48 * 368)}
    return sorted(day for day in shown if day.year == year)


def moments_between(
    schedule: Schedule, zone: ZoneInfo, begin: datetime, end: datetime
) -> list[datetime]:
    found = []
    while (begin := next_moment(schedule, zone, begin)) < end:
        found.append(begin)
    return found


@given(zone=zones, year=years, schedule=daily)
@settings(max_examples=15)
def test_every_local_day_of_a_year_has_exactly_one_run_in_order(
    zone: ZoneInfo, year: int, schedule: Schedule
) -> None:
    expected = [day for day in days_of(year, zone) if day.weekday() in schedule.days]
    begin = day_begin(date(year, 1, 1), zone) - SECOND
    found = moments_between(schedule, zone, begin, day_begin(date(year + 1, 1, 1), zone))
    assert len(found) == len(expected)
    assert all(one < other for one, other in pairwise(found))
    for day, moment in zip(expected, found, strict=True):
        wall = datetime.combine(day, datetime.min.time()) + schedule.minutes * MINUTE
        shown = wall_of(moment, zone)
        # Not before its time, and not a second later than clocks first show it or skip it.
        assert shown >= wall
        assert shown == wall or wall_of(moment - SECOND, zone) < wall


@given(zone=zones, schedule=daily | periodic, now=moments)
@settings(max_examples=200)
def test_the_latest_and_the_next_moment_have_none_between_them(
    zone: ZoneInfo, schedule: Schedule, now: datetime
) -> None:
    latest, following = latest_moment(schedule, zone, now), next_moment(schedule, zone, now)
    assert latest <= now < following
    assert next_moment(schedule, zone, latest) == following
    assert latest_moment(schedule, zone, following) == following
    assert latest_moment(schedule, zone, following - SECOND) == latest


@given(zone=zones, schedule=periodic, now=moments)
@settings(max_examples=100)
def test_periods_are_counted_from_local_midnight_and_never_longer(
    zone: ZoneInfo, schedule: Schedule, now: datetime
) -> None:
    period = schedule.minutes * MINUTE
    found = moments_between(schedule, zone, now, now + 2 * DAY)
    for one, other in pairwise(found):
        assert timedelta(0) < other - one <= period
    for moment in found:
        today = wall_of(moment, zone).date()
        begins = [day_begin(today + step * DAY, zone) for step in (-1, 0, 1)]
        assert any(
            begin <= moment and (moment - begin) % period == timedelta(0) for begin in begins
        )


@given(
    zone=zones,
    schedule=daily | periodic,
    begin=moments,
    steps=st.lists(st.integers(1, 5 * 24 * 60), min_size=5, max_size=40),
)
@settings(max_examples=60)
def test_a_proxy_that_looks_now_and_then_runs_once_for_all_that_it_missed(
    zone: ZoneInfo, schedule: Schedule, begin: datetime, steps: list[int]
) -> None:
    last = now = begin
    for step in steps:
        before, now = now, now + step * MINUTE
        has_come = next_moment(schedule, zone, before) <= now
        assert is_due(schedule, zone, last, now) == has_come
        if has_come:
            last = now
        assert not is_due(schedule, zone, last, now)


@given(
    zone=zones,
    days=weekdays,
    begin=st.integers(0, 1439),
    length=st.integers(1, 1439),
    now=moments,
)
@settings(max_examples=100)
def test_windows_open_close_and_open_again(
    zone: ZoneInfo, days: tuple[int, ...], begin: int, length: int, now: datetime
) -> None:
    end = (begin + length) % 1440
    windows = [Window(days=days, begin=begin, end=end)]
    opens = opening(windows, zone, now)
    closes = closing(windows, zone, opens)
    assert opens >= now
    assert closes is not None
    assert closes > opens
    if opens > now:
        assert closing(windows, zone, now) is None
        assert closing(windows, zone, opens - SECOND) is None
    assert closing(windows, zone, closes - timedelta(microseconds=1)) is not None
    assert closing(windows, zone, closes) is None
    assert closes - opens <= DAY + timedelta(hours=24)
