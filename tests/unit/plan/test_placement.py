"""R4: every combination of vendors, regions, appliance, its state, and the job's fallback."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from core.errors import ColdhaulError, InputError, IntegrityError, NotReadyError, StoreError
from core.plan.placement import (
    KIND_OF_VENDOR,
    NOT_CONFIGURED,
    ApplianceState,
    ApplianceTerms,
    End,
    JobTerms,
    Place,
    Placement,
    Served,
    fallback_reason,
    place,
    prefers_local,
)

VENDORS = ("filesystem", "s3-compatible", "amazon-s3", "azure-blob")
HERE, THERE = "eu-central-1", "us-east-1"
COPIES = Served(
    source_url="s3://backups/primary",
    source_kind="repository",
    target_url="s3://copies/vault",
    storage_class="DEEP_ARCHIVE",
)
WELL = ApplianceState(serves=COPIES)
BROKEN = ApplianceState(serves=None, fault=StoreError("nothing answers"))
REFUSED = ApplianceState(serves=None, fault=NotReadyError("it has another version"))
UNFIT = ApplianceState(serves=replace(COPIES, source_url="s3://backups/other"))
STATES = {"well": WELL, "broken": BROKEN, "refused": REFUSED, "unfit": UNFIT}
KINDS = (None, "aws", "azure")
COMBINATIONS = list(
    product(VENDORS, VENDORS, KINDS, (HERE, THERE), (HERE, THERE), (False, True), STATES)
)


def end(vendor: str, region: str = HERE) -> End:
    return End(vendor=vendor, region=region)


def job(source: End, target: End, *, fallback: bool = False) -> JobTerms:
    return JobTerms(source=source, target=target, copies=COPIES, fallback=fallback)


def terms(kind: str | None, *, allow_other_region: bool = False) -> ApplianceTerms | None:
    if kind is None:
        return None
    return ApplianceTerms(kind=kind, region=HERE, allow_other_region=allow_other_region)


def expected(given: JobTerms, appliance: ApplianceTerms | None, state: str) -> str:
    """Say by the words of R4 alone what happens."""
    if appliance is None:
        return "local"
    vendor = {"aws": "amazon-s3", "azure": "azure-blob"}[appliance.kind]
    if (given.source.vendor, given.target.vendor) != (vendor, vendor):
        return "local"
    is_elsewhere = (given.source.region, given.target.region) != (HERE, HERE)
    if appliance.kind == "aws" and is_elsewhere and not appliance.allow_other_region:
        return "local"
    if state == "well":
        return "appliance"
    return "local" if given.fallback else "error"


def outcome(given: JobTerms, appliance: ApplianceTerms | None, state: str) -> tuple[str, str]:
    try:
        found = place(given, appliance, STATES[state])
    except ColdhaulError as error:
        return "error", error.message
    return found.place.value, found.reason


def combinations() -> Iterator[tuple[JobTerms, ApplianceTerms | None, str]]:
    for one, two, kind, first, second, allows, state in COMBINATIONS:
        appliance = terms(kind, allow_other_region=allows)
        for fallback in (False, True):
            yield job(end(one, first), end(two, second), fallback=fallback), appliance, state


def test_every_combination_is_as_the_rule_says() -> None:
    wrong = []
    for given, appliance, state in combinations():
        said, why = outcome(given, appliance, state)
        if said != expected(given, appliance, state) or not why:
            wrong.append((given, appliance, state, said, why))
    assert wrong == []


def test_the_combinations_have_every_outcome() -> None:
    said = {expected(given, appliance, state) for given, appliance, state in combinations()}
    assert said == {"appliance", "local", "error"}


def test_what_the_configuration_decides_needs_no_answer_of_the_appliance() -> None:
    """The state counts only where nothing before it has decided."""
    for given, appliance, state in combinations():
        reason = prefers_local(given, appliance)
        if reason:
            found = place(given, appliance, STATES[state])
            assert found == Placement(place=Place.LOCAL, reason=reason)


@pytest.mark.parametrize(
    ("source", "target", "kind", "words"),
    [
        ("amazon-s3", "amazon-s3", None, [NOT_CONFIGURED]),
        ("filesystem", "amazon-s3", "aws", ["source is in filesystem", "serves amazon-s3 only"]),
        ("amazon-s3", "azure-blob", "aws", ["target is in azure-blob", "kind aws"]),
        ("amazon-s3", "azure-blob", "azure", ["source is in amazon-s3", "serves azure-blob only"]),
    ],
)
def test_reasons_to_run_here_name_what_decided(
    source: str, target: str, kind: str | None, words: list[str]
) -> None:
    reason = prefers_local(job(end(source), end(target)), terms(kind))
    assert [word for word in words if word not in reason] == []


def test_in_azure_no_region_counts() -> None:
    here, there = end("azure-blob", HERE), end("azure-blob", THERE)
    found = place(job(here, there), terms("azure"), WELL)
    assert found == Placement(
        place=Place.APPLIANCE,
        reason="the target's appliance serves azure-blob and this source",
    )


def test_another_region_is_named_whether_it_is_allowed_or_not() -> None:
    far, near = end("amazon-s3", THERE), end("amazon-s3")
    refused = place(job(far, near), terms("aws"), WELL)
    assert "the source is in us-east-1 and the appliance in eu-central-1" in refused.reason
    assert "the target is in us-east-1" in prefers_local(job(near, far), terms("aws"))
    allowed = place(job(far, near), terms("aws", allow_other_region=True), WELL)
    assert allowed.place is Place.APPLIANCE
    assert "also in us-east-1 (allow_other_region)" in allowed.reason


def test_all_differences_of_an_unfit_appliance_are_named_at_once() -> None:
    other = Served(
        source_url="s3://other", source_kind="bucket", target_url="s3://else", storage_class="",
        source_endpoint="https://x", target_endpoint="https://y", metadata_class="STANDARD_IA",
        retention_type="item-level",
    )  # fmt: skip
    near = end("amazon-s3")
    with pytest.raises(InputError) as caught:
        place(job(near, near), terms("aws"), ApplianceState(serves=other))
    assert len(caught.value.problems) == 8
    assert "its storage class is not set, and that of the job DEEP_ARCHIVE" in caught.value.problems
    assert "fallback = true" in caught.value.hint


def test_a_fallback_says_that_it_is_one_and_why() -> None:
    near = end("amazon-s3")
    found = place(job(near, near, fallback=True), terms("aws"), BROKEN)
    assert found.reason.startswith("fallback, because")
    assert "nothing answers" in found.reason
    unfit = InputError("it is for something else", problems=["its source is s3://other"])
    assert "(its source is s3://other)" in fallback_reason(unfit)


def test_damage_is_never_a_reason_to_fall_back() -> None:
    near, damage = end("amazon-s3"), IntegrityError("stored bytes are not what was written")
    state = ApplianceState(serves=None, fault=damage)
    with pytest.raises(IntegrityError):
        place(job(near, near, fallback=True), terms("aws"), state)


def test_kinds_belong_to_vendors() -> None:
    assert KIND_OF_VENDOR == {"amazon-s3": "aws", "azure-blob": "azure"}
