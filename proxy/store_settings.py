"""From what the configuration says of a repository and its store to the settings of the store."""

from dataclasses import replace
from functools import partial

from core.errors import InputError
from core.stores.address import derive_vendor
from core.stores.settings import StoreSettings
from proxy.bandwidth import Bandwidth
from proxy.config import Config
from proxy.location import Place
from proxy.secret import read_secret
from proxy.store_table import StoreTable
from proxy.tables import RepositoryTable


def place_of(config: Config, table: RepositoryTable) -> Place:
    """Return where a repository is."""
    return Place(url=table.url, endpoint=_store(config, table).endpoint)


def store_settings(config: Config, table: RepositoryTable) -> StoreSettings:
    """Return how a repository's store is reached; raise ``InputError`` if a file is missing.

    Secrets are fetched by whoever uses them, when they are needed.
    """
    settings = _settings(table.url, _store(config, table), f"stores.{table.store}")
    return replace(settings, storage_class=table.storage_class, metadata_class=table.metadata_class)


def cloud_settings(config: Config, table: RepositoryTable, vendor: str) -> StoreSettings:
    """Return as whom a vendor is asked for a repository's keys and secrets, and by which way.

    Like its store if that is the vendor's too; other storage has credentials that mean nothing
    there.
    """
    settings = store_settings(config, table)
    return settings if settings.vendor == vendor else StoreSettings()


def destination_settings(config: Config, url: str, name: str | None) -> StoreSettings:
    """Return how a place that is no repository is reached, by the store ``name`` if there is one.

    An unknown name is an ``InputError``.
    """
    if name is not None and name not in config.stores:
        raise InputError(
            f"the configuration has no [stores.{name}]",
            hint=f"Declared are: {', '.join(sorted(config.stores)) or 'none'}.",
        )
    store = StoreTable() if name is None else config.stores[name]
    return _settings(url, store, f"stores.{name}")


def _settings(url: str, store: StoreTable, where: str) -> StoreSettings:
    key = store.account_key
    _check_readable(store.ca_bundle, f"{where}.ca_bundle")
    settings = StoreSettings(
        vendor=store.vendor or derive_vendor(url, store.endpoint),
        endpoint=store.endpoint,
        region=store.region,
        profile=store.profile,
        role_arn=store.role_arn,
        managed_identity=store.managed_identity,
        ca_bundle=store.ca_bundle,
        http_proxy=store.http_proxy,
        kms_key=store.kms_key,
        read_bandwidth=_rate(store.read_bandwidth),
        write_bandwidth=_rate(store.write_bandwidth),
    )
    if key is None:
        return settings
    # Where a vault of the same vendor keeps the key, it is asked as the store says.
    way = settings if key.vendor == settings.vendor else StoreSettings()
    fetch_key = partial(read_secret, key, f"{where}.account_key", way)
    return replace(settings, account_key=fetch_key)


def _store(config: Config, table: RepositoryTable) -> StoreTable:
    return StoreTable() if table.store is None else config.stores[table.store]


def _rate(bandwidth: Bandwidth | None) -> int:
    return 0 if bandwidth is None else bandwidth.bytes_per_second


def _check_readable(path: str, where: str) -> None:
    if not path:
        return
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise InputError(
            f"{where} names {path}, which cannot be read: {error.strerror}",
            hint="Put the certificates of the authority there, as PEM, or correct the path.",
        ) from error
