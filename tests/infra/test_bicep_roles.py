"""What the Bicep files grant in Azure: to functions, proxies and whoever prunes, and no more."""

import re

import pytest

from tests.infra.azure import EVERYTHING, FUNCTIONS, PROXY, PRUNER, SERVED
from tests.infra.azure_grants import (
    ACTIONS,
    ADD,
    DELETE,
    DELETE_VERSION,
    READ,
    READ_SECRET,
    READ_TAGS,
    UNWRAP,
    WRITE,
    Grant,
    data_actions,
    grants,
)
from tests.infra.bicep import deploy
from tests.infra.bicep_syntax import FOLDER, read_texts
from tests.infra.conditions import Access, is_met

CONTAINER = "Microsoft.Storage/storageAccounts/{0}/blobServices/default/containers/{1}"
SOURCE = CONTAINER.format("backups", "example-backups")
TARGET = CONTAINER.format("copies", "example-copies")
ROOTS = {**EVERYTHING, "sourcePrefix": "", "targetPrefix": ""}
BUCKET = {**EVERYTHING, "sourceKind": "bucket", "sourceSecret": ""}


def at(place: str, principal: str, parameters: dict[str, object]) -> list[Grant]:
    found = grants(deploy(parameters), principal)
    return [each for each in found if each.scope.endswith(place)]


def allows(place: str, principal: str, parameters: dict[str, object], access: Access) -> bool:
    return any(each.allows(access) for each in at(place, principal, parameters))


@pytest.mark.parametrize("principal", [FUNCTIONS, PROXY])
def test_the_source_is_read_and_nothing_else(principal: str) -> None:
    """I7, kept by Azure as well."""
    for parameters in (EVERYTHING, ROOTS):
        (grant,) = at(SOURCE, principal, parameters)
        assert (grant.role, grant.actions) == ("Storage Blob Data Reader", (READ,))
    blob, other = "primary/blobs/aa/1", "primary-of-others/blobs/aa/1"
    for path, expected in ((blob, True), (other, False), ("FORMAT.md", False)):
        assert allows(SOURCE, principal, EVERYTHING, Access(action=READ, path=path)) is expected
    for prefix, expected in (("primary/index/", True), ("primary", False), ("", False)):
        access = Access(action=READ, prefix=prefix)
        assert allows(SOURCE, principal, EVERYTHING, access) is expected
        assert allows(SOURCE, principal, ROOTS, access)


def test_tags_are_read_where_objects_of_other_tools_may_have_them() -> None:
    assert not allows(SOURCE, FUNCTIONS, EVERYTHING, Access(action=READ_TAGS, path="primary/a"))
    for principal in (FUNCTIONS, PROXY):
        assert allows(SOURCE, principal, BUCKET, Access(action=READ_TAGS, path="primary/a"))
        assert not allows(SOURCE, principal, BUCKET, Access(action=READ_TAGS, path="secondary/a"))
    root = {**BUCKET, "sourcePrefix": ""}
    assert allows(SOURCE, FUNCTIONS, root, Access(action=READ_TAGS, path="a"))


@pytest.mark.parametrize("principal", [FUNCTIONS, PROXY])
@pytest.mark.parametrize(("parameters", "within"), [(EVERYTHING, "vault/"), (ROOTS, "")])
def test_the_target_is_read_and_added_to_and_working_objects_deleted(
    principal: str, parameters: dict[str, object], within: str
) -> None:
    for request in ("GetBlob", "GetBlobProperties", "PutBlob", "PutBlock", "PutBlockList"):
        for action in ACTIONS[request]:
            access = Access(action=action, path=f"{within}packs/s/p")
            assert allows(TARGET, principal, parameters, access), (request, action)
    (listing,) = ACTIONS["ListBlobs"]
    assert allows(TARGET, principal, parameters, Access(action=listing, prefix=f"{within}packs/"))
    (deleting,) = ACTIONS["DeleteBlob"]
    for name in ("sessions/open/0", "sessions/0/plan.json"):
        assert allows(TARGET, principal, parameters, Access(action=deleting, path=within + name))


