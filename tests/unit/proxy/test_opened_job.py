"""A job is opened whole, or refused before anything is done."""

import pytest

from core.errors import InputError, NotFoundError
from proxy.invocation import Invocation
from proxy.opened_job import open_job
from tests.cli.place import Place


@pytest.fixture
def created(place: Place) -> Place:
    place.drop_encryption()
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    place.done("job", "create", "nightly")
    return place


def opened(place: Place) -> Invocation:
    return Invocation(config_path=place.config, is_json=False)


def test_a_job_has_its_two_repositories_and_its_definition(created: Place) -> None:
    job = open_job(opened(created), "nightly")
    assert job.target.store.url.endswith("/vault")
    assert job.source.id == job.definition.source_id
    assert job.definition.schedule == "daily 22:00"


def test_a_configuration_that_moved_away_is_refused(created: Place) -> None:
    created.edit('"daily 22:00"', '"immediate"')
    with pytest.raises(InputError, match="defined otherwise"):
        open_job(opened(created), "nightly")


def test_a_job_that_is_not_declared_is_not_found(created: Place) -> None:
    with pytest.raises(NotFoundError, match="no job 'weekly'"):
        open_job(opened(created), "weekly")
