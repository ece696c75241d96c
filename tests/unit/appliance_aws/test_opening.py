"""From an environment to an opened target and source: in S3, by a KMS key and by a secret."""

from dataclasses import dataclass
from typing import Any

import pytest

from appliance_aws.opening import open_appliance
from appliance_aws.settings import read_settings
from core.appliance.opening import own_version
from core.engine.jobs import Terms, create_job
from core.engine.keys import add_cloud_key
from core.errors import InputError, StoreError
from core.model import RetentionType
from core.sources.repository import Repository
from core.stores.address import parse_address
from core.stores.aws_kms import KmsKey
from core.stores.opening import open_store
from core.stores.settings import StoreSettings
from tests.emulators.services import AmazonService, S3Service
from tests.support.copies import JOB, SECRET, back_up, make_repository, packs_of, read_copied
from tests.support.machine import Machine

FILES = {b"one": b"1" * 3_000, b"two": b"2" * 3_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """Two repositories in S3, and the environment of functions that copy one into the other."""

    source: Repository
    target: Repository
    environment: dict[str, str]


def repository_at(service: S3Service, url: str, *, is_encrypted: bool) -> Repository:
    return make_repository(open_store(url, service.settings), is_encrypted=is_encrypted)


@pytest.fixture
def deployed(localstack: S3Service, amazon: AmazonService) -> Deployed:
    source_url, target_url = f"{localstack.new_url()}/primary", f"{localstack.new_url()}/a/vault"
    source = repository_at(localstack, source_url, is_encrypted=True)
    target = repository_at(localstack, target_url, is_encrypted=True)
    key = amazon.new_key()
    add_cloud_key(target.store, SECRET, KmsKey(key, StoreSettings()), "appliance")
    environment = {
        "COLDHAUL_TARGET_URL": target_url,
        "COLDHAUL_TARGET_KMS_KEY": key,
        "COLDHAUL_SOURCE_URL": source_url,
        "COLDHAUL_SOURCE_KIND": "repository",
        "COLDHAUL_SOURCE_SECRET": amazon.new_secret(SecretString=f"{SECRET}\n"),
        "COLDHAUL_STORAGE_CLASS": "GLACIER_IR",
        "COLDHAUL_SSE_KMS_KEY": key,
        "COLDHAUL_S3_ENDPOINT": localstack.endpoint,
        "AWS_REGION": amazon.region,
    }
    return Deployed(source=source, target=target, environment=environment)


def test_a_session_runs_between_buckets_that_a_key_and_a_secret_open(
    deployed: Deployed, localstack: S3Service
) -> None:
    create_job(
        deployed.target, deployed.source, JOB, Terms(schedule="immediate"), include_newest=False
    )
    back_up(deployed.source, FILES)
    appliance = open_appliance(read_settings(deployed.environment))
    ended = Machine(appliance).execute({"job": JOB, "version": own_version()})
    assert ended.answer["status"] == "Success"
    record = deployed.target.read_record(ended.answer["record"])
    assert read_copied(deployed.target, record) == FILES
    address = parse_address(deployed.environment["COLDHAUL_TARGET_URL"])
    client = localstack.client()
    for name, storage_class in (
        (packs_of(deployed.target)[0], "GLACIER_IR"),
        (ended.answer["record"], "STANDARD"),
    ):
        head = client.head_object(Bucket=address.container, Key=f"{address.prefix}/{name}")
        assert head.get("StorageClass", "STANDARD") == storage_class
        assert head["SSEKMSKeyId"] == deployed.environment["COLDHAUL_SSE_KMS_KEY"]


def test_it_is_told_who_runs_and_where_names_begin(deployed: Deployed) -> None:
    memory = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3538"}
    appliance = open_appliance(read_settings(deployed.environment | memory))
    assert (appliance.runner, appliance.root, appliance.core_count) == ("aws", "a/vault/", 2)
    assert appliance.target.vendor == appliance.source.vendor == "amazon-s3"
    assert appliance.version == own_version() != ""


@pytest.mark.parametrize(("allowed", "region"), [("true", ""), ("false", "us-east-1")])
def test_buckets_are_looked_for_in_our_region_unless_others_are_allowed(
    deployed: Deployed, allowed: str, region: str
) -> None:
    allow = {"COLDHAUL_ALLOW_OTHER_REGION": allowed, "AWS_REGION": "us-east-1"}
    store: Any = open_appliance(read_settings(deployed.environment | allow)).target.store
    _, (_, settings) = store.__reduce__()
    assert settings.region == region


def test_a_bucket_ages_as_the_target_does(deployed: Deployed, localstack: S3Service) -> None:
    """R1."""
    bucket = {
        "COLDHAUL_SOURCE_KIND": "bucket",
        "COLDHAUL_SOURCE_SECRET": "",
        "COLDHAUL_SOURCE_URL": localstack.new_url(),
    }
    of_kind = {"COLDHAUL_RETENTION_TYPE": "snapshot-based"}
    appliance = open_appliance(read_settings(deployed.environment | bucket | of_kind))
    assert appliance.source.retention_type is RetentionType.SNAPSHOT_BASED
    assert appliance.source.is_changing
    of_kind = {"COLDHAUL_RETENTION_TYPE": "item-level"}
    with pytest.raises(InputError, match=r"is snapshot-based and .* is item-level"):
        open_appliance(read_settings(deployed.environment | bucket | of_kind))


def test_what_opens_nothing_is_told(deployed: Deployed, amazon: AmazonService) -> None:
    wrong = amazon.new_secret(SecretString="wrong")
    with pytest.raises(InputError, match="the passphrase does not open") as caught:
        open_appliance(read_settings(deployed.environment | {"COLDHAUL_SOURCE_SECRET": wrong}))
    assert "wrong" not in str(caught.value)
    with pytest.raises(InputError, match="is encrypted"):
        open_appliance(read_settings(deployed.environment | {"COLDHAUL_SOURCE_SECRET": ""}))
    other = {"COLDHAUL_TARGET_KMS_KEY": amazon.new_key()}
    with pytest.raises(InputError, match="does not open"):
        open_appliance(read_settings(deployed.environment | other))


def test_a_target_that_is_gone_is_told(deployed: Deployed) -> None:
    gone = {"COLDHAUL_TARGET_URL": "s3://coldhaul-nobody-has-made-this/vault"}
    with pytest.raises((InputError, StoreError), match="coldhaul-nobody-has-made-this"):
        open_appliance(read_settings(deployed.environment | gone))
