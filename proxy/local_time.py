"""From what clocks on a wall show to moments, where they are put forward and back.

Everything follows from one definition: a local time *comes* at the first moment at which the
clock shows it or anything later. So a time that clocks skip comes at the end of the gap, one that
they show twice comes once, and later times never come before earlier ones.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

_SECOND = timedelta(seconds=1)


def first_moment(wall: datetime, zone: tzinfo) -> datetime:
    """Return the moment, in UTC, at which a naive local time comes."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_of(moment, zone) == wall:
        return moment
    # In a gap: fold 0 counts with the offset before it and lies behind it, fold 1 the other way.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while moment - before > _SECOND:
        middle = before + (moment - before) // _SECOND // 2 * _SECOND
        if wall_of(middle, zone) < wall:
            before = middle
        else:
            moment = middle
    return moment


def wall_of(moment: datetime, zone: tzinfo) -> datetime:
    """Return what clocks show at a moment, as a naive time."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def minute_moment(day: date, minute: int, zone: tzinfo) -> datetime:
    """Return when a minute of a day comes; 1440 is the end of the day."""
    return first_moment(datetime.combine(day, time()) + timedelta(minutes=minute), zone)


def day_begin(day: date, zone: tzinfo) -> datetime:
    """Return when a day begins."""
    return minute_moment(day, 0, zone)


def has_day(day: date, zone: tzinfo) -> bool:
    """Say whether there is such a day: some zones have skipped one to cross the date line."""
    return day_begin(day, zone) < day_begin(day + timedelta(days=1), zone)
