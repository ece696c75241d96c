"""What functions asked of Blob Storage and Key Vault, and which roles of Bicep allow it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.emulators.fault_proxy import Call
from tests.infra.azure import FUNCTIONS
from tests.infra.azure_grants import ACTIONS, READ_SECRET, UNWRAP, Grant, grants
from tests.infra.bicep import deploy
from tests.infra.conditions import Access

_OF_VAULT = {"secrets/get": READ_SECRET, "keys/unwrapKey": UNWRAP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: where, and the data actions of which it needs any one."""

    place: str
    accesses: tuple[Access, ...]


def asked_of_storage(calls: Iterable[Call]) -> list[Asked]:
    """Return what requests need; the first part of their paths is the account."""
    return [_of_storage(call) for call in calls]


def _of_storage(call: Call) -> Asked:
    _, container, name = f"{unquote(call.path).lstrip('/')}/".split("/", 2)
    name = name.removesuffix("/")
    is_list = call.operation == "ListBlobs"
    where = {"prefix": call.query.get("prefix", "")} if is_list else {"path": name}
    accesses = tuple(Access(action=action, **where) for action in ACTIONS[call.operation])
    return Asked(place=f"/containers/{container}", accesses=accesses)


def asked_of_vault(operations: Iterable[str], url: str) -> list[Asked]:
    """Return what requests for a key or secret need."""
    kind, name = url.split("/")[3:5]
    place = f"/{kind}/{name}".lower()
    return [
        Asked(place=place, accesses=(Access(action=_OF_VAULT[operation]),))
        for operation in operations
    ]


def granted(parameters: Mapping[str, Any]) -> list[Grant]:
    """Return what such a deployment grants to its functions, but for the app's own account."""
    deployed = deploy(dict(parameters))
    (account,) = deployed.of("Microsoft.Storage/storageAccounts")
    own = {account.id, *(each.id for each in deployed.of("Microsoft.Insights/components"))}
    return [each for each in grants(deployed, FUNCTIONS) if each.scope not in own]


def allowing(grant: Grant, asked: Asked) -> list[str]:
    """Return by which actions a grant allows a request."""
    if not grant.scope.endswith(asked.place):
        return []
    return [access.action for access in asked.accesses if grant.allows(access)]
