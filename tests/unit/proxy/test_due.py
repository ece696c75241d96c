"""What is due, and when: missed runs, windows, and the days on which clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from proxy.due import closing, is_due, latest_moment, next_moment, next_run, opening
from proxy.schedule import parse_schedule
from proxy.window import Window, parse_window

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


def windows(*texts: str) -> list[Window]:
    return [parse_window(text) for text in texts]


@pytest.mark.parametrize(
    ("schedule", "now", "latest", "following"),
    [
        ("daily 22:00", "2026-05-04T22:00", "2026-05-04T22:00", "2026-05-05T22:00"),
        ("daily 22:00", "2026-05-04T21:59", "2026-05-03T22:00", "2026-05-04T22:00"),
        # The 8th is a Friday.
        ("daily 22:00 workdays", "2026-05-09T12:00", "2026-05-08T22:00", "2026-05-11T22:00"),
        ("daily 06:00 Wed", "2026-05-06T05:00", "2026-04-29T06:00", "2026-05-06T06:00"),
        ("periodic 8 h", "2026-05-04T15:59", "2026-05-04T08:00", "2026-05-04T16:00"),
        ("periodic 5 min", "2026-05-04T00:00", "2026-05-04T00:00", "2026-05-04T00:05"),
        # A time that is skipped comes at the end of the gap.
        ("daily 02:30", "2026-03-29T04:00", "2026-03-29T03:00", "2026-03-30T02:30"),
        # On a day of 23 hours the last period ends with the day.
        ("periodic 12 h", "2026-03-29T22:00", "2026-03-29T13:00", "2026-03-30T00:00"),
    ],
)
def test_a_schedule_is_a_row_of_moments(
    schedule: str, now: str, latest: str, following: str
) -> None:
    parsed = parse_schedule(schedule)
    assert latest_moment(parsed, BERLIN, berlin(now)) == berlin(latest)
    assert next_moment(parsed, BERLIN, berlin(now)) == berlin(following)


def test_immediate_is_always_due() -> None:
    schedule, now = parse_schedule("immediate"), berlin("2026-05-04T12:00")
    assert latest_moment(schedule, BERLIN, now) == next_moment(schedule, BERLIN, now) == now


def test_a_time_that_is_shown_twice_comes_once() -> None:
    schedule = parse_schedule("daily 02:30")
    first, second = berlin("2026-10-25T02:30"), berlin("2026-10-25T02:30", fold=1)
    assert first < second
    assert latest_moment(schedule, BERLIN, second) == first
    assert next_moment(schedule, BERLIN, first) == berlin("2026-10-26T02:30")


def test_missed_moments_make_one_run() -> None:
    schedule = parse_schedule("daily 22:00")
    last, now = berlin("2026-05-01T22:00:05"), berlin("2026-05-04T09:00")
    assert is_due(schedule, BERLIN, last, now)
    assert not is_due(schedule, BERLIN, now, berlin("2026-05-04T21:59"))
    assert is_due(schedule, BERLIN, now, berlin("2026-05-04T22:00"))


def test_the_next_run_of_what_is_due_is_now() -> None:
    schedule = parse_schedule("daily 22:00")
    last, now = berlin("2026-05-01T22:00:05"), berlin("2026-05-04T09:00")
    assert next_run(schedule, [], BERLIN, last, now) == now
    assert next_run(schedule, [], BERLIN, now, now) == berlin("2026-05-04T22:00")


def test_a_run_waits_for_its_window() -> None:
    schedule, nights = parse_schedule("daily 12:00"), windows("20:00-06:00")
    last, now = berlin("2026-05-03T20:00:05"), berlin("2026-05-04T13:00")
    assert next_run(schedule, nights, BERLIN, last, now) == berlin("2026-05-04T20:00")
    after = berlin("2026-05-04T20:00:05")
    assert next_run(schedule, nights, BERLIN, after, after) == berlin("2026-05-05T20:00")


@pytest.mark.parametrize(
    ("now", "closes", "opens"),
    [
        # The 4th is a Monday, the 8th a Friday.
        ("2026-05-04T19:59", None, "2026-05-04T20:00"),
        ("2026-05-04T20:00", "2026-05-05T06:00", "2026-05-04T20:00"),
        ("2026-05-05T05:59", "2026-05-05T06:00", "2026-05-05T05:59"),
        ("2026-05-05T06:00", None, "2026-05-05T20:00"),
        # Adjoining windows are one: from Friday evening to the end of Saturday.
        ("2026-05-08T23:00", "2026-05-10T00:00", "2026-05-08T23:00"),
        ("2026-05-10T00:00", None, "2026-05-11T20:00"),
    ],
)
def test_windows_open_and_close(now: str, closes: str | None, opens: str) -> None:
    given = windows("Mon-Fri 20:00-06:00", "Sat 06:00-24:00")
    assert closing(given, BERLIN, berlin(now)) == (berlin(closes) if closes else None)
    assert opening(given, BERLIN, berlin(now)) == berlin(opens)


def test_a_window_whose_hour_is_skipped_does_not_open_that_day() -> None:
    given = windows("02:00-03:00")
    assert closing(given, BERLIN, berlin("2026-03-29T03:00")) is None
    assert opening(given, BERLIN, berlin("2026-03-29T01:00")) == berlin("2026-03-30T02:00")


def test_without_windows_it_is_always_open() -> None:
    now = berlin("2026-05-04T12:00")
    closes = closing([], BERLIN, now)
    assert closes is not None
    assert closes > now
    assert opening([], BERLIN, now) == now
    always = closing(windows("00:00-24:00"), BERLIN, now)
    assert always is not None
    assert (always - now).days > 7
