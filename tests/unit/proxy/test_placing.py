"""Where a job runs, by its configuration and what its appliance answers."""

from pathlib import Path

import pytest

from core.errors import InputError, StoreError
from core.plan.placement import NOT_CONFIGURED, Place, is_fallback
from proxy.invocation import Invocation
from proxy.placing import job_serves, job_terms, place_job
from tests.emulators.services import S3Service
from tests.support.appliances import SUCCEEDS, deploy

pytestmark = pytest.mark.xdist_group("appliances")
CONFIG = """\
version = 1

[stores.cloud]
endpoint = "{endpoint}"
region = "{region}"
vendor = "amazon-s3"

[repositories.primary]
url = "{source}"
{source_store}proxy = "hq"
retention_type = "snapshot-based"
retention = "1 year"

[repositories.vault]
url = "s3://copies/vault"
store = "cloud"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
{appliance}

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"
fallback = {fallback}
"""


def invocation(
    folder: Path,
    service: S3Service,
    *,
    source: str = "s3://backups/primary",
    stack: str = "",
    region: str = "us-east-1",
    fallback: bool = False,
) -> Invocation:
    path = folder / "coldhaul.toml"
    table = f'kind = "aws", stack = "{stack}", region = "{region}", store = "cloud"'
    path.write_text(
        CONFIG.format(
            endpoint=service.endpoint,
            region=service.settings.region,
            source=source,
            source_store='store = "cloud"\n' if source.startswith("s3:") else "",
            appliance=f"appliance = {{ {table} }}" if stack else "",
            fallback=str(fallback).lower(),
        )
    )
    return Invocation(config_path=path, is_json=False)


def test_an_appliance_that_fits_runs_the_job(tmp_path: Path, localstack: S3Service) -> None:
    stack = deploy(localstack, SUCCEEDS, {})
    placed = place_job(invocation(tmp_path, localstack, stack=stack.name), "nightly")
    assert placed.placement.place is Place.APPLIANCE
    assert placed.appliance is not None
    assert placed.appliance.deployment().serves.target_url == "s3://copies/vault"


def test_without_one_nothing_is_asked(tmp_path: Path, localstack: S3Service) -> None:
    placed = place_job(invocation(tmp_path, localstack), "nightly")
    assert (placed.placement.place, placed.placement.reason) == (Place.LOCAL, NOT_CONFIGURED)
    assert placed.appliance is None


def test_one_that_would_not_be_used_is_not_asked(tmp_path: Path, localstack: S3Service) -> None:
    """The stack is not there, and nobody finds out."""
    local = invocation(tmp_path, localstack, source="file:///srv/primary", stack="no-such")
    assert "source is in filesystem" in place_job(local, "nightly").placement.reason
    far = invocation(tmp_path, localstack, stack="no-such", region="eu-west-1")
    assert "allow_other_region" in place_job(far, "nightly").placement.reason


def test_one_that_is_not_there_is_an_error_or_a_fallback(
    tmp_path: Path, localstack: S3Service
) -> None:
    with pytest.raises(Exception, match="no-such in us-east-1: it is not there"):
        place_job(invocation(tmp_path, localstack, stack="no-such"), "nightly")
    placed = place_job(invocation(tmp_path, localstack, stack="no-such", fallback=True), "nightly")
    assert placed.placement.place is Place.LOCAL
    assert is_fallback(placed.placement.reason)
    assert "no-such" in placed.placement.reason


def test_another_version_is_refused_with_the_command_that_deploys_this(
    tmp_path: Path, localstack: S3Service
) -> None:
    stack = deploy(localstack, SUCCEEDS, {"Version": "9.9.9"})
    with pytest.raises(InputError, match=r"coldhaul 9\.9\.9, and this is 0\.1\.0") as caught:
        place_job(invocation(tmp_path, localstack, stack=stack.name), "nightly")
    assert "coldhaul appliance deploy vault" in caught.value.hint


def test_one_that_serves_something_else_is_refused(tmp_path: Path, localstack: S3Service) -> None:
    said = {"SourceUrl": "s3://backups/other", "StorageClass": "DEEP_ARCHIVE"}
    stack = deploy(localstack, SUCCEEDS, said)
    with pytest.raises(InputError) as caught:
        place_job(invocation(tmp_path, localstack, stack=stack.name), "nightly")
    assert len(caught.value.problems) == 2


def test_nothing_that_answers_is_an_error(tmp_path: Path, localstack: S3Service) -> None:
    asked = invocation(tmp_path, localstack, stack="vault")
    text = asked.config_path.read_text()
    unreachable = text.replace('store = "cloud" }', 'store = "nowhere" }')
    nowhere = '[stores.nowhere]\nendpoint = "http://127.0.0.1:9"\n'
    asked.config_path.write_text(f"{unreachable}\n{nowhere}")
    with pytest.raises(StoreError, match="nothing answers"):
        place_job(asked, "nightly")


def test_a_class_that_is_not_named_is_the_default_one(
    tmp_path: Path, localstack: S3Service
) -> None:
    config = invocation(tmp_path, localstack).config
    served = job_serves(config.repository("primary"), config.repository("vault"))
    assert (served.source_kind, served.storage_class) == ("repository", "STANDARD")


def test_regions_are_asked_for_only_where_they_count(tmp_path: Path, localstack: S3Service) -> None:
    assert job_terms(invocation(tmp_path, localstack), "nightly").source.region == ""
    with_one = invocation(tmp_path, localstack, stack="no-such")
    assert job_terms(with_one, "nightly").source.region == "us-east-1"
