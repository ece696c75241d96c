"""When a job runs: ``immediate``, ``periodic N min|h`` or ``daily HH:MM [DAYS]`` (rule R3)."""

import re
from dataclasses import dataclass
from enum import StrEnum

from core.errors import InputError
from proxy.weekdays import EVERY_DAY, parse_weekdays, show_weekdays

PERIODS_MINUTES = {
    "5 min": 5,
    "10 min": 10,
    "15 min": 15,
    "30 min": 30,
    "1 h": 60,
    "2 h": 120,
    "4 h": 240,
    "8 h": 480,
    "12 h": 720,
}

_DAILY = re.compile(r"daily ([01]\d|2[0-3]):([0-5]\d)(?: (\S+))?", re.ASCII)
_HINT = (
    "write 'immediate', 'daily HH:MM' as in 'daily 22:00' or 'daily 22:00 Mon-Fri', or "
    "'periodic' with one of " + ", ".join(PERIODS_MINUTES)
)


class ScheduleKind(StrEnum):
    """How the moments of a schedule are found."""

    IMMEDIATE = "immediate"
    PERIODIC = "periodic"
    DAILY = "daily"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A parsed schedule.

    ``minutes`` is the period, or the minute of the day of a daily one; ``days`` are the days of
    the week of a daily one.
    """

    kind: ScheduleKind
    minutes: int = 0
    days: tuple[int, ...] = EVERY_DAY

    def __str__(self) -> str:
        """Write it the one way that definitions store and compare."""
        match self.kind:
            case ScheduleKind.IMMEDIATE:
                return "immediate"
            case ScheduleKind.DAILY:
                days = "" if self.days == EVERY_DAY else f" {show_weekdays(self.days)}"
                return f"daily {self.minutes // 60:02d}:{self.minutes % 60:02d}{days}"
            case ScheduleKind.PERIODIC:
                text = next(text for text, n in PERIODS_MINUTES.items() if n == self.minutes)
                return f"periodic {text}"


IMMEDIATE = Schedule(kind=ScheduleKind.IMMEDIATE)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule; spaces between its words do not matter."""
    words = " ".join(text.split())
    if words == "immediate":
        return IMMEDIATE
    if match := _DAILY.fullmatch(words):
        minute = int(match.group(1)) * 60 + int(match.group(2))
        days = parse_weekdays(match.group(3)) if match.group(3) else EVERY_DAY
        return Schedule(kind=ScheduleKind.DAILY, minutes=minute, days=days)
    period = PERIODS_MINUTES.get(words.removeprefix("periodic "))
    if words.startswith("periodic ") and period is not None:
        return Schedule(kind=ScheduleKind.PERIODIC, minutes=period)
    raise InputError("it is not a schedule", hint=_HINT)
