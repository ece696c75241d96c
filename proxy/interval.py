"""How often something happens: ``N s``, ``N min`` or ``N h``."""

import re

from core.errors import InputError
from core.limits import LOOK_SECONDS_MAX, LOOK_SECONDS_MIN

_INTERVAL = re.compile(r"([1-9]\d{0,5}) (s|min|h)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_HINT = "write a number and a unit, as in '30 s', '1 min' or '2 h'"


def parse_interval(text: str) -> int:
    """Read an interval and return its seconds; anything else is an ``InputError``."""
    match = _INTERVAL.fullmatch(" ".join(text.split()))
    if match is None:
        raise InputError("it is not an interval", hint=_HINT)
    seconds = int(match.group(1)) * _SECONDS[match.group(2)]
    if not LOOK_SECONDS_MIN <= seconds <= LOOK_SECONDS_MAX:
        raise InputError("it is too long", hint="write a day ('24 h') or less")
    return seconds
