"""Where a job runs, by its configuration and what its appliance answers."""

from pathlib import Path

import pytest

from core.errors import InputError, StoreError
from core.plan.placement import NOT_CONFIGURED, Place, is_fallback
from proxy.invocation import Invocation
from proxy.placing import job_serves, job_terms, place_job
from tests.emulators.services import S3Service
from tests.support.appliance_clouds import AwsCloud, AzureCloud, Cloud
from tests.support.appliances import SUCCEEDS

pytestmark = pytest.mark.xdist_group("appliances")
CONFIG = """\
version = 1

[stores.cloud]
{store}

[repositories.primary]
url = "{source}"
{source_store}proxy = "hq"
retention_type = "snapshot-based"
retention = "1 year"

[repositories.vault]
url = "{target}"
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
NO_SUCH = {
    "aws": 'kind = "aws", stack = "no-such", region = "us-east-1"',
    "azure": 'kind = "azure", url = "http://127.0.0.1:9", audience = "api://coldhaul"',
}
GONE = {"aws": "no-such in us-east-1: it is not there", "azure": "http://127.0.0.1:9 does not"}


def store_of(cloud: Cloud) -> str:
    """Return the store of a cloud, and whether an appliance there is reached by it."""
    if isinstance(cloud, AwsCloud):
        settings = cloud.service.settings
        return (
            f'endpoint = "{settings.endpoint}"\nregion = "{settings.region}"\nvendor = "amazon-s3"'
        )
    return 'endpoint = "https://account.blob.core.windows.net"'


def invocation(
    folder: Path, cloud: Cloud, table: str = "", *, source: str = "", fallback: bool = False
) -> Invocation:
    path = folder / "coldhaul.toml"
    scheme = {"aws": "s3", "azure": "az"}[cloud.kind]
    source = source or f"{scheme}://backups/primary"
    store = ', store = "cloud"' if cloud.kind == "aws" else ""
    path.write_text(
        CONFIG.format(
            store=store_of(cloud),
            source=source,
            source_store='store = "cloud"\n' if source.startswith(scheme) else "",
            target=f"{scheme}://copies/vault",
            appliance=f"appliance = {{ {table}{store} }}" if table else "",
            fallback=str(fallback).lower(),
        )
    )
    return Invocation(config_path=path, is_json=False)


def test_an_appliance_that_fits_runs_the_job(tmp_path: Path, cloud: Cloud) -> None:
    placed = place_job(invocation(tmp_path, cloud, cloud.deploy(SUCCEEDS).table), "nightly")
    assert placed.placement.place is Place.APPLIANCE
    vendor = {"aws": "amazon-s3", "azure": "azure-blob"}[cloud.kind]
    assert placed.placement.reason == f"the target's appliance serves {vendor} and this source"
    assert placed.appliance is not None
    assert placed.appliance.kind == cloud.kind
    assert placed.appliance.deployment().serves.target_url.endswith("://copies/vault")


def test_without_one_nothing_is_asked(tmp_path: Path, cloud: Cloud) -> None:
    placed = place_job(invocation(tmp_path, cloud), "nightly")
    assert (placed.placement.place, placed.placement.reason) == (Place.LOCAL, NOT_CONFIGURED)
    assert placed.appliance is None


def test_one_that_would_not_be_used_is_not_asked(tmp_path: Path, cloud: Cloud) -> None:
    """The appliance is not there, and nobody finds out."""
    local = invocation(tmp_path, cloud, NO_SUCH[cloud.kind], source="file:///srv/primary")
    assert "source is in filesystem" in place_job(local, "nightly").placement.reason
    if cloud.kind == "aws":
        there = NO_SUCH["aws"].replace("us-east-1", "eu-west-1")
        far = invocation(tmp_path, cloud, there)
        assert "allow_other_region" in place_job(far, "nightly").placement.reason


def test_one_that_is_not_there_is_an_error_or_a_fallback(tmp_path: Path, cloud: Cloud) -> None:
    gone = GONE[cloud.kind]
    with pytest.raises(Exception, match=gone):
        place_job(invocation(tmp_path, cloud, NO_SUCH[cloud.kind]), "nightly")
    asked = invocation(tmp_path, cloud, NO_SUCH[cloud.kind], fallback=True)
    placed = place_job(asked, "nightly")
    assert placed.placement.place is Place.LOCAL
    assert is_fallback(placed.placement.reason)
    assert gone in placed.placement.reason


def test_another_version_is_refused_with_the_command_that_deploys_this(
    tmp_path: Path, cloud: Cloud
) -> None:
    deployed = cloud.deploy(SUCCEEDS, version="9.9.9")
    with pytest.raises(InputError, match=r"coldhaul 9\.9\.9, and this is 0\.1\.0") as caught:
        place_job(invocation(tmp_path, cloud, deployed.table), "nightly")
    assert "coldhaul appliance deploy vault" in caught.value.hint


def test_one_that_serves_something_else_is_refused(tmp_path: Path, cloud: Cloud) -> None:
    cold = {"aws": "DEEP_ARCHIVE", "azure": "Archive"}[cloud.kind]
    others = {"source_url": "s3://backups/other", "storage_class": cold}
    further = {"metadata_class": "Other", "retention_type": "item-level"}
    deployed = cloud.deploy(SUCCEEDS, **others, **further)
    with pytest.raises(InputError) as caught:
        place_job(invocation(tmp_path, cloud, deployed.table), "nightly")
    assert len(caught.value.problems) == 4


def test_a_container_of_another_account_is_another_one(tmp_path: Path) -> None:
    with AzureCloud() as azure:
        deployed = azure.deploy(SUCCEEDS, target_endpoint="https://other.blob.core.windows.net")
        with pytest.raises(InputError) as caught:
            place_job(invocation(tmp_path, azure, deployed.table), "nightly")
    (problem,) = caught.value.problems
    assert "its target's endpoint is https://other.blob.core.windows.net" in problem


@pytest.mark.parametrize("written", ["", "Hot", "hot"])
def test_a_tier_that_is_not_named_is_the_account_s_own(tmp_path: Path, written: str) -> None:
    with AzureCloud() as azure:
        deployed = azure.deploy(SUCCEEDS, storage_class="HOT" if written else "")
        asked = invocation(tmp_path, azure, deployed.table)
        text, tier = asked.config_path.read_text(), f'storage_class = "{written}"'
        if written:
            text = text.replace("appliance = {", f"{tier}\nappliance = {{")
            asked.config_path.write_text(text)
        assert place_job(asked, "nightly").placement.place is Place.APPLIANCE


def test_nothing_that_answers_is_an_error(tmp_path: Path, localstack: S3Service) -> None:
    table = NO_SUCH["aws"]
    asked = invocation(tmp_path, AwsCloud(localstack), table)
    text = asked.config_path.read_text()
    unreachable = text.replace('store = "cloud" }', 'store = "nowhere" }')
    nowhere = '[stores.nowhere]\nendpoint = "http://127.0.0.1:9"\n'
    asked.config_path.write_text(f"{unreachable}\n{nowhere}")
    with pytest.raises(StoreError, match="nothing answers"):
        place_job(asked, "nightly")


def test_a_class_that_is_not_named_is_the_default_one(tmp_path: Path, cloud: Cloud) -> None:
    config = invocation(tmp_path, cloud).config
    served = job_serves(config, config.repository("primary"), config.repository("vault"))
    default = {"aws": "STANDARD", "azure": ""}[cloud.kind]
    account = {"aws": "", "azure": "https://account.blob.core.windows.net"}[cloud.kind]
    assert (served.source_kind, served.storage_class) == ("repository", default)
    assert (served.source_endpoint, served.target_endpoint) == (account, account)
    assert (served.metadata_class, served.retention_type) == (default, "")


def test_regions_are_asked_for_only_where_they_count(tmp_path: Path, cloud: Cloud) -> None:
    assert job_terms(invocation(tmp_path, cloud), "nightly").source.region == ""
    with_one = invocation(tmp_path, cloud, NO_SUCH[cloud.kind])
    region = {"aws": "us-east-1", "azure": ""}[cloud.kind]
    assert job_terms(with_one, "nightly").source.region == region
