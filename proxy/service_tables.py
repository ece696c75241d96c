"""The tables ``[proxy]`` and ``[notify.NAME]``: who keeps the schedule, and whom it tells.

What several keys say together is checked in ``service_rules``.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from core.errors import InputError
from core.limits import PARALLEL_RUNS_MAX
from core.model import SessionStatus
from proxy.fields import OUR_ERROR, Name, Table, one_of, parsed, parsed_each
from proxy.interval import parse_interval
from proxy.listening import ListenPlace, parse_listening
from proxy.secret import SecretReference, parse_secret_reference, read_secret
from proxy.suggestion import enumerate_names

# A run that ended in an error, with its session still open, has no status of a session.
ERROR = "Error"
STATUSES = (
    *(status.value for status in SessionStatus if status is not SessionStatus.RUNNING),
    ERROR,
)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})|[0-9A-Fa-f:]+", re.ASCII)
_MAIL_ADDRESS = re.compile(r"[!-~]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_PORT_MAX = 65535


class LogKind(StrEnum):
    """How events are written."""

    JSON = "json"
    TEXT = "text"


class NotifyKind(StrEnum):
    """How somebody is told."""

    WEBHOOK = "webhook"
    MAIL = "mail"


class Security(StrEnum):
    """How a mail server is reached: encrypted after a command, from the start, or not."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookUrl:
    """A webhook's URL, which may carry a secret: written plainly, or where it is."""

    plain: str = field(default="", repr=False)
    reference: SecretReference | None = None

    def read(self, where: str) -> str:
        """Return the URL; ``where`` is its key path, for errors."""
        if self.reference is None:
            return self.plain
        url = read_secret(self.reference, where)
        if not _is_web(url):
            raise InputError(
                f"{where} refers to {self.reference}, which holds no URL",
                hint="Put a whole URL there, beginning with https://.",
            )
        return url


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _parse_hook_url(text: str) -> HookUrl:
    if text.startswith(("http://", "https://")):
        if not _is_web(text):
            raise InputError("it is not a URL", hint="write one as in 'https://hooks.example/x'")
        return HookUrl(plain=text)
    try:
        return HookUrl(reference=parse_secret_reference(text))
    except InputError as error:
        hint = "write 'https://...', or where the URL is: 'env:NAME' or 'file:/path/to/it'"
        raise InputError("it is neither a URL nor a reference to one", hint=hint) from error


def _parse_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "write a name of the IANA database, as in 'Europe/Berlin' or 'UTC'"
        raise InputError("no such time zone is known", hint=hint) from None


def _parse_host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise InputError("it is not the name of a host", hint="write one as in 'mail.example.com'")
    return text


def _parse_mail_address(text: str) -> str:
    if not _MAIL_ADDRESS.fullmatch(text):
        hint = "write one as in 'backup@example.com'"
        raise InputError(f"{text!r} is not a mail address", hint=hint)
    return text


def _parse_status(text: str) -> str:
    if text not in STATUSES:
        known = enumerate_names(STATUSES, "or")
        raise InputError(f"{text!r} is not a status", hint=f"write {known}")
    return text


def number(least: int, most: int) -> BeforeValidator:
    """Make a validator of a whole number between bounds."""

    def validate(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            parts = {"message": "it is not such a number", "hint": f"write {least} to {most}"}
            raise PydanticCustomError(OUR_ERROR, "{message}", parts)
        return value

    return BeforeValidator(validate)


class ProxyTable(Table):
    """Which jobs the service of this machine runs, and how."""

    name: Name | None = None
    pool: Name | None = None
    time_zone: Annotated[ZoneInfo, parsed(_parse_zone)] = ZoneInfo("UTC")
    look_every: Annotated[int, parsed(parse_interval)] = 60
    listen: Annotated[ListenPlace | None, parsed(parse_listening)] = ListenPlace(
        address="127.0.0.1", port=9464
    )
    log: Annotated[str, one_of(*LogKind)] | None = None
    parallel: Annotated[int, number(1, PARALLEL_RUNS_MAX)] = 1


class NotifyTable(Table):
    """Somebody who is told how sessions end, and how."""

    kind: Annotated[str, one_of(*NotifyKind)]
    on: Annotated[tuple[str, ...], parsed_each(_parse_status)] = ("Failed", "Warning", ERROR)
    url: Annotated[HookUrl, parsed(_parse_hook_url)] | None = None
    host: Annotated[str, parsed(_parse_host)] = ""
    port: Annotated[int, number(1, _PORT_MAX)] | None = None
    security: Annotated[str, one_of(*Security)] = Security.STARTTLS
    user: Annotated[SecretReference, parsed(parse_secret_reference)] | None = None
    password: Annotated[SecretReference, parsed(parse_secret_reference)] | None = None
    sender: Annotated[str, parsed(_parse_mail_address)] = Field(default="", alias="from")
    to: Annotated[tuple[str, ...], parsed_each(_parse_mail_address)] = ()
