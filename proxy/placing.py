"""Where a job's session runs: asks what ``core.plan.placement`` needs to know, and no more."""

from dataclasses import dataclass, replace

from core.errors import ColdhaulError, InputError
from core.plan.placement import (
    KIND_OF_VENDOR,
    ApplianceState,
    ApplianceTerms,
    End,
    JobTerms,
    Place,
    Placement,
    Served,
    place,
    prefers_local,
)
from core.stores.address import AMAZON_S3, AZURE_BLOB
from core.stores.classes import class_name
from proxy.appliance import Appliance, Deployment
from proxy.appliance_opening import open_appliance
from proxy.config import Config
from proxy.invocation import Invocation
from proxy.store_settings import place_of, store_settings
from proxy.tables import RepositoryTable
from proxy.version import own_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a session runs. ``appliance`` is there when it runs it."""

    placement: Placement
    appliance: Appliance | None = None


def place_job(invocation: Invocation, name: str) -> Placed:
    """Decide who runs a job's session; raise what is wrong with an appliance that should.

    Nothing is claimed or written. An appliance that would not be used is not asked anything.
    """
    job = invocation.config.job(name)
    target = invocation.config.repository(job.target)
    appliance = appliance_terms(target)
    terms = job_terms(invocation, name)
    reason = prefers_local(terms, appliance)
    if reason:
        return Placed(placement=Placement(place=Place.LOCAL, reason=reason))
    client = open_appliance(invocation.config, target)
    state = ask_state(client, job.target, terms.target.vendor)
    placement = place(terms, appliance, state)
    is_used = placement.place is Place.APPLIANCE
    return Placed(placement=placement, appliance=client if is_used else None)


def ask_state(appliance: Appliance, repository: str, vendor: str) -> ApplianceState:
    """Ask an appliance how it is; what it cannot be used for is told, not raised."""
    try:
        deployment = appliance.deployment()
        refuse_skew(appliance, deployment, repository)
    except ColdhaulError as error:
        return ApplianceState(serves=None, fault=error)
    return ApplianceState(serves=named_classes(deployment.serves, vendor))


def refuse_skew(appliance: Appliance, deployment: Deployment, repository: str) -> None:
    """Refuse an appliance of another version than this: they may not mean the same."""
    own = own_version()
    if deployment.version != own:
        raise InputError(
            f"{appliance.place} was deployed by coldhaul {deployment.version}, and this is "
            f"{own or 'run from its source tree'}",
            hint=f"Deploy this version: coldhaul appliance deploy {repository}. Or run the version "
            "that is deployed.",
        )


def job_terms(invocation: Invocation, name: str) -> JobTerms:
    """Return what is to be placed. Regions are asked for only where they count."""
    config = invocation.config
    job = config.job(name)
    source, target = config.repository(job.source), config.repository(job.target)
    vendors = [store_settings(config, table).vendor for table in (source, target)]
    counts = target.appliance is not None and vendors == [AMAZON_S3, AMAZON_S3]
    ends = [
        End(vendor=vendor, region=_region(invocation, table) if counts else "")
        for vendor, table in zip(vendors, (source, target), strict=True)
    ]
    return JobTerms(
        source=ends[0],
        target=ends[1],
        copies=job_serves(config, source, target),
        fallback=job.fallback,
    )


def job_serves(config: Config, source: RepositoryTable, target: RepositoryTable) -> Served:
    """Return what an appliance has to be deployed for to run a job."""
    served = Served(
        source_url=source.url,
        source_kind=source.kind,
        source_endpoint=_account_of(config, source),
        target_url=target.url,
        target_endpoint=_account_of(config, target),
        storage_class=target.storage_class,
        metadata_class=target.metadata_class,
        retention_type=source.retention_type.value if source.is_bucket else "",
    )
    return named_classes(served, store_settings(config, target).vendor)


def named_classes(served: Served, vendor: str) -> Served:
    """Write the classes of a target as its vendor does, so that equal ones are equal."""
    return replace(
        served,
        storage_class=class_name(served.storage_class, vendor),
        metadata_class=class_name(served.metadata_class, vendor),
    )


def _account_of(config: Config, table: RepositoryTable) -> str:
    """Return the endpoint that says which account a container is in; buckets are in none."""
    is_azure = store_settings(config, table).vendor == AZURE_BLOB
    return place_of(config, table).endpoint if is_azure else ""


def appliance_terms(target: RepositoryTable) -> ApplianceTerms | None:
    """Return what a repository's configuration says of its appliance; None without one."""
    appliance = target.appliance
    if appliance is None:
        return None
    assert appliance.kind in KIND_OF_VENDOR.values()
    return ApplianceTerms(
        kind=appliance.kind,
        region=appliance.region,
        allow_other_region=appliance.allow_other_region,
    )


def _region(invocation: Invocation, table: RepositoryTable) -> str:
    from core.stores.s3_region import find_region

    return find_region(table.url, store_settings(invocation.config, table))
