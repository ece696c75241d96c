"""Schedules of rule R3, and nothing else."""

import pytest

from core.errors import InputError
from proxy.schedule import PERIODS_MINUTES, Schedule, ScheduleKind, parse_schedule

EVERY_SCHEDULE = [
    "immediate",
    "daily 00:00",
    "daily 09:05",
    "daily 23:59",
    "daily 22:00 Mon-Fri",
    "daily 22:00 Mon,Sat-Sun",
    *(f"periodic {period}" for period in PERIODS_MINUTES),
]


@pytest.mark.parametrize("text", EVERY_SCHEDULE)
def test_a_schedule_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_schedule(text)) == text


def test_spaces_do_not_matter() -> None:
    assert str(parse_schedule("  daily   22:00 ")) == "daily 22:00"


def test_days_are_written_one_way() -> None:
    assert str(parse_schedule("daily 22:00 workdays")) == "daily 22:00 Mon-Fri"
    assert str(parse_schedule("daily 22:00 Sun,Sat")) == "daily 22:00 Sat-Sun"
    assert str(parse_schedule("daily 22:00 Mon-Sun")) == "daily 22:00"
    assert parse_schedule("daily 22:00 Wed").days == (2,)


def test_a_schedule_knows_its_minutes() -> None:
    assert parse_schedule("daily 22:30") == Schedule(kind=ScheduleKind.DAILY, minutes=1350)
    assert parse_schedule("periodic 8 h") == Schedule(kind=ScheduleKind.PERIODIC, minutes=480)


@pytest.mark.parametrize(
    "text",
    [
        *("", "hourly", "Immediate", "5 min"),
        *("daily", "daily 24:00", "daily 9:00", "daily 22:60", "daily 2\u0662:00"),
        *("daily 22:00 Mon - Fri", "periodic 5 min Mon", "immediate Mon"),
        *("periodic", "periodic 7 min", "periodic 5min", "periodic 3 h"),
    ],
)
def test_anything_else_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_schedule(text)
    assert "daily HH:MM" in caught.value.hint
    assert "12 h" in caught.value.hint


def test_a_day_that_is_none_is_named() -> None:
    with pytest.raises(InputError, match="'Mo' is no day"):
        parse_schedule("daily 22:00 Mo")
