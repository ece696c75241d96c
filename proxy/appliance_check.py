"""Whether a repository's appliance can run its jobs: every finding at once."""

from collections.abc import Iterator

from core.engine.check import Finding, Level, failed, passed
from core.errors import ColdhaulError
from core.plan.placement import ApplianceState, place, prefers_local
from proxy.appliance import Appliance
from proxy.appliance_opening import open_appliance
from proxy.invocation import Invocation
from proxy.placing import appliance_terms, job_terms, named_classes, refuse_skew
from proxy.store_settings import store_settings


def check_appliance(invocation: Invocation, name: str) -> Iterator[Finding]:
    """Check reach, version, what it serves and where, and all that its own cloud knows."""
    table = invocation.config.repository(name)
    appliance = open_appliance(invocation.config, table)
    yield from _check_deployment(invocation, name, appliance)
    yield from appliance.inspect()


def _check_deployment(invocation: Invocation, name: str, appliance: Appliance) -> Iterator[Finding]:
    try:
        deployment = appliance.deployment()
    except ColdhaulError as error:
        yield failed("reach", error)
        return
    yield passed("reach", f"{appliance.place} answers")
    try:
        refuse_skew(appliance, deployment, name)
        yield passed("version", f"{deployment.version}, as here")
    except ColdhaulError as error:
        yield failed("version", error)
    jobs = [job for job, table in invocation.config.jobs.items() if table.target == name]
    if not jobs:
        yield Finding(
            level=Level.WARNING,
            what="jobs",
            detail=f"no job of the configuration copies into {name}",
            hint="An appliance runs sessions of jobs.",
        )
    vendor = store_settings(invocation.config, invocation.config.repository(name)).vendor
    state = ApplianceState(serves=named_classes(deployment.serves, vendor))
    for job in jobs:
        yield from _check_job(invocation, name, job, state)


def _check_job(
    invocation: Invocation, name: str, job: str, state: ApplianceState
) -> Iterator[Finding]:
    what = f"job {job}"
    appliance = appliance_terms(invocation.config.repository(name))
    try:
        terms = job_terms(invocation, job)
        reason = prefers_local(terms, appliance)
        placement = place(terms, appliance, state)
    except ColdhaulError as error:
        detail = "; ".join([error.message, *error.problems])
        yield Finding(level=Level.ERROR, what=what, detail=detail, hint=error.hint)
        return
    if reason:
        yield Finding(
            level=Level.WARNING,
            what=what,
            detail=f"it runs on the proxy: {reason}",
            hint="Remove the appliance if that is meant; its data passes through this machine.",
        )
    elif appliance is not None and "allow_other_region" in placement.reason:
        yield Finding(
            level=Level.WARNING,
            what=what,
            detail=placement.reason,
            hint="Traffic between regions is paid by the GB; deploy it beside the buckets.",
        )
    else:
        yield passed(what, placement.reason)
