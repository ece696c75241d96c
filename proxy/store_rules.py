"""What the keys of a repository and of its store say together, all problems at once.

The functions take the valid values of each table, whatever else is wrong with it; ``written`` are
the keys of each store as they stand in the file, right or wrong.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from core.errors import InputError
from core.stores.address import AMAZON_S3, AZURE_BLOB, FILESYSTEM, S3_COMPATIBLE, derive_vendor
from core.stores.classes import Use, find_storage_class, parse_storage_class
from proxy.location import Place
from proxy.problems import key_path, problem
from proxy.store_table import AZURE_KEYS, S3_KEYS
from proxy.suggestion import suggest

Values = Mapping[str, Any]

_AZURE_ENDPOINT = 'endpoint = "https://ACCOUNT.blob.core.windows.net"'


def place_of(repository: Values, stores: Mapping[str, Values]) -> Place:
    """Return where a repository with a valid URL is."""
    endpoint = stores.get(repository.get("store", ""), {}).get("endpoint", "")
    return Place(url=repository["url"], endpoint=endpoint)


def vendor_of(repository: Values, stores: Mapping[str, Values]) -> str:
    """Return whose storage a repository with a valid URL is in: as said, else as derived."""
    place = place_of(repository, stores)
    derived = derive_vendor(place.url, place.endpoint)
    said = stores.get(repository.get("store", ""), {}).get("vendor", "")
    return said if said and _family(said) == _family(derived) else derived


def check_stores(
    repositories: Mapping[str, Values],
    stores: Mapping[str, Values],
    written: Mapping[str, Collection[str]],
) -> Iterator[str]:
    """Find stores that do not fit the repositories in them, or themselves."""
    for name, store in stores.items():
        yield from _check_identity(name, store)
    seen: set[tuple[str, str]] = set()
    for name, repository in repositories.items():
        if "url" not in repository:
            continue
        yield from _check_store_name(name, repository, written)
        yield from _check_classes(name, repository, stores)
        store_name = repository.get("store", "")
        if store_name in stores and vendor_of(repository, stores) != FILESYSTEM:
            pairs = _check_keys(name, repository, stores[store_name], written[store_name])
            for key, line in pairs:
                # Every repository in the store would say the same.
                if (store_name, key) not in seen:
                    seen.add((store_name, key))
                    yield line


def _check_identity(name: str, store: Values) -> Iterator[str]:
    if "account_key" in store and "managed_identity" in store:
        location = ("stores", name, "managed_identity")
        hint = "keep one of the two; an identity is better than a key that is stored somewhere"
        yield problem(location, store["managed_identity"], "there is an account_key as well", hint)


def _check_store_name(
    name: str, repository: Values, written: Mapping[str, Collection[str]]
) -> Iterator[str]:
    location, url = ("repositories", name, "store"), repository["url"]
    store = repository.get("store")
    if store is not None and store not in written:
        hint = suggest(store, written)
        yield problem(location, store, "no such store is declared", hint)
    elif store is not None and url.startswith("file:"):
        yield problem(location, store, "a folder is in no store", "remove it")
    elif store is None and url.startswith("az:"):
        what = "nothing says which account this container is in"
        hint = f'declare [stores.NAME] with {_AZURE_ENDPOINT}, and write store = "NAME" here'
        yield problem(("repositories", name, "url"), url, what, hint)


def _check_classes(name: str, repository: Values, stores: Mapping[str, Values]) -> Iterator[str]:
    vendor = vendor_of(repository, stores)
    for use in (Use.PACKS, Use.METADATA):
        text = repository.get(use.value, "")
        location = ("repositories", name, use.value)
        if text and vendor == FILESYSTEM:
            yield problem(location, text, "a folder has no classes", "remove it")
            continue
        try:
            parse_storage_class(text, vendor, use)
        except InputError as error:
            yield problem(location, text, error.message, _continued(error.hint))


def _continued(sentence: str) -> str:
    """Write a sentence as the end of another one."""
    text = sentence.removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def copies_only_class(repository: Values, stores: Mapping[str, Values]) -> str:
    """Return a repository's class if it is one for copies alone (R6), else an empty text."""
    text = repository.get("storage_class", "")
    if not text or "url" not in repository:
        return ""
    found = find_storage_class(text, vendor_of(repository, stores))
    return found.name if found is not None and found.is_archive else ""


def _check_keys(
    name: str, repository: Values, store: Values, written: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield each key of a store that does not fit a repository in it, and the line about it."""
    store_name, url = repository["store"], repository["url"]
    is_azure = url.startswith("az:")
    whose = f"the storage of repository {name!r}, {url}"
    if is_azure and "endpoint" not in written:
        where = key_path(("stores", store_name, "endpoint"))
        hint = f"say which account it is, as in {_AZURE_ENDPOINT}"
        yield "endpoint", f"{where}: it is missing, and {whose}, needs one; {hint}"
    for key in sorted(set(S3_KEYS if is_azure else AZURE_KEYS) & set(written)):
        what = f"it means nothing to {whose}"
        hint = "remove it, or give that repository a store of its own"
        yield key, problem(("stores", store_name, key), store.get(key, ""), what, hint)
    said = store.get("vendor", "")
    if said and (said == AZURE_BLOB) is not is_azure:
        fitting = f"'{AZURE_BLOB}'" if is_azure else f"'{AMAZON_S3}' or '{S3_COMPATIBLE}'"
        what = f"it is not the vendor of {whose}"
        hint = f"write {fitting}, or remove it"
        yield "vendor", problem(("stores", store_name, "vendor"), said, what, hint)
    yield from _check_transport(store_name, store, written, is_azure=is_azure)


def _check_transport(
    name: str, store: Values, written: Collection[str], *, is_azure: bool
) -> Iterator[tuple[str, str]]:
    endpoint = store.get("endpoint", "")
    if is_azure and endpoint.startswith("http:") and "account_key" not in written:
        what = "over plain http no token of an identity is ever sent, whoever could read it"
        hint = "write https://, or sign in with an account_key"
        yield "endpoint", problem(("stores", name, "endpoint"), endpoint, what, hint)


def _family(vendor: str) -> str:
    return "s3" if vendor in {AMAZON_S3, S3_COMPATIBLE} else vendor
