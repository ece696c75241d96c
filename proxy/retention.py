"""How long restore points are kept: ``N days|weeks|months|years`` or ``forever``."""

import re
from dataclasses import dataclass

from core.errors import InputError

_PERIOD = re.compile(r"([1-9]\d{0,5}) (day|week|month|year)s?", re.ASCII)
# Longer than any law asks for; more is a slip of the pen or means for ever.
_YEARS_MAX = 100
_PER_YEAR = {"day": 365, "week": 52, "month": 12, "year": 1}
_HINT = "write a number and a unit, as in '30 days', '18 months' or '7 years', or 'forever'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """A period: so many of a unit. ``count`` 0 is for ever."""

    count: int
    unit: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        if self.count == 0:
            return "forever"
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


FOREVER = Retention(count=0, unit="")


def parse_retention(text: str) -> Retention:
    """Read a retention period; anything else is an ``InputError``."""
    words = " ".join(text.split())
    if words == "forever":
        return FOREVER
    match = _PERIOD.fullmatch(words)
    if match is None:
        raise InputError("it is not a period", hint=_HINT)
    count, unit = int(match.group(1)), match.group(2)
    if count > _YEARS_MAX * _PER_YEAR[unit]:
        raise InputError(
            f"it is longer than {_YEARS_MAX} years", hint="write 'forever' if that is meant"
        )
    return Retention(count=count, unit=unit)
