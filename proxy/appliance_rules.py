"""What the keys of an appliance say together, and with its repository (rule R4), all at once."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from core.plan.placement import KIND_OF_VENDOR
from proxy.appliance_table import FURTHER_KEYS, NEEDED_KEYS, ApplianceKind, ApplianceTable
from proxy.problems import key_path, problem
from proxy.store_rules import Values, vendor_of
from proxy.store_table import AZURE_KEYS, S3_KEYS
from proxy.suggestion import enumerate_names, suggest

# What opens storage at one vendor is nobody at the other, and an account's key is no identity.
_FOREIGN_KEYS: Mapping[str, Collection[str]] = {
    ApplianceKind.AWS: AZURE_KEYS,
    ApplianceKind.AZURE: (*S3_KEYS, "account_key"),
}
_FOREIGN_STORE = {
    ApplianceKind.AWS: ("it is an account at Azure", "name the store of the account that has it"),
    ApplianceKind.AZURE: (
        "an app is asked by an identity in Entra ID, and this store names other credentials",
        "name a store without account_key and without Amazon's keys",
    ),
}


def check_keys(repository: str, table: object) -> Iterator[str]:
    """Find keys that an appliance of its kind lacks, or that mean nothing to it.

    ``table`` is as it was written, so that a key whose value is wrong counts as there.
    """
    kind = table.get("kind") if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(kind, str) or kind not in NEEDED_KEYS:
        return
    location = ("repositories", repository, "appliance")
    needed = NEEDED_KEYS[kind]
    for key in needed.keys() - table.keys():
        yield f"{key_path((*location, key))}: it is missing; {needed[key]}"
    known = ("kind", *needed, *FURTHER_KEYS[kind], "store", "parameters")
    for other, keys in NEEDED_KEYS.items():
        foreign = () if other == kind else (*keys, *FURTHER_KEYS[other])
        for key in sorted({*foreign} & table.keys()):
            what = f"it means nothing to an appliance of kind {kind}"
            hint = f"remove it; such an appliance has {enumerate_names(known)}"
            yield problem((*location, key), table[key], what, hint)


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
            yield from _check_vendor(name, repository, appliance, stores)
        if appliance.store is not None:
            yield from _check_store(name, appliance, appliance.store, written)


def _check_vendor(
    name: str, repository: Values, appliance: ApplianceTable, stores: Mapping[str, Values]
) -> Iterator[str]:
    vendor = vendor_of(repository, stores)
    fitting = KIND_OF_VENDOR.get(vendor)
    if fitting == appliance.kind:
        return
    location: tuple[Any, ...] = ("repositories", name, "appliance", "kind")
    what = f"an appliance of this kind does not work beside {vendor}"
    hint = f"remove the appliance; only {' and '.join(KIND_OF_VENDOR)} can have one"
    if fitting is not None:
        hint = f'remove the appliance, or declare one with kind = "{fitting}"'
    yield problem(location, appliance.kind, what, hint)


def _check_store(
    name: str, appliance: ApplianceTable, store: str, written: Mapping[str, Collection[str]]
) -> Iterator[str]:
    location = ("repositories", name, "appliance", "store")
    kind = ApplianceKind(appliance.kind)
    if store not in written:
        yield problem(location, store, "no such store is declared", suggest(store, written))
    elif set(_FOREIGN_KEYS[kind]) & set(written[store]):
        yield problem(location, store, *_FOREIGN_STORE[kind])
