"""``[repositories.NAME.appliance]``: the functions beside the storage that run its sessions."""

import re
from enum import StrEnum
from typing import Annotated

from core.errors import InputError
from proxy.fields import Name, Table, one_of, parsed
from proxy.store_table import parse_region

# What CloudFormation takes for the name of a stack, but shorter: the functions are called after it,
# the longest "NAME-publish", and Lambda takes 64 characters.
_STACK = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,55}", re.ASCII)


class ApplianceKind(StrEnum):
    """The kinds that this release can talk to."""

    AWS = "aws"


def _parse_stack(text: str) -> str:
    if not _STACK.fullmatch(text):
        raise InputError(
            "it cannot be the name of a stack",
            hint="write the one that it was deployed as: a letter, then letters, digits and '-', "
            "56 characters at most",
        )
    return text


class ApplianceTable(Table):
    """Where an appliance is deployed, and as whom it is reached.

    ``store`` says under whose credentials and at which endpoint, as for objects; without it the
    credentials are those of the repository's own store, at Amazon's own endpoints.
    """

    kind: Annotated[str, one_of(*ApplianceKind)]
    stack: Annotated[str, parsed(_parse_stack)]
    region: Annotated[str, parsed(parse_region)]
    store: Name | None = None
    allow_other_region: bool = False
