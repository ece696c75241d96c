"""The environment of the functions: all of it checked, all problems at once."""

import pytest

from appliance_aws.settings import read_settings
from core.appliance.ends import End
from core.errors import InputError
from core.limits import LAMBDA_MEMORY_FOR_CORE_MB

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:vault-AbCdEf"
REPOSITORY = {
    "COLDHAUL_TARGET_URL": "s3://vault/copies/primary",
    "COLDHAUL_SOURCE_URL": "s3://primary",
    "COLDHAUL_SOURCE_KIND": "repository",
    "COLDHAUL_RETENTION_TYPE": "",
    "COLDHAUL_STORAGE_CLASS": "DEEP_ARCHIVE",
    "COLDHAUL_METADATA_CLASS": "",
    "COLDHAUL_SSE_KMS_KEY": KEY,
    "COLDHAUL_TARGET_SECRET": "",
    "COLDHAUL_SOURCE_SECRET": SECRET,
    "COLDHAUL_TARGET_KMS_KEY": KEY,
    "COLDHAUL_SOURCE_KMS_KEY": "",
    "COLDHAUL_S3_ENDPOINT": "",
    "COLDHAUL_ALLOW_OTHER_REGION": "false",
    "AWS_REGION": "eu-central-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3538",
}
BUCKET = REPOSITORY | {
    "COLDHAUL_SOURCE_KIND": "bucket",
    "COLDHAUL_RETENTION_TYPE": "item-level",
    "COLDHAUL_SOURCE_SECRET": "",
}


def problems_of(environment: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(InputError, match="the environment of this function is wrong") as caught:
        read_settings(environment)
    return caught.value.problems


def test_a_repository_is_told_by_its_url_and_what_opens_it() -> None:
    settings = read_settings(REPOSITORY)
    assert settings.ends.target == End(url="s3://vault/copies/primary", secret="", key=KEY)
    assert settings.ends.source == End(url="s3://primary", secret=SECRET, key="")
    assert settings.ends.root == "copies/primary/"
    assert (settings.ends.storage_class, settings.sse_kms_key) == ("DEEP_ARCHIVE", KEY)
    assert (settings.region, settings.allows_other_region) == ("eu-central-1", False)


def test_a_bucket_is_told_with_what_ages_in_it() -> None:
    settings = read_settings(BUCKET | {"COLDHAUL_TARGET_URL": "s3://vault"})
    assert (settings.ends.source_kind, settings.ends.retention_type) == ("bucket", "item-level")
    assert settings.ends.root == ""


@pytest.mark.parametrize(
    ("memory", "cores"), [("128", 1), ("1769", 1), ("3538", 2), ("10240", 6), ("", 1)]
)
def test_processors_come_with_memory(memory: str, cores: int) -> None:
    """``os.cpu_count`` shows two of them where half of one is ours."""
    environment = REPOSITORY | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory}
    assert read_settings(environment).core_count == cores
    assert LAMBDA_MEMORY_FOR_CORE_MB == 1769


def test_an_empty_environment_tells_all_that_is_missing() -> None:
    problems = problems_of({})
    for name in ("COLDHAUL_TARGET_URL", "COLDHAUL_SOURCE_URL", "COLDHAUL_SOURCE_KIND"):
        assert any(problem.startswith(f"{name}: ") for problem in problems)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"COLDHAUL_TARGET_URL": "az://vault/copies"}, "COLDHAUL_TARGET_URL"),
        ({"COLDHAUL_TARGET_URL": "file:///vault"}, "COLDHAUL_TARGET_URL"),
        ({"COLDHAUL_SOURCE_URL": "s3://"}, "COLDHAUL_SOURCE_URL"),
        ({"COLDHAUL_SOURCE_KIND": "folder"}, "COLDHAUL_SOURCE_KIND"),
        ({"COLDHAUL_RETENTION_TYPE": "item-level"}, "COLDHAUL_RETENTION_TYPE"),
        ({"COLDHAUL_STORAGE_CLASS": "OUTPOSTS"}, "COLDHAUL_STORAGE_CLASS"),
        ({"COLDHAUL_METADATA_CLASS": "DEEP_ARCHIVE"}, "COLDHAUL_METADATA_CLASS"),
        ({"COLDHAUL_SSE_KMS_KEY": "alias/vault"}, "COLDHAUL_SSE_KMS_KEY"),
        ({"COLDHAUL_TARGET_KMS_KEY": "vault"}, "COLDHAUL_TARGET_KMS_KEY"),
        ({"COLDHAUL_SOURCE_SECRET": "two words"}, "COLDHAUL_SOURCE_SECRET"),
        ({"COLDHAUL_TARGET_SECRET": SECRET}, "COLDHAUL_TARGET_SECRET, COLDHAUL_TARGET_KMS_KEY"),
        ({"COLDHAUL_S3_ENDPOINT": "vpce.example"}, "COLDHAUL_S3_ENDPOINT"),
        ({"COLDHAUL_ALLOW_OTHER_REGION": "yes"}, "COLDHAUL_ALLOW_OTHER_REGION"),
    ],
)
def test_each_variable_is_checked(change: dict[str, str], name: str) -> None:
    problems = problems_of(REPOSITORY | change)
    assert all(problem.startswith(f"{name}: ") for problem in problems), problems


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"COLDHAUL_RETENTION_TYPE": ""}, "COLDHAUL_RETENTION_TYPE"),
        (
            {"COLDHAUL_SOURCE_SECRET": SECRET},
            "COLDHAUL_SOURCE_SECRET, COLDHAUL_SOURCE_KMS_KEY",
        ),
    ],
)
def test_a_bucket_says_what_ages_and_has_no_key(change: dict[str, str], name: str) -> None:
    (problem,) = problems_of(BUCKET | change)
    assert problem.startswith(f"{name}: ")
