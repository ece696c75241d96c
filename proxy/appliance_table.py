"""``[repositories.NAME.appliance]``: the functions beside the storage that run its sessions."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from core.errors import InputError
from proxy.endpoint import is_readable_by_others, parse_endpoint
from proxy.fields import Name, Table, named_texts, one_of, parsed
from proxy.store_table import parse_region

# What CloudFormation takes for the name of a stack, but shorter: the functions are called after it,
# the longest "NAME-publish", and Lambda takes 64 characters.
_STACK = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,55}", re.ASCII)
# What a template of either vendor takes for the name of a parameter.
PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9]{0,254}", re.ASCII)
_RESOURCE_GROUP = re.compile(r"[\w.()-]{0,89}[\w()-]", re.ASCII)
# An id of an application: a URI that names it, or its client id alone.
_AUDIENCE = re.compile(
    r"(?:api|https)://[A-Za-z0-9][\w.~:/-]{0,250}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    re.ASCII,
)


class ApplianceKind(StrEnum):
    """The kinds that this release can talk to."""

    AWS = "aws"
    AZURE = "azure"


# What each kind has to be told, with what to write, and what it may be told beside ``store``.
NEEDED_KEYS: Mapping[str, Mapping[str, str]] = {
    ApplianceKind.AWS: {
        "stack": 'name the stack that was deployed, as in stack = "coldhaul-vault"',
        "region": 'say where the stack is, as in region = "eu-central-1"',
    },
    ApplianceKind.AZURE: {
        "url": 'say where the function app is, as in url = "https://APP.azurewebsites.net"',
        "audience": "name the application that its sign-in is for, as in "
        'audience = "api://CLIENT_ID"',
    },
}
FURTHER_KEYS: Mapping[str, tuple[str, ...]] = {
    ApplianceKind.AWS: ("allow_other_region",),
    ApplianceKind.AZURE: ("resource_group",),
}


def _parse_stack(text: str) -> str:
    if not _STACK.fullmatch(text):
        raise InputError(
            "it cannot be the name of a stack",
            hint="write the one that it was deployed as: a letter, then letters, digits and '-', "
            "56 characters at most",
        )
    return text


def _parse_app(text: str) -> str:
    hint = "write it as in 'https://APP.azurewebsites.net'"
    url = parse_endpoint(text)
    if url.count("/") > 2:
        raise InputError("the URL of a function app has no path", hint=hint)
    if is_readable_by_others(url):
        raise InputError(
            "over plain http whoever is on the way could read the token that is sent", hint=hint
        )
    return url


def _parse_audience(text: str) -> str:
    if not _AUDIENCE.fullmatch(text) or text.endswith("/.default"):
        raise InputError(
            "it cannot be the id of an application in Entra ID",
            hint="write the URI that its registration has under 'Expose an API', as in "
            "'api://CLIENT_ID'",
        )
    return text


def _parse_resource_group(text: str) -> str:
    if not _RESOURCE_GROUP.fullmatch(text):
        raise InputError(
            "it cannot be the name of a resource group",
            hint="write letters, digits, '_', '-', '.' and parentheses, 90 characters at most",
        )
    return text


class ApplianceTable(Table):
    """Where an appliance is deployed, and as whom it is reached.

    ``stack``, ``region`` and ``allow_other_region`` are those of kind ``aws``; ``url``,
    ``audience`` and ``resource_group``, which only deploying needs, those of ``azure``: see
    ``appliance_rules``. ``store`` says under whose credentials it is reached, and at AWS at which
    endpoint, as for objects; without it the credentials are those of the repository's own store.
    ``parameters`` are further ones of the template, for every time that it is deployed.
    """

    kind: Annotated[str, one_of(*ApplianceKind)]
    stack: Annotated[str, parsed(_parse_stack)] = ""
    region: Annotated[str, parsed(parse_region)] = ""
    url: Annotated[str, parsed(_parse_app)] = ""
    audience: Annotated[str, parsed(_parse_audience)] = ""
    resource_group: Annotated[str, parsed(_parse_resource_group)] = ""
    store: Name | None = None
    parameters: Annotated[
        dict[str, str],
        named_texts(
            PARAMETER.fullmatch, "write names of the template's parameters: letters, digits"
        ),
    ] = Field(default_factory=dict)
    allow_other_region: bool = False
