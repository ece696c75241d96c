"""Jobs are created from the configuration and stay what their definition says."""

import pytest

from tests.cli.place import Place


@pytest.fixture
def both(place: Place) -> Place:
    """A place with both repositories and one backup."""
    place.drop_encryption()
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    (place.tree / "a").write_bytes(b"a")
    place.done("backup", str(place.tree), "--to", "primary")
    return place


def test_create_stores_the_points_that_are_there_now(both: Place) -> None:
    definition = both.json("job", "create", "nightly")["definition"]
    assert definition["present_point_count"] == 1
    assert definition["schedule"] == "daily 22:00"
    assert definition["is_enabled"] is True
    assert both.json("job", "run", "nightly") == {"job": "nightly", "session": None}


def test_the_newest_point_is_included_when_asked_for(both: Place) -> None:
    definition = both.json("job", "create", "nightly", "--include-newest")["definition"]
    assert definition["present_point_count"] == 0
    assert both.json("job", "run", "nightly")["session"]["status"] == "Success"


def test_a_job_is_created_once(both: Place) -> None:
    both.done("job", "create", "nightly")
    answer = both.run("job", "create", "nightly")
    assert answer.code == 4
    assert "job update nightly" in answer.err


def test_a_job_that_the_configuration_lacks_is_not_found(both: Place) -> None:
    answer = both.run("job", "create", "nigthly")
    assert answer.code == 3
    assert "Did you mean 'nightly'?" in answer.err


def test_a_job_that_was_not_created_is_not_found(both: Place) -> None:
    answer = both.run("job", "run", "nightly")
    assert answer.code == 3
    assert "job create nightly" in answer.err


def test_update_stores_what_differs_and_says_so(both: Place) -> None:
    both.done("job", "create", "nightly")
    assert "up to date" in both.done("job", "update", "nightly").out
    both.edit('"daily 22:00"', '"periodic 30 min"')
    answer = both.done("job", "update", "nightly")
    assert '"periodic 30 min"' in answer.out
    assert '"daily 22:00"' in answer.out
    definition = both.json("job", "list")["jobs"][0]["definition"]
    assert (definition["version"], definition["schedule"]) == (2, "periodic 30 min")


def test_a_disabled_job_does_not_run_until_it_is_enabled(both: Place) -> None:
    both.done("job", "create", "nightly", "--include-newest")
    assert both.json("job", "disable", "nightly")["definition"]["is_enabled"] is False
    answer = both.run("job", "run", "nightly")
    assert answer.code == 5
    assert "job enable nightly" in answer.err
    both.done("job", "disable", "nightly")
    assert both.json("job", "enable", "nightly")["definition"]["version"] == 3
    assert both.json("job", "run", "nightly")["session"]["status"] == "Success"


def test_list_shows_every_job_and_how_it_ended_last(both: Place) -> None:
    answer = both.run("job", "list")
    assert answer.code == 8
    assert "not created" in answer.out
    both.done("job", "create", "nightly", "--include-newest")
    session = both.json("job", "run", "nightly")["session"]
    (row,) = both.json("job", "list")["jobs"]
    assert row["state"] == "enabled"
    assert row["last_session"]["id"] == session["id"]
    assert row["last_session"]["status"] == "Success"
    assert row["problems"] == []
    assert session["id"] in both.done("job", "list").out


def test_list_shows_when_a_job_ran_and_runs_next(both: Place) -> None:
    (row,) = both.json("job", "list", code=8)["jobs"]
    assert (row["next_run"], row["last_run"]) == (None, None)
    both.done("job", "create", "nightly", "--include-newest")
    (row,) = both.json("job", "list")["jobs"]
    assert row["next_run"].endswith("T22:00:00+00:00")
    assert row["last_run"] is None
    both.done("job", "run", "nightly")
    (row,) = both.json("job", "list")["jobs"]
    assert row["last_run"] < row["next_run"]
    assert "22:00 UTC" in both.done("job", "list").out
    both.done("job", "disable", "nightly")
    assert both.json("job", "list")["jobs"][0]["next_run"] is None


def test_a_target_out_of_reach_does_not_hide_the_other_jobs(both: Place) -> None:
    both.done("job", "create", "nightly")
    (both.root / "vault").rename(both.root / "unmounted")
    document = both.json("job", "list", code=8)
    assert document["jobs"][0]["state"] == "unknown"
    assert "is not there" in document["jobs"][0]["problems"][0]


def test_list_says_where_configuration_and_definition_differ(both: Place) -> None:
    both.done("job", "create", "nightly")
    both.edit('"daily 22:00"', '"immediate"')
    document = both.json("job", "list", code=8)
    assert "jobs.nightly.schedule" in document["jobs"][0]["problems"][0]
