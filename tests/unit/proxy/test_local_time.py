"""Where clocks are put forward and back: a time that is skipped, and one that is shown twice."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from proxy.local_time import day_begin, first_moment, has_day, minute_moment, wall_of

BERLIN = ZoneInfo("Europe/Berlin")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
HAVANA = ZoneInfo("America/Havana")
APIA = ZoneInfo("Pacific/Apia")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "wall", "moment"),
    [
        (BERLIN, "2026-01-15T22:00", "2026-01-15T21:00"),
        # 02:00 becomes 03:00: all that is skipped comes at 03:00.
        (BERLIN, "2026-03-29T02:00", "2026-03-29T01:00"),
        (BERLIN, "2026-03-29T02:30", "2026-03-29T01:00"),
        (BERLIN, "2026-03-29T03:00", "2026-03-29T01:00"),
        # 03:00 becomes 02:00: what is shown twice comes the first time.
        (BERLIN, "2026-10-25T02:30", "2026-10-25T00:30"),
        (BERLIN, "2026-10-25T03:00", "2026-10-25T02:00"),
        # Half an hour is skipped.
        (LORD_HOWE, "2026-10-04T02:10", "2026-10-03T15:30"),
        # Midnight itself is skipped, and comes at 01:00.
        (SAO_PAULO, "2018-11-04T00:00", "2018-11-04T03:00"),
        # Midnight is shown twice.
        (HAVANA, "2026-11-01T00:30", "2026-11-01T04:30"),
    ],
)
def test_a_local_time_comes_once(zone: ZoneInfo, wall: str, moment: str) -> None:
    assert first_moment(datetime.fromisoformat(wall), zone) == utc(moment)


def test_a_moment_is_shown_without_its_zone() -> None:
    assert wall_of(utc("2026-10-25T01:30"), BERLIN) == datetime.fromisoformat("2026-10-25T02:30")


def test_a_minute_of_a_day_may_be_its_end() -> None:
    day = date(2026, 3, 29)
    assert minute_moment(day, 1440, BERLIN) == day_begin(date(2026, 3, 30), BERLIN)
    assert minute_moment(day, 90, BERLIN) == utc("2026-03-29T00:30")


def test_a_day_that_was_skipped_is_none() -> None:
    assert has_day(date(2011, 12, 29), APIA)
    assert not has_day(date(2011, 12, 30), APIA)
    assert has_day(date(2011, 12, 31), APIA)
