"""Who runs a session: the appliance of its target, or whoever asks (R4).

``prefers_local`` decides what the configuration decides alone, so that an appliance that would not
be used is not asked how it is. ``place`` decides the whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.errors import ColdhaulError, InputError, IntegrityError

NOT_CONFIGURED = "no appliance is configured on the target"
# The kind of appliance that runs beside each vendor's storage; others have none.
KIND_OF_VENDOR: Mapping[str, str] = {"amazon-s3": "aws", "azure-blob": "azure"}
_VENDOR_OF_KIND = {kind: vendor for vendor, kind in KIND_OF_VENDOR.items()}
_FALLBACK = "fallback, because the appliance cannot be used: "
# Only there does traffic between regions cost money for each byte that an appliance reads.
_REGIONAL_KINDS = frozenset({"aws"})


class Place(StrEnum):
    """Where a session runs."""

    APPLIANCE = "appliance"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a session runs, and why: the reason stands in its report."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The source or the target of a job: whose storage it is in, and in which region."""

    vendor: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceTerms:
    """What the target's configuration says of its appliance."""

    kind: str
    region: str
    allow_other_region: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a job copies and how, or what an appliance was deployed to copy.

    Endpoints say which account a URL is in where it does not say that itself; ``retention_type`` is
    that of a bucket source, which cannot say its own.
    """

    source_url: str
    source_kind: str
    target_url: str
    storage_class: str
    source_endpoint: str = ""
    target_endpoint: str = ""
    metadata_class: str = ""
    retention_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTerms:
    """What is to be placed. ``fallback``: rather here than not at all."""

    source: End
    target: End
    copies: Served
    fallback: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceState:
    """How an appliance is: what it serves, or the ``fault`` for which it cannot be used."""

    serves: Served | None
    fault: ColdhaulError | None = None


def prefers_local(job: JobTerms, appliance: ApplianceTerms | None) -> str:
    """Return why a job runs here whatever its appliance is like; empty if the appliance is to."""
    if appliance is None:
        return NOT_CONFIGURED
    vendor = _VENDOR_OF_KIND[appliance.kind]
    for what, end in _ends(job):
        if end.vendor != vendor:
            return (
                f"the {what} is in {end.vendor}, and an appliance of kind {appliance.kind} "
                f"serves {vendor} only"
            )
    for what, end in _ends(job):
        if _is_other_region(end, appliance) and not appliance.allow_other_region:
            return (
                f"the {what} is in {end.region} and the appliance in {appliance.region}, and "
                "allow_other_region is not set"
            )
    return ""


def place(job: JobTerms, appliance: ApplianceTerms | None, state: ApplianceState) -> Placement:
    """Decide who runs a job; raise what is wrong with an appliance that should and cannot.

    With ``job.fallback`` it runs here instead, and the reason says so. Damage is never a reason
    to go on elsewhere.
    """
    reason = prefers_local(job, appliance)
    if reason or appliance is None:
        return Placement(place=Place.LOCAL, reason=reason)
    fault = state.fault or _unfit(state, job.copies)
    if fault is None:
        return Placement(place=Place.APPLIANCE, reason=_reason(job, appliance))
    if not job.fallback or isinstance(fault, IntegrityError):
        raise fault
    return Placement(place=Place.LOCAL, reason=fallback_reason(fault))


def is_fallback(reason: str) -> bool:
    """Say whether a job runs here only because its appliance cannot."""
    return reason.startswith(_FALLBACK)


def fallback_reason(fault: ColdhaulError) -> str:
    """Say why a job runs here although its target has an appliance that should run it."""
    found = f" ({'; '.join(fault.problems)})" if fault.problems else ""
    return f"{_FALLBACK}{fault.message}{found}"


def _ends(job: JobTerms) -> tuple[tuple[str, End], tuple[str, End]]:
    return ("source", job.source), ("target", job.target)


def _is_other_region(end: End, appliance: ApplianceTerms) -> bool:
    return appliance.kind in _REGIONAL_KINDS and end.region != appliance.region


def _reason(job: JobTerms, appliance: ApplianceTerms) -> str:
    reason = f"the target's appliance serves {job.source.vendor} and this source"
    others = sorted({end.region for _, end in _ends(job) if _is_other_region(end, appliance)})
    return f"{reason}, also in {' and '.join(others)} (allow_other_region)" if others else reason


def _unfit(state: ApplianceState, copies: Served) -> InputError | None:
    problems = () if state.serves is None else tuple(_differences(state.serves, copies))
    if not problems:
        return None
    return InputError(
        "the appliance was deployed for something else than this job",
        problems=problems,
        hint="An appliance serves one source and one target. Deploy it for these with "
        "'coldhaul appliance deploy', or let the job run here with fallback = true.",
    )


def _differences(deployed: Served, copies: Served) -> Iterator[str]:
    for what, theirs, ours in (
        ("source", deployed.source_url, copies.source_url),
        ("source's endpoint", deployed.source_endpoint, copies.source_endpoint),
        ("kind of source", deployed.source_kind, copies.source_kind),
        ("source's retention type", deployed.retention_type, copies.retention_type),
        ("target", deployed.target_url, copies.target_url),
        ("target's endpoint", deployed.target_endpoint, copies.target_endpoint),
        ("storage class", deployed.storage_class, copies.storage_class),
        ("metadata class", deployed.metadata_class, copies.metadata_class),
    ):
        if theirs != ours:
            yield f"its {what} is {theirs or 'not set'}, and that of the job {ours or 'not set'}"
