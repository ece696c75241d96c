"""What is due now: a pure function of schedule, windows, time zone, last run and clock.

A schedule is a row of moments. A job is due when one of them has come since its last run began,
so a proxy that was down runs a job once when it is back, however many moments it missed.
Moments are in UTC; ``docs/decisions`` has a page on clocks that are put forward and back.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, tzinfo

from proxy.local_time import day_begin, has_day, minute_moment, wall_of
from proxy.schedule import Schedule, ScheduleKind
from proxy.window import Window

_DAY = timedelta(days=1)
# A week, another for a day that does not exist, and a day each for clocks that cross midnight.
_DAYS_LOOKED_AT = 16


def latest_moment(schedule: Schedule, zone: tzinfo, now: datetime) -> datetime:
    """Return the newest moment of a schedule that has come; of ``immediate``: now."""
    match schedule.kind:
        case ScheduleKind.IMMEDIATE:
            return now
        case ScheduleKind.DAILY:
            return max(m for m in _daily_moments(schedule, zone, now) if m <= now)
        case ScheduleKind.PERIODIC:
            begin, _ = _day_around(zone, now)
            period = timedelta(minutes=schedule.minutes)
            return begin + (now - begin) // period * period


def next_moment(schedule: Schedule, zone: tzinfo, now: datetime) -> datetime:
    """Return the first moment of a schedule that is still to come; of ``immediate``: now."""
    match schedule.kind:
        case ScheduleKind.IMMEDIATE:
            return now
        case ScheduleKind.DAILY:
            return min(m for m in _daily_moments(schedule, zone, now) if m > now)
        case ScheduleKind.PERIODIC:
            _, end = _day_around(zone, now)
            following = latest_moment(schedule, zone, now) + timedelta(minutes=schedule.minutes)
            return min(following, end)


def _daily_moments(schedule: Schedule, zone: tzinfo, now: datetime) -> Iterator[datetime]:
    today = wall_of(now, zone).date()
    for step in range(-_DAYS_LOOKED_AT, _DAYS_LOOKED_AT + 1):
        day = today + step * _DAY
        if day.weekday() in schedule.days and has_day(day, zone):
            yield minute_moment(day, schedule.minutes, zone)


def _day_around(zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
    """Return the begin of the local day at ``now`` and of the next one."""
    today = wall_of(now, zone).date()
    begins = [day_begin(today + step * _DAY, zone) for step in range(-2, 4)]
    return max(b for b in begins if b <= now), min(b for b in begins if b > now)


def is_due(schedule: Schedule, zone: tzinfo, last: datetime, now: datetime) -> bool:
    """Say whether a moment has come since the last run began."""
    return latest_moment(schedule, zone, now) > last


def next_run(
    schedule: Schedule,
    windows: Sequence[Window],
    zone: tzinfo,
    last: datetime,
    now: datetime,
) -> datetime:
    """Return when a job may run next: ``now`` when it is due and a window is open."""
    is_late = is_due(schedule, zone, last, now)
    return opening(windows, zone, now if is_late else next_moment(schedule, zone, now))


def closing(windows: Sequence[Window], zone: tzinfo, now: datetime) -> datetime | None:
    """Return when the window that is open now ends, adjoining ones included; None: none is open.

    Without windows, and with windows that never close, it is a moment more than a week ahead.
    """
    if not windows:
        return now + _DAYS_LOOKED_AT * _DAY
    spans = sorted(_spans(windows, zone, now))
    end = now
    for begin, span_end in spans:
        if begin <= end < span_end:
            end = span_end
    return end if end > now else None


def opening(windows: Sequence[Window], zone: tzinfo, now: datetime) -> datetime:
    """Return ``now`` when a window is open, otherwise when the next one begins."""
    if closing(windows, zone, now) is not None:
        return now
    return min(begin for begin, _ in _spans(windows, zone, now) if begin > now)


def _spans(
    windows: Sequence[Window], zone: tzinfo, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the spans of windows around ``now``, those that clocks have left nothing of aside."""
    today = wall_of(now, zone).date()
    for step in range(-2, _DAYS_LOOKED_AT):
        for window in windows:
            begin, end = _span(window, zone, today + step * _DAY)
            if begin < end:
                yield begin, end


def _span(window: Window, zone: tzinfo, day: date) -> tuple[datetime, datetime]:
    begin = minute_moment(day, window.begin, zone)
    if day.weekday() not in window.days or not has_day(day, zone):
        return begin, begin
    end = minute_moment(day + _DAY if window.ends_next_day else day, window.end, zone)
    return begin, end
