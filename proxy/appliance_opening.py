"""From an appliance in the configuration to a client of it, and to how it is deployed.

This is the one place that knows which kinds there are; what each is like its own modules know.
"""

from collections.abc import Mapping
from dataclasses import replace

from core.stores.settings import StoreSettings
from proxy.appliance import Appliance
from proxy.appliance_deploy import DeployedJob, Procedure
from proxy.appliance_table import ApplianceKind, ApplianceTable
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
    settings = appliance_settings(config, table)
    # The vendors' libraries take a second to load, which no command needs that has no appliance.
    if appliance.kind == ApplianceKind.AWS:
        from proxy.appliance_aws import AwsAppliance

        return AwsAppliance(appliance.stack, appliance.region, settings)
    from proxy.appliance_azure import AzureAppliance

    return AzureAppliance(appliance.url, appliance.audience, settings)


def plan_deployment(config: Config, job: DeployedJob, overrides: Mapping[str, str]) -> Procedure:
    """Return how the appliance of a job's target is deployed; ``overrides`` win.

    Parameters that the configuration sets are set every time, so that none is lost with the next
    version.
    What the functions could not open is one ``InputError`` with all findings.
    """
    appliance = job.target.table.appliance
    assert appliance is not None
    settings = appliance_settings(config, job.target.table)
    overrides = {**appliance.parameters, **overrides}
    if appliance.kind == ApplianceKind.AWS:
        from proxy.appliance_aws_deploy import plan_stack

        return plan_stack(appliance, job, settings, overrides)
    from proxy.appliance_azure_deploy import plan_app

    return plan_app(appliance, job, settings, overrides)
