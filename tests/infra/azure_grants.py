"""What the Bicep files grant in Azure, and which data action each request needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.bicep import Deployment, Resource
from tests.infra.conditions import BLOBS, Access, is_met

READ, WRITE, ADD = f"{BLOBS}/read", f"{BLOBS}/write", f"{BLOBS}/add/action"
DELETE, DELETE_VERSION = f"{BLOBS}/delete", f"{BLOBS}/deleteBlobVersion/action"
READ_TAGS = f"{BLOBS}/tags/read"
READ_SECRET = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
UNWRAP = "Microsoft.KeyVault/vaults/keys/unwrap/action"

# The requests of core/stores/azure*.py, with what Microsoft's table of permissions says of each.
# A blob that is not there yet is written by either of two.
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "GetBlob": (READ,),
    "GetBlobProperties": (READ,),
    "GetBlobTags": (READ_TAGS,),
    "GetBlockList": (READ,),
    "ListBlobs": (READ,),
    "PutBlob": (WRITE, ADD),
    "PutBlock": (WRITE,),
    "PutBlockList": (WRITE,),
    "DeleteBlob": (DELETE,),
}
# Azure's own roles by their ids, each looked up in public templates: name and data actions, of
# those that concern us.
BUILT_IN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": ("Storage Blob Data Reader", (READ,)),
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": ("Storage Blob Data Owner", (f"{BLOBS}/*",)),
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": ("Storage Queue Data Contributor", ()),
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": ("Storage Table Data Contributor", ()),
    "3913510d-42f4-4e42-8a64-420c390055eb": ("Monitoring Metrics Publisher", ()),
    "4633458b-17de-408a-b874-0445c86b69e6": ("Key Vault Secrets User", (READ_SECRET,)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one identity may do at one place, under a condition."""

    principal: str
    role: str
    scope: str
    actions: tuple[str, ...]
    condition: str | None

    def allows(self, access: Access) -> bool:
        """Say whether it allows a use of a data action."""
        return access.action in self.actions and is_met(self.condition, access)


def grants(deployment: Deployment, principal: str) -> list[Grant]:
    """Return what a deployment grants to an identity."""
    defined = {each.name: each for each in deployment.of("Microsoft.Authorization/roleDefinitions")}
    assigned = deployment.of("Microsoft.Authorization/roleAssignments")
    return [
        _grant(each, defined) for each in assigned if each.properties["principalId"] == principal
    ]


def _grant(assignment: Resource, defined: Mapping[str, Resource]) -> Grant:
    properties = assignment.properties
    role = str(properties["roleDefinitionId"]).rpartition("/")[2]
    if role in defined:
        definition = defined[role].properties
        name, actions = definition["roleName"], data_actions(definition)
    else:
        name, actions = BUILT_IN[role]
    condition = properties.get("condition")
    assert (condition is None) == (properties.get("conditionVersion") is None)
    assert condition is None or properties["conditionVersion"] == "2.0"
    return Grant(
        principal=properties["principalId"],
        role=name,
        scope=assignment.scope,
        actions=actions,
        condition=condition,
    )


def data_actions(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the data actions of a role of our own; it has nothing else."""
    (permission,) = definition["permissions"]
    assert {name for name, given in permission.items() if given} == {"dataActions"}
    return tuple(permission["dataActions"])