@pytest.mark.parametrize("principal", [FUNCTIONS, PROXY])
@pytest.mark.parametrize(("parameters", "within"), [(EVERYTHING, "vault/"), (ROOTS, "")])
def test_nothing_but_working_objects_is_deleted(
    principal: str, parameters: dict[str, object], within: str
) -> None:
    """I6, kept by Azure as well: versions are nobody's but of who prunes."""
    for name in ("packs/s/p", "restore-points/a/b.json", "keys/1.json", "sessions", "sessions-"):
        path = within + name
        assert not allows(TARGET, principal, parameters, Access(action=DELETE, path=path))
    version = Access(action=DELETE_VERSION, path=f"{within}sessions/open/0")
    assert not allows(TARGET, principal, parameters, version)


@pytest.mark.parametrize("principal", [FUNCTIONS, PROXY, PRUNER])
@pytest.mark.parametrize("action", [READ, WRITE, ADD, DELETE, DELETE_VERSION])
def test_nothing_is_done_beside_the_prefix(principal: str, action: str) -> None:
    for path in ("vault", "vault-2/sessions/open/0", "other/sessions/open/0", "sessions/open/0"):
        assert not allows(TARGET, principal, EVERYTHING, Access(action=action, path=path))
    assert not allows(TARGET, principal, EVERYTHING, Access(action=READ, prefix=""))


def test_who_prunes_deletes_and_neither_functions_nor_proxies_do() -> None:
    for action in (READ, WRITE, ADD, DELETE, DELETE_VERSION):
        access = Access(action=action, path="vault/packs/s/p")
        assert allows(TARGET, PRUNER, EVERYTHING, access)
        assert allows(TARGET, PRUNER, ROOTS, Access(action=action, path="packs/s/p"))
    assert allows(TARGET, PRUNER, EVERYTHING, Access(action=READ, prefix="vault/packs/"))
    assert {each.role for each in grants(deploy(EVERYTHING), PRUNER)} == {
        "Coldhaul coldhaul-vault: prune"
    }
    others = {each.role for one in (FUNCTIONS, PROXY) for each in grants(deploy(EVERYTHING), one)}
    assert "Coldhaul coldhaul-vault: prune" not in others


def test_keys_and_secrets_are_opened_one_by_one() -> None:
    vault = "resourceGroups/keys/providers/Microsoft.KeyVault/vaults/example-vault"
    for principal in (FUNCTIONS, PROXY):
        found = {
            each.scope.partition(f"{vault}/")[2]: each.actions
            for each in grants(deploy(EVERYTHING), principal)
            if vault in each.scope
        }
        assert found == {"keys/vault": (UNWRAP,), "secrets/primary": (READ_SECRET,)}


def test_one_secret_of_both_ends_is_granted_once_and_no_vault_is_touched_without() -> None:
    secret = "https://example-vault.vault.azure.net/secrets/both"
    both = {**SERVED, "targetSecret": secret, "sourceSecret": f"{secret}/{'0' * 32}"}
    found = [each for each in grants(deploy(both), FUNCTIONS) if "KeyVault" in each.scope]
    assert [each.role for each in found] == ["Key Vault Secrets User"]
    assert not any("KeyVault" in each.scope for each in grants(deploy(SERVED), FUNCTIONS))


def test_two_keys_of_one_vault_have_a_role_each() -> None:
    key = "https://example-vault.vault.azure.net/keys"
    deployed = deploy({**SERVED, "targetVaultKey": f"{key}/a", "sourceVaultKey": f"{key}/b"})
    found = [each for each in grants(deployed, FUNCTIONS) if each.actions == (UNWRAP,)]
    assert len({each.scope for each in found}) == len({each.role for each in found}) == 2


def test_the_hosts_own_roles_are_on_the_apps_own_account() -> None:
    deployed = deploy(EVERYTHING)
    (account,) = deployed.of("Microsoft.Storage/storageAccounts")
    (insights,) = deployed.of("Microsoft.Insights/components")
    found = {(each.role, each.scope) for each in grants(deployed, FUNCTIONS)}
    assert {role for role, scope in found if scope == account.id} == {
        "Storage Blob Data Owner",
        "Storage Queue Data Contributor",
        "Storage Table Data Contributor",
    }
    assert ("Monitoring Metrics Publisher", insights.id) in found
    assert len(found) == 8, "these, and one each for source, target, key and secret"
    assert not any(each.scope == account.id for each in grants(deployed, PROXY))


