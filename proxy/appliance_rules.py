"""What a repository and its appliance say together (rule R4), all problems at once."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from core.plan.placement import KIND_OF_VENDOR
from proxy.appliance_table import ApplianceTable
from proxy.problems import problem
from proxy.store_rules import Values, vendor_of
from proxy.store_table import AZURE_KEYS
from proxy.suggestion import suggest


def check_appliances(
    repositories: Mapping[str, Values],
    stores: Mapping[str, Values],
    written: Mapping[str, Collection[str]],
) -> Iterator[str]:
    """Find appliances that do not fit their repositories.

    ``written`` are the keys of each store as they stand in the file.
    """
    for name, repository in repositories.items():
        appliance = repository.get("appliance")
        if not isinstance(appliance, ApplianceTable):
            continue
        if "url" in repository:
            yield from _check_kind(name, repository, appliance, stores)
        if appliance.store is not None:
            yield from _check_store(name, appliance.store, written)


def _check_kind(
    name: str, repository: Values, appliance: ApplianceTable, stores: Mapping[str, Values]
) -> Iterator[str]:
    vendor = vendor_of(repository, stores)
    fitting = KIND_OF_VENDOR.get(vendor)
    if fitting == appliance.kind:
        return
    location: tuple[Any, ...] = ("repositories", name, "appliance", "kind")
    what = f"an appliance of this kind does not work beside {vendor}"
    hint = f"remove the appliance; only {' and '.join(KIND_OF_VENDOR)} can have one"
    yield problem(location, appliance.kind, what, hint)


def _check_store(name: str, store: str, written: Mapping[str, Collection[str]]) -> Iterator[str]:
    location = ("repositories", name, "appliance", "store")
    if store not in written:
        yield problem(location, store, "no such store is declared", suggest(store, written))
    elif set(AZURE_KEYS) & set(written[store]):
        what = "it is an account at Azure"
        yield problem(location, store, what, "name the store of the account that has the stack")
