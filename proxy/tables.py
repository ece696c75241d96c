"""The tables of ``coldhaul.toml``, as pydantic models: what a key may be, one key at a time.

What several keys say together is checked in ``rules`` and ``store_rules``. Nothing here reads
anything.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from core.errors import InputError
from core.model import RetentionType
from core.stores.aws_names import parse_kms_key
from core.stores.azure_vault_names import parse_vault_key
from proxy.appliance_table import ApplianceTable
from proxy.fields import OUR_ERROR, Name, Table, one_of, parse_name, parsed, parsed_each
from proxy.location import parse_url
from proxy.retention import Retention, parse_retention
from proxy.schedule import Schedule, parse_schedule
from proxy.secret import SecretReference, parse_secret_reference
from proxy.service_tables import ProxyTable
from proxy.suggestion import enumerate_names
from proxy.window import Window, parse_window

CONFIG_VERSION = 1

_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class Kind(StrEnum):
    """What is at a URL: a repository of ours, or any tool's objects, which are only read."""

    REPOSITORY = "repository"
    BUCKET = "bucket"


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


def _parse_class(text: str) -> str:
    # Which classes there are depends on the vendor: see ``store_rules``.
    if not _CLASS.fullmatch(text):
        raise InputError(
            "it cannot be the name of a class", hint="write one as in 'DEEP_ARCHIVE' or 'Archive'"
        )
    return text


def _parse_kms(text: str) -> str:
    return parse_kms_key(text).arn


def _parse_key_vault(text: str) -> str:
    return parse_vault_key(text).url


class EncryptionTable(Table):
    """How this machine opens a repository's keys: by one of the three."""

    passphrase: Annotated[SecretReference, parsed(parse_secret_reference)] | None = None
    kms: Annotated[str, parsed(_parse_kms)] | None = None
    key_vault: Annotated[str, parsed(_parse_key_vault)] | None = None


class RepositoryTable(Table):
    """One repository or bucket: where it is, who works on it, how long it keeps what."""

    kind: Annotated[str, one_of(*Kind)] = Kind.REPOSITORY
    url: Annotated[str, parsed(parse_url)]
    store: Name | None = None
    storage_class: Annotated[str, parsed(_parse_class)] = ""
    metadata_class: Annotated[str, parsed(_parse_class)] = ""
    proxy: Name | None = None
    proxy_pool: Name | None = None
    retention_type: Annotated[RetentionType, parsed(_parse_retention_type)]
    retention: Annotated[Retention, parsed(parse_retention)] | None = None
    encryption: EncryptionTable | None = None
    appliance: ApplianceTable | None = None

    @property
    def is_bucket(self) -> bool:
        """Whether it holds any tool's objects and not a repository of ours."""
        return self.kind == Kind.BUCKET


class JobTable(Table):
    """One standing order."""

    source: Name
    target: Name
    schedule: Annotated[Schedule, parsed(parse_schedule)]
    window: Annotated[tuple[Window, ...], parsed_each(parse_window)] = ()
    notify: Annotated[tuple[str, ...], parsed_each(parse_name)] = ()
    allow_damaged: bool = False
    fallback: bool = False


class TopTable(Table):
    """The whole file; the tables below its sections are validated one by one."""

    version: Annotated[Literal[1], BeforeValidator(_parse_version)]
    repositories: Annotated[dict[str, Any], Field(min_length=1)]
    stores: dict[str, Any] = Field(default_factory=dict)
    jobs: dict[str, Any] = Field(default_factory=dict)
    proxy: ProxyTable | None = None
    notify: dict[str, Any] = Field(default_factory=dict)
