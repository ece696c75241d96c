"""Where a server listens: ``127.0.0.1:9464`` or ``[::1]:9464``; nowhere when empty."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from core.errors import InputError

_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})", re.ASCII)
_HINT = "write an address of this machine and a port, as in '127.0.0.1:9464' or '[::1]:9464'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenPlace:
    """An address of this machine and a port; port 0 is any free one."""

    address: str
    port: int

    @property
    def is_six(self) -> bool:
        """Whether it is an address of IPv6."""
        return ":" in self.address

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ip_address(self.address).is_loopback

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"[{self.address}]:{self.port}" if self.is_six else f"{self.address}:{self.port}"


def parse_listening(text: str) -> ListenPlace | None:
    """Read where to listen; None for the empty text, ``InputError`` for what is no place."""
    if not text:
        return None
    match = _PLACE.fullmatch(text)
    if match is None or int(match.group(3)) > 65535:
        raise InputError("it is no place to listen at", hint=_HINT)
    address = match.group(1) or match.group(2)
    try:
        is_six = ip_address(address).version == 6
    except ValueError:
        raise InputError(f"{address} is not an address", hint=_HINT) from None
    if is_six != bool(match.group(1)):
        raise InputError("brackets belong around an address of IPv6, and no other", hint=_HINT)
    return ListenPlace(address=address, port=int(match.group(3)))
