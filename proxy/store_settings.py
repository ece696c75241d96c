"""From what the configuration says of a repository and its store to the settings of the store."""

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
    store = _store(config, table)
    where = f"stores.{table.store}"
    key = store.account_key
    _check_readable(store.ca_bundle, f"{where}.ca_bundle")
    return StoreSettings(
        vendor=store.vendor or derive_vendor(table.url, store.endpoint),
        endpoint=store.endpoint,
        region=store.region,
        profile=store.profile,
        role_arn=store.role_arn,
        managed_identity=store.managed_identity,
        account_key=partial(read_secret, key, f"{where}.account_key") if key else None,
        ca_bundle=store.ca_bundle,
        http_proxy=store.http_proxy,
        kms_key=store.kms_key,
        read_bandwidth=_rate(store.read_bandwidth),
        write_bandwidth=_rate(store.write_bandwidth),
        storage_class=table.storage_class,
        metadata_class=table.metadata_class,
    )


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
