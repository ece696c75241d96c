"""What a check of an appliance finds out beside its cloud: reach, version, jobs, regions."""

from pathlib import Path

import pytest

from core.engine.check import Finding, Level
from proxy.appliance_check import check_appliance
from tests.emulators.services import S3Service
from tests.support.appliances import SUCCEEDS, deploy
from tests.unit.proxy.test_placing import invocation

pytestmark = pytest.mark.xdist_group("appliances")


def of(findings: list[Finding], what: str) -> Finding:
    (found,) = [each for each in findings if each.what == what]
    return found


def check(folder: Path, service: S3Service, stack: str, **changed: str) -> list[Finding]:
    asked = invocation(folder, service, stack=stack, **changed)  # type: ignore[arg-type]
    return list(check_appliance(asked, "vault"))


def test_one_that_fits_its_job_is_well(tmp_path: Path, localstack: S3Service) -> None:
    findings = check(tmp_path, localstack, deploy(localstack, SUCCEEDS, {}).name)
    for what in ("reach", "version", "job nightly"):
        assert of(findings, what).level is Level.OK


def test_everything_that_is_wrong_is_found_at_once(tmp_path: Path, localstack: S3Service) -> None:
    said = {"Version": "9.9.9", "SourceUrl": "s3://other", "StorageClass": "GLACIER"}
    findings = check(tmp_path, localstack, deploy(localstack, SUCCEEDS, said).name)
    assert "9.9.9" in of(findings, "version").detail
    job = of(findings, "job nightly")
    assert (job.level, "s3://other" in job.detail, "GLACIER" in job.detail) == (
        Level.ERROR, True, True
    )  # fmt: skip
    # What its cloud knows is looked at all the same.
    assert of(findings, "executions").level is Level.OK


def test_one_that_is_not_there_is_an_error(tmp_path: Path, localstack: S3Service) -> None:
    findings = check(tmp_path, localstack, "no-such")
    assert of(findings, "reach").level is Level.ERROR
    assert of(findings, "stack").level is Level.ERROR


def test_a_job_that_runs_elsewhere_is_a_warning(tmp_path: Path, localstack: S3Service) -> None:
    name = deploy(localstack, SUCCEEDS, {}).name
    job = of(check(tmp_path, localstack, name, source="file:///srv/primary"), "job nightly")
    assert (job.level, "source is in filesystem" in job.detail) == (Level.WARNING, True)


def test_a_repository_without_jobs_is_a_warning(tmp_path: Path, localstack: S3Service) -> None:
    asked = invocation(tmp_path, localstack, stack=deploy(localstack, SUCCEEDS, {}).name)
    text = asked.config_path.read_text()
    asked.config_path.write_text(text[: text.index("[jobs.")])
    assert of(list(check_appliance(asked, "vault")), "jobs").level is Level.WARNING
