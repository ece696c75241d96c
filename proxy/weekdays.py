"""Days of the week as people write them: ``Mon-Fri``, ``Sat,Sun``, ``workdays``."""

from core.errors import InputError

NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Days are numbers as in ``date.weekday``: Monday is 0.
EVERY_DAY = tuple(range(7))
_WORDS = {"workdays": EVERY_DAY[:5], "weekends": EVERY_DAY[5:]}
_HINT = "write days as in 'Mon-Fri', 'Mon,Wed' or 'Fri-Mon,Wed', or 'workdays' or 'weekends'"


def parse_weekdays(text: str) -> tuple[int, ...]:
    """Read days; each at most once, whatever order they are written in."""
    if text in _WORDS:
        return _WORDS[text]
    days: list[int] = []
    for part in text.split(","):
        days += _parse_range(part)
    if len(set(days)) != len(days):
        raise InputError(f"{text!r} names a day twice", hint=_HINT)
    return tuple(sorted(days))


def _parse_range(text: str) -> list[int]:
    first, separator, last = text.partition("-")
    if first not in NAMES or (separator and last not in NAMES):
        raise InputError(f"{text!r} is no day of the week", hint=_HINT)
    begin = NAMES.index(first)
    length = (NAMES.index(last) - begin) % 7 if separator else 0
    if separator and length == 0:
        raise InputError(f"{text!r} begins and ends on one day", hint=_HINT)
    return [(begin + step) % 7 for step in range(length + 1)]


def show_weekdays(days: tuple[int, ...]) -> str:
    """Write sorted days the one way that is compared: ranges, separated by commas."""
    ranges: list[list[int]] = []
    for day in days:
        if ranges and ranges[-1][-1] == day - 1:
            ranges[-1].append(day)
        else:
            ranges.append([day])
    return ",".join(_show_range(each) for each in ranges)


def _show_range(days: list[int]) -> str:
    first, last = NAMES[days[0]], NAMES[days[-1]]
    return first if len(days) == 1 else f"{first}-{last}"
