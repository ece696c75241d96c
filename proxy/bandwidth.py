"""How fast a store may be read or written: ``N MB/s`` in bytes, or ``N Mbit/s`` in bits."""

import re
from dataclasses import dataclass

from core.errors import InputError

_BANDWIDTH = re.compile(r"([1-9]\d{0,5}) ?([kMG])(B|bit)/s", re.ASCII)
_FACTORS = {"k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
# Below this a single part of a pack would not pass before requests time out.
_BYTES_PER_SECOND_MIN = 100_000
_HINT = "write bytes as in '50 MB/s' or bits as in '100 Mbit/s', with k, M or G, without a fraction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """So many of a unit each second."""

    count: int
    prefix: str
    unit: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"{self.count} {self.prefix}{self.unit}/s"

    @property
    def bytes_per_second(self) -> int:
        """The same in bytes; a thousand of them are a kB."""
        number = self.count * _FACTORS[self.prefix]
        return number // 8 if self.unit == "bit" else number


def parse_bandwidth(text: str) -> Bandwidth:
    """Read a bandwidth; anything else is an ``InputError``."""
    match = _BANDWIDTH.fullmatch(text.strip())
    if match is None:
        raise InputError("it is not a bandwidth", hint=_HINT)
    bandwidth = Bandwidth(count=int(match[1]), prefix=match[2], unit=match[3])
    if bandwidth.bytes_per_second < _BYTES_PER_SECOND_MIN:
        raise InputError(
            "it is too slow to send a part of a pack before the request times out",
            hint="write at least '100 kB/s'",
        )
    return bandwidth
