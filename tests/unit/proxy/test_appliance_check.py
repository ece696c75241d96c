"""What a check of an appliance finds out beside its cloud: reach, version, jobs, regions."""

from pathlib import Path

import pytest

from core.engine.check import Finding, Level
from proxy.appliance_check import check_appliance
from tests.support.appliance_clouds import Cloud
from tests.support.appliances import SUCCEEDS
from tests.unit.proxy.test_placing import NO_SUCH, invocation

pytestmark = pytest.mark.xdist_group("appliances")


def of(findings: list[Finding], what: str) -> Finding:
    (found,) = [each for each in findings if each.what == what]
    return found


def check(folder: Path, cloud: Cloud, table: str, source: str = "") -> list[Finding]:
    return list(check_appliance(invocation(folder, cloud, table, source=source), "vault"))


def test_one_that_fits_its_job_is_well(tmp_path: Path, cloud: Cloud) -> None:
    findings = check(tmp_path, cloud, cloud.deploy(SUCCEEDS).table)
    for what in ("reach", "version", "job nightly"):
        assert of(findings, what).level is Level.OK


def test_everything_that_is_wrong_is_found_at_once(tmp_path: Path, cloud: Cloud) -> None:
    cold = {"aws": "GLACIER", "azure": "Archive"}[cloud.kind]
    said = {"version": "9.9.9", "source_url": "s3://other", "storage_class": cold}
    more = {"metadata_class": "Cold", "retention_type": "item-level"}
    findings = check(tmp_path, cloud, cloud.deploy(SUCCEEDS, **said, **more).table)
    assert "9.9.9" in of(findings, "version").detail
    job = of(findings, "job nightly")
    assert job.level is Level.ERROR
    for words in ("s3://other", cold, "its metadata class is", "its source's retention type is"):
        assert words in job.detail
    # What its cloud knows is looked at all the same.
    own = {"aws": "executions", "azure": "sign-in"}[cloud.kind]
    assert of(findings, own).level is Level.OK


def test_one_that_is_not_there_is_an_error(tmp_path: Path, cloud: Cloud) -> None:
    findings = check(tmp_path, cloud, NO_SUCH[cloud.kind])
    assert of(findings, "reach").level is Level.ERROR
    own = {"aws": "stack", "azure": "sign-in"}[cloud.kind]
    assert of(findings, own).level is Level.ERROR


def test_a_job_that_runs_elsewhere_is_a_warning(tmp_path: Path, cloud: Cloud) -> None:
    table = cloud.deploy(SUCCEEDS).table
    job = of(check(tmp_path, cloud, table, source="file:///srv/primary"), "job nightly")
    assert (job.level, "source is in filesystem" in job.detail) == (Level.WARNING, True)


def test_a_repository_without_jobs_is_a_warning(tmp_path: Path, cloud: Cloud) -> None:
    asked = invocation(tmp_path, cloud, cloud.deploy(SUCCEEDS).table)
    text = asked.config_path.read_text()
    asked.config_path.write_text(text[: text.index("[jobs.")])
    assert of(list(check_appliance(asked, "vault")), "jobs").level is Level.WARNING
