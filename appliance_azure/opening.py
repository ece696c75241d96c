"""From settings to an opened target and source, reached as the app's own identity."""

from functools import partial

from appliance_azure.settings import Settings
from core.appliance.opening import Ways, open_both
from core.engine.steps import Appliance
from core.stores.address import AZURE_BLOB
from core.stores.azure_vault_key import VaultKey
from core.stores.azure_vault_secret import fetch_vault_secret
from core.stores.settings import StoreSettings

RUNNER = "azure"


def open_appliance(settings: Settings) -> Appliance:
    """Open target and source; the keys of each are unwrapped here, once."""
    return open_both(settings.ends, ways_of(settings), RUNNER, settings.core_count)


def ways_of(settings: Settings) -> Ways:
    """Return how all is reached: as the managed identity."""
    identity = StoreSettings(vendor=AZURE_BLOB, managed_identity=settings.client_id)
    writing = StoreSettings(
        vendor=AZURE_BLOB,
        managed_identity=settings.client_id,
        endpoint=settings.target_endpoint,
        storage_class=settings.ends.storage_class,
        metadata_class=settings.ends.metadata_class,
    )
    reading = StoreSettings(
        vendor=AZURE_BLOB,
        managed_identity=settings.client_id,
        endpoint=settings.source_endpoint,
    )
    return Ways(
        target=writing,
        source=reading,
        key=partial(VaultKey, settings=identity),
        secret=partial(fetch_vault_secret, settings=identity),
    )
