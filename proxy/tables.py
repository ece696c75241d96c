"""The tables of ``coldhaul.toml``, as pydantic models: what a key may be, one key at a time.

What several keys say together is checked in ``rules``. Nothing here reads anything.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from core.errors import InputError
from core.ids import is_job_id
from core.model import RetentionType
from proxy.location import parse_url, url_folder
from proxy.retention import Retention, parse_retention
from proxy.schedule import Schedule, parse_schedule
from proxy.secret import SecretReference, parse_secret_reference
from proxy.suggestion import enumerate_names

T = TypeVar("T")

CONFIG_VERSION = 1
# The type of the pydantic errors that carry a message and a hint of ours.
OUR_ERROR = "coldhaul"


def _text(parse: Callable[[str], T]) -> BeforeValidator:
    """Make a validator of a parser of text."""

    def validate(value: object) -> T:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "not text")
        try:
            return parse(value)
        except InputError as error:
            parts = {"message": error.message, "hint": error.hint}
            raise PydanticCustomError(OUR_ERROR, "{message}", parts) from error

    return BeforeValidator(validate)


def parse_name(text: str) -> str:
    """Check a name that a user gives to a repository, a job or a proxy."""
    if not is_job_id(text):
        raise InputError(
            "it cannot be a name",
            hint="use letters, digits, '_' and '-', at most 64, beginning with a letter or digit",
        )
    return text


def _parse_retention_type(text: str) -> RetentionType:
    try:
        return RetentionType(text)
    except ValueError:
        known = enumerate_names([kind.value for kind in RetentionType], "or")
        raise InputError("it is not a retention type", hint=f"write {known}") from None


def _parse_version(value: object) -> object:
    if isinstance(value, bool):
        # True would pass for 1.
        raise PydanticCustomError("literal_error", "not a number")
    if isinstance(value, int) and value > CONFIG_VERSION:
        hint = f"use a newer coldhaul; this one knows version {CONFIG_VERSION}"
        parts = {"message": "it is a newer version of the configuration", "hint": hint}
        raise PydanticCustomError(OUR_ERROR, "{message}", parts)
    return value


Name = Annotated[str, _text(parse_name)]


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True
    )


class EncryptionTable(_Table):
    """How a repository's keys are opened."""

    passphrase: Annotated[SecretReference, _text(parse_secret_reference)]


class RepositoryTable(_Table):
    """One repository: where it is, who works on it, how long it keeps what."""

    url: Annotated[str, _text(parse_url)]
    proxy: Name | None = None
    proxy_pool: Name | None = None
    retention_type: Annotated[RetentionType, _text(_parse_retention_type)]
    retention: Annotated[Retention, _text(parse_retention)]
    encryption: EncryptionTable | None = None

    @property
    def folder(self) -> Path:
        """The folder of a ``file://`` repository."""
        return url_folder(self.url)


class JobTable(_Table):
    """One standing order."""

    source: Name
    target: Name
    schedule: Annotated[Schedule, _text(parse_schedule)]
    allow_damaged: bool = False
    fallback: bool = False


class TopTable(_Table):
    """The whole file; the tables below ``repositories`` and ``jobs`` are validated one by one."""

    version: Annotated[Literal[1], BeforeValidator(_parse_version)]
    repositories: Annotated[dict[str, Any], Field(min_length=1)]
    jobs: dict[str, Any] = Field(default_factory=dict)
