"""What the app finds wrong with itself: all at once, and without leaving anything."""

import pytest

from appliance_azure.check import inspect
from core.engine.check import Level
from core.engine.jobs import Terms, create_job
from core.stores.opening import open_store
from tests.emulators.services import AzureService
from tests.support.copies import JOB, make_repository
from tests.support.repositories import reopen


def levels(settings: dict[str, str]) -> dict[str, Level]:
    return {each.what: each.level for each in inspect(settings)}


def test_every_wrong_variable_is_a_finding() -> None:
    findings = inspect({})
    assert {each.what for each in findings} == {"environment"}
    assert {each.level for each in findings} == {Level.ERROR}
    assert any(each.detail.startswith("COLDHAUL_SOURCE_URL: ") for each in findings)
    assert all(each.hint for each in findings)


def test_what_can_be_opened_is_well(environment: dict[str, str]) -> None:
    found = levels(environment)
    assert set(found.values()) == {Level.OK}
    assert found.keys() == {"environment", "target", "source", "permissions", "job"}


def test_each_end_is_looked_at_whatever_the_other_is(environment: dict[str, str]) -> None:
    gone = {
        "COLDHAUL_TARGET_URL": "az://nobody-has-made-this/vault",
        "COLDHAUL_SOURCE_URL": "az://nor-has-anybody-this/primary",
    }
    found = levels(environment | gone)
    assert (found["target"], found["source"]) == (Level.ERROR, Level.ERROR)


def test_a_job_that_is_not_there_is_told(environment: dict[str, str]) -> None:
    found = levels(environment | {"COLDHAUL_JOB": "weekly", "COLDHAUL_EVENTS": "true"})
    assert found["job"] is Level.ERROR


@pytest.mark.parametrize(("is_own", "level"), [(True, Level.OK), (False, Level.ERROR)])
def test_a_job_copies_the_source_of_the_app(
    environment: dict[str, str], azurite_oauth: AzureService, is_own: bool, level: Level
) -> None:
    own, other = environment["COLDHAUL_SOURCE_URL"], f"{azurite_oauth.new_url()}/other"
    others = make_repository(open_store(other, azurite_oauth.settings))
    source = reopen(open_store(own, azurite_oauth.settings)) if is_own else others
    target = reopen(open_store(environment["COLDHAUL_TARGET_URL"], azurite_oauth.settings))
    create_job(target, source, JOB, Terms(schedule="immediate"), include_newest=False)
    assert levels(environment | {"COLDHAUL_JOB": JOB, "COLDHAUL_EVENTS": "true"})["job"] is level


def test_a_source_of_another_retention_type_is_told(
    environment: dict[str, str], azurite_oauth: AzureService
) -> None:
    """R1."""
    bucket = {
        "COLDHAUL_SOURCE_KIND": "bucket",
        "COLDHAUL_SOURCE_URL": azurite_oauth.new_url(),
        "COLDHAUL_RETENTION_TYPE": "item-level",
    }
    assert levels(environment | bucket)["retention"] is Level.ERROR