def test_every_role_is_bound_to_one_resource() -> None:
    """Never to a resource group, a subscription, or an account that others use."""
    for each in deploy(EVERYTHING).of("Microsoft.Authorization/roleAssignments"):
        assert "/providers/" in each.scope
        assert not each.scope.endswith(("storageAccounts/backups", "storageAccounts/copies"))


def test_a_new_identity_is_said_to_be_one() -> None:
    """Entra ID may not know it yet where the role is assigned."""
    for each in deploy(EVERYTHING).of("Microsoft.Authorization/roleAssignments"):
        is_functions = each.properties["principalId"] == FUNCTIONS
        expected = "ServicePrincipal" if is_functions else None
        assert each.properties.get("principalType") == expected


def test_roles_of_our_own_say_what_they_may_and_have_names_of_their_own() -> None:
    found = deploy({**BUCKET}).of("Microsoft.Authorization/roleDefinitions")
    names = [each.properties["roleName"] for each in found]
    assert len(set(names)) == len(names) == 4
    for each in found:
        assert all("*" not in action for action in data_actions(each.properties))
        assert len(each.properties["roleName"]) <= 128
        group = each.id.partition("/providers/")[0]
        assert each.properties["assignableScopes"] == [group]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("target.bicep", "${within}sessions/\\'", "${within}\\'"),
        ("target.bicep", "'${staysWithin} AND ${deletesWorkingObjects}'", "staysWithin"),
        ("target.bicep", "? deletesWorkingObjects : ", "? null : "),
        ("target.bicep", "'${prefix}/'", "prefix"),
        ("source.bicep", "'${readsWithin} AND ${listsWithin}'", "listsWithin"),
        ("source.bicep", "'${readsWithin} AND ${listsWithin}'", "readsWithin"),
    ],
)  # fmt: skip
def test_a_condition_that_lets_more_through_is_found(path: str, old: str, new: str) -> None:
    texts = read_texts()
    module = f"modules/{path}"
    assert texts[module].count(old) == 1
    texts[module] = texts[module].replace(old, new)
    paths = ("vault/packs/a", "vault-2/a", "primary-2/a", "keys/1.json", "sessions/a", "packs/a")
    asked = [Access(action=action, path=each) for action in (READ, WRITE, DELETE) for each in paths]
    asked += [Access(action=READ, prefix=each) for each in ("", "vault-2/", "primary-2/")]

    def allowed(parameters: dict[str, object], texts: dict[str, str] | None) -> list[bool]:
        deployed = deploy(parameters, texts)
        try:
            found = grants(deployed, FUNCTIONS)
        except AssertionError:
            return []
        return [each.allows(access) for each in found for access in asked]

    assert any(allowed(each, texts) != allowed(each, None) for each in (EVERYTHING, ROOTS))


def test_conditions_are_read_whole() -> None:
    access = Access(action=READ, path="a/b")
    assert is_met("!(ActionMatches{'x'})", access)
    assert is_met(
        f"((ActionMatches{{'{READ}'}} AND NOT SubOperationMatches{{'Blob.List'}}))", access
    )
    for wrong in (
        "",
        "(",
        "(ActionMatches{'x'}",
        "ActionMatches{'x'} ActionMatches{'x'}",
        "@Resource",
    ):
        with pytest.raises(ValueError, match=r"\w"):
            is_met(wrong, access)


def test_each_role_is_explained() -> None:
    text = (FOLDER / "README.md").read_text()
    names = {
        re.sub(r".*: ", "", each.role) if each.role.startswith("Coldhaul") else each.role
        for one in (FUNCTIONS, PROXY, PRUNER)
        for parameters in (EVERYTHING, BUCKET)
        for each in grants(deploy(parameters), one)
    }
    told = {name for name in names if f"`{name.partition(' by ')[0]}`" in text}
    assert names - told == set()
    actions = {action for needed in ACTIONS.values() for action in needed} | {UNWRAP}
    short = {action.rpartition("containers/")[2].rpartition("vaults/")[2] for action in actions}
    assert {each for each in short if f"`{each}`" not in text} == set()
