"""From an appliance in the configuration to a client of it."""

from dataclasses import replace

from core.stores.settings import StoreSettings
from proxy.appliance import Appliance
from proxy.appliance_table import ApplianceTable
from proxy.config import Config
from proxy.store_settings import destination_settings, store_settings
from proxy.tables import RepositoryTable


def appliance_settings(config: Config, table: RepositoryTable) -> StoreSettings:
    """Return who asks a repository's appliance, by which way, and at which endpoint.

    The endpoint of the repository's own store is one for objects: only a store that is named for
    the appliance says where that answers.
    """
    assert table.appliance is not None
    store = table.appliance.store
    if store is None:
        return replace(store_settings(config, table), endpoint="")
    return destination_settings(config, table.url, store)


def open_appliance(config: Config, table: RepositoryTable) -> Appliance:
    """Return the appliance of a repository that has one; nothing is asked of it yet."""
    appliance = table.appliance
    assert isinstance(appliance, ApplianceTable)
    # boto3 takes a second to load, which no command needs that has no appliance.
    from proxy.appliance_aws import AwsAppliance

    settings = appliance_settings(config, table)
    return AwsAppliance(appliance.stack, appliance.region, settings)
