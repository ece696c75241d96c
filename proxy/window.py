"""Backup windows: when runs may work, as ``Mon-Fri 20:00-06:00``."""

import re
from dataclasses import dataclass

from core.errors import InputError
from proxy.weekdays import EVERY_DAY, parse_weekdays, show_weekdays

_MINUTES_A_DAY = 24 * 60
_WINDOW = re.compile(r"(?:(\S+) )?([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)", re.ASCII)
_HINT = (
    "write days and times as in 'Mon-Fri 20:00-06:00' or '22:00-24:00'; a window that ends before "
    "it begins ends on the next day"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A span of local time that begins on each of ``days``, from a minute of the day to another.

    One whose end is not after its begin ends on the next day.
    """

    days: tuple[int, ...] = EVERY_DAY
    begin: int
    end: int

    @property
    def ends_next_day(self) -> bool:
        """Whether it passes midnight."""
        return self.end <= self.begin

    def __str__(self) -> str:
        """Write it as the configuration does."""
        days = "" if self.days == EVERY_DAY else f"{show_weekdays(self.days)} "
        return f"{days}{_show_minute(self.begin)}-{_show_minute(self.end)}"


def _show_minute(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def parse_window(text: str) -> Window:
    """Read a window; anything else is an ``InputError``."""
    match = _WINDOW.fullmatch(" ".join(text.split()))
    if match is None:
        raise InputError("it is not a window", hint=_HINT)
    begin = int(match.group(2)) * 60 + int(match.group(3))
    end = int(match.group(4)) * 60 + int(match.group(5))
    if end > _MINUTES_A_DAY:
        raise InputError("it ends after 24:00", hint=_HINT)
    if begin == end:
        hint = "write '00:00-24:00' for a whole day"
        raise InputError("it ends when it begins", hint=hint)
    days = parse_weekdays(match.group(1)) if match.group(1) else EVERY_DAY
    return Window(days=days, begin=begin, end=end)
