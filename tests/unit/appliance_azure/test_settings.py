"""The environment of the functions: all of it checked, all problems at once."""

import pytest

from appliance_azure.settings import Triggers, find_triggers, job_of_events, read_settings
from core.appliance.ends import End
from core.errors import InputError
from core.ids import JobId

KEY = "https://example.vault.azure.net/keys/vault"
SECRET = "https://example.vault.azure.net/secrets/primary"
ENVIRONMENT = {
    "COLDHAUL_TARGET_URL": "az://vault/copies/primary",
    "COLDHAUL_TARGET_ENDPOINT": "https://example.blob.core.windows.net",
    "COLDHAUL_SOURCE_URL": "az://primary",
    "COLDHAUL_SOURCE_ENDPOINT": "https://other.blob.core.windows.net",
    "COLDHAUL_SOURCE_KIND": "repository",
    "COLDHAUL_RETENTION_TYPE": "",
    "COLDHAUL_STORAGE_CLASS": "Archive",
    "COLDHAUL_METADATA_CLASS": "Cool",
    "COLDHAUL_TARGET_SECRET": "",
    "COLDHAUL_SOURCE_SECRET": SECRET,
    "COLDHAUL_TARGET_VAULT_KEY": KEY,
    "COLDHAUL_SOURCE_VAULT_KEY": "",
    "COLDHAUL_JOB": "nightly",
    "COLDHAUL_SCHEDULE": "0 0 22 * * *",
    "COLDHAUL_EVENTS": "true",
    "COLDHAUL_MEMORY_MB": "4096",
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000003",
}


def problems_of(**changes: str) -> tuple[str, ...]:
    with pytest.raises(InputError, match="the environment of this function is wrong") as caught:
        read_settings(ENVIRONMENT | changes)
    return caught.value.problems


def test_all_is_read() -> None:
    settings = read_settings(ENVIRONMENT)
    assert settings.ends.target == End(url="az://vault/copies/primary", secret="", key=KEY)
    assert settings.ends.source == End(url="az://primary", secret=SECRET, key="")
    assert settings.target_endpoint == "https://example.blob.core.windows.net"
    assert settings.source_endpoint == "https://other.blob.core.windows.net"
    assert settings.client_id.endswith("3")
    job = JobId("nightly")
    assert settings.triggers == Triggers(job=job, schedule="0 0 22 * * *", has_events=True)


@pytest.mark.parametrize(("memory", "cores"), [("512", 1), ("2048", 1), ("4096", 2), ("", 1)])
def test_processors_come_with_memory(memory: str, cores: int) -> None:
    assert read_settings(ENVIRONMENT | {"COLDHAUL_MEMORY_MB": memory}).core_count == cores


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COLDHAUL_TARGET_URL", "s3://vault"),
        ("COLDHAUL_TARGET_ENDPOINT", ""),
        ("COLDHAUL_SOURCE_ENDPOINT", "ftp://example"),
        ("COLDHAUL_TARGET_VAULT_KEY", SECRET),
        ("COLDHAUL_SOURCE_SECRET", "https://example.org/secrets/primary"),
        ("COLDHAUL_STORAGE_CLASS", "GLACIER"),
        ("COLDHAUL_JOB", "no job"),
        ("COLDHAUL_JOB", ""),
        ("COLDHAUL_SCHEDULE", "0 22 * * *"),
        ("COLDHAUL_EVENTS", "yes"),
        ("COLDHAUL_MEMORY_MB", "4 GB"),
        ("COLDHAUL_MEMORY_MB", "9999999"),
        ("AZURE_CLIENT_ID", ""),
    ],
)
def test_each_variable_is_checked(name: str, value: str) -> None:
    (problem,) = problems_of(**{name: value})
    assert problem.startswith(f"{name}: ")


def test_a_signed_url_is_not_repeated() -> None:
    signed = "https://example.blob.core.windows.net/?sig=payroll"
    assert "payroll" not in str(problems_of(COLDHAUL_TARGET_ENDPOINT=signed))


@pytest.mark.parametrize(
    "changes",
    [
        {"COLDHAUL_JOB": "", "COLDHAUL_SCHEDULE": "", "COLDHAUL_EVENTS": ""},
        {"COLDHAUL_JOB": "no job"},
        {"COLDHAUL_SCHEDULE": "every day"},
        {"COLDHAUL_EVENTS": "perhaps"},
    ],
)
def test_without_triggers_that_are_right_there_are_none(changes: dict[str, str]) -> None:
    assert find_triggers(ENVIRONMENT | changes) is None


def test_new_points_start_sessions_of_a_job_only_where_events_do() -> None:
    assert job_of_events(ENVIRONMENT) == "nightly"
    assert job_of_events(ENVIRONMENT | {"COLDHAUL_EVENTS": "false"}) is None
    assert job_of_events({}) is None


def test_triggers_are_found_whatever_else_is_wrong() -> None:
    found = find_triggers({"COLDHAUL_JOB": "nightly", "COLDHAUL_EVENTS": "true"})
    assert found == Triggers(job=JobId("nightly"), schedule="", has_events=True)
