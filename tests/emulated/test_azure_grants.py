"""What a session asks of Azure's storage is what the Bicep files grant, no less and no more."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from core.engine.probe import try_store
from core.stores.address import parse_address
from core.stores.opening import open_store
from tests.emulated.pair import Pair
from tests.emulated.test_sessions import change_tree, make_tree
from tests.emulators.fault_proxy import Call
from tests.emulators.services import AzureService
from tests.infra.azure import EVERYTHING, FUNCTIONS, PROXY
from tests.infra.azure_grants import ACTIONS, ADD, DELETE, READ, WRITE, Grant, grants
from tests.infra.bicep import deploy
from tests.infra.conditions import Access


def test_a_session_asks_for_what_is_granted_and_for_all_of_it(
    azurite: AzureService, tmp_path: Path
) -> None:
    pair = Pair(tmp_path, azurite, azurite, storage_class="Archive")
    make_tree(pair.tree)
    for words in (
        ("repository", "create", "primary"),
        ("repository", "create", "vault"),
        ("job", "create", "nightly"),
        ("backup", str(pair.tree), "--to", "primary"),
    ):
        pair.done(*words)
    with azurite.fault_proxy() as source, azurite.fault_proxy() as target:
        pair.source, pair.target = (azurite.behind(each.endpoint) for each in (source, target))
        pair.declare()
        assert pair.json("job", "run", "nightly")["session"]["status"] == "Success"
        change_tree(pair.tree)
        pair.done("backup", str(pair.tree), "--to", "primary")
        source.calls.clear()
        assert pair.json("job", "run", "nightly")["session"]["status"] == "Success"
        asked = {"source": list(source.calls), "target": list(target.calls)}
        target.calls.clear()
        try_store(open_store(pair.target_url, pair.target.settings))
        tried = list(target.calls)
    used = {
        (each.scope.rpartition("/")[2], action)
        for which, calls in asked.items()
        for call in calls
        for each, action in allowed(call, granted(pair, which))
    }
    # What appliance check tries is granted as well.
    assert {call.operation for call in tried} >= {"PutBlob", "PutBlock", "DeleteBlob"}
    assert all(allowed(call, granted(pair, "target")) for call in tried)
    names = {which: parse_address(url).container for which, url in urls(pair).items()}
    assert used == {
        (names["source"], READ),
        *((names["target"], action) for action in (READ, WRITE, ADD, DELETE)),
    }


def urls(pair: Pair) -> dict[str, str]:
    return {"source": pair.source_url, "target": pair.target_url}


def granted(pair: Pair, which: str) -> list[Grant]:
    """Return what functions may do with one end; proxies may do the same."""
    parameters: dict[str, Any] = dict(EVERYTHING)
    for end, url in urls(pair).items():
        address = parse_address(url)
        parameters |= {f"{end}Container": address.container, f"{end}Prefix": address.prefix}
    deployed = deploy(parameters)
    place = f"containers/{parameters[f'{which}Container']}"
    found = {
        principal: [each for each in grants(deployed, principal) if each.scope.endswith(place)]
        for principal in (FUNCTIONS, PROXY)
    }
    for one, other in zip(found[FUNCTIONS], found[PROXY], strict=True):
        assert (one.actions, one.condition) == (other.actions, other.condition)
    return found[FUNCTIONS]


def allowed(call: Call, grants_: list[Grant]) -> list[tuple[Grant, str]]:
    """Return by what a request is allowed; there has to be something."""
    _, _, path = unquote(call.path).lstrip("/").partition("/")
    blob = path.partition("/")[2]
    prefix = call.query.get("prefix", "") if call.operation == "ListBlobs" else None
    actions = ACTIONS[call.operation]
    accesses = [Access(action=each, path=blob or None, prefix=prefix) for each in actions]
    found = [(grant, a.action) for grant in grants_ for a in accesses if grant.allows(a)]
    assert found, f"nothing grants {call.operation} on {path}"
    return found
