"""Sessions are found wherever they are, shown, and given orders."""

import os

import pytest

from core.engine.jobs import load_definition
from core.engine.run import next_point
from core.engine.session import claim_point, system_clock
from core.ids import JobId
from proxy.invocation import Invocation
from proxy.opening import open_named
from tests.cli.place import Place


@pytest.fixture
def copied(place: Place) -> Place:
    """A place with a backup and its copy."""
    place.drop_encryption()
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    place.done("job", "create", "nightly")
    (place.tree / "a").write_bytes(b"aaaa")
    place.done("backup", str(place.tree), "--to", "primary")
    place.done("job", "run", "nightly")
    return place


def claim_next(place: Place) -> str:
    """Back up once more and claim the point, as a run that was killed at once would."""
    (place.tree / "b").write_bytes(b"bbbb")
    place.done("backup", str(place.tree), "--to", "primary")
    invocation = Invocation(config_path=place.config, is_json=False)
    target, source = open_named(invocation, "vault"), open_named(invocation, "primary")
    definition = load_definition(target, JobId("nightly"))
    point = next_point(target, source, definition, None)
    assert point is not None
    return claim_point(target, definition, point, system_clock).session_id


def test_the_sessions_of_a_job_are_listed(copied: Place) -> None:
    (session,) = copied.json("session", "list", "nightly")["sessions"]
    assert (session["status"], session["job"], session["runner"]) == ("Success", "nightly", "local")
    assert (session["written_object_count"], session["content_size"]) == (1, 4)
    assert session["id"] in copied.done("session", "list", "nightly").out


def test_the_backups_into_a_repository_are_sessions_too(copied: Place) -> None:
    (session,) = copied.json("session", "list", "primary")["sessions"]
    assert (session["kind"], session["status"], session["job"]) == ("backup", "Success", None)
    assert (session["written_object_count"], session["content_size"]) == (1, 4)
    shown = copied.json("session", "show", session["id"])
    assert shown["repository"] == "primary"
    assert shown["session"]["id"] == session["id"]


def test_what_a_backup_skipped_is_shown_with_its_session(copied: Place) -> None:
    os.mkfifo(copied.tree / "pipe")
    assert copied.run("backup", str(copied.tree), "--to", "primary").code == 8
    session = copied.json("session", "list", "primary")["sessions"][-1]
    assert session["status"] == "Warning"
    shown = copied.json("session", "show", session["id"])["session"]
    assert [item["path"] for item in shown["skipped_items"]] == ["pipe"]
    assert "pipe: is a fifo" in copied.done("session", "show", session["id"]).out


def test_a_name_that_is_neither_job_nor_repository_is_not_found(copied: Place) -> None:
    assert copied.run("session", "list", "nigthly").code == 3


def test_a_session_is_shown_by_the_beginning_of_its_id(copied: Place) -> None:
    (session,) = copied.json("session", "list", "nightly")["sessions"]
    answer = copied.json("session", "show", session["id"][:12])
    shown = answer["session"]
    assert answer["repository"] == "vault"
    assert len(shown["attempts"]) == 1
    assert "log" not in shown["attempts"][0]
    out = copied.done("session", "show", session["id"]).out
    for words in ("Success", "ran on", "local", session["id"], "point"):
        assert words in out


def test_the_log_is_shown_when_asked_for(copied: Place) -> None:
    (session,) = copied.json("session", "list", "nightly")["sessions"]
    shown = copied.json("session", "show", session["id"], "--log")["session"]
    assert any("Repacking" in line for line in shown["attempts"][0]["log"])
    assert "Repacking" in copied.done("session", "show", session["id"], "--log").out


def test_an_unknown_session_is_not_found(copied: Place) -> None:
    answer = copied.run("session", "show", "zz")
    assert answer.code == 3
    assert "session list" in answer.err


def test_a_repository_out_of_reach_is_named_when_a_session_is_not_found(copied: Place) -> None:
    (copied.root / "vault").rename(copied.root / "unmounted")
    error = copied.json("session", "show", "zz", code=6)["error"]
    assert error["problems"][0].startswith("vault:")


def test_a_stopped_session_goes_on_when_resumed(copied: Place) -> None:
    session_id = claim_next(copied)
    assert copied.json("session", "show", session_id)["session"]["status"] == "Running"
    answer = copied.done("session", "stop", session_id)
    assert f"session resume {session_id}" in answer.out
    assert copied.json("session", "show", session_id)["session"]["status"] == "Stopped"
    refused = copied.run("job", "run", "nightly")
    assert refused.code == 5
    assert f"session resume {session_id}" in refused.err
    resumed = copied.json("session", "resume", session_id)["session"]
    assert (resumed["id"], resumed["status"]) == (session_id, "Success")


def test_an_abandoned_session_failed_and_its_point_is_copied_by_another(copied: Place) -> None:
    session_id = claim_next(copied)
    copied.done("session", "abandon", session_id)
    shown = copied.json("session", "show", session_id)["session"]
    assert (shown["status"], shown["reasons"]) == ("Failed", ["abandoned by its operator"])
    other = copied.json("job", "run", "nightly")["session"]
    assert other["id"] != session_id
    assert other["status"] == "Success"


@pytest.mark.parametrize("order", ["stop", "resume", "abandon"])
def test_an_ended_session_takes_no_orders(copied: Place, order: str) -> None:
    (session,) = copied.json("session", "list", "nightly")["sessions"]
    answer = copied.run("session", order, session["id"])
    assert answer.code == 4
    assert "already" in answer.err


def test_a_backup_takes_no_orders(copied: Place) -> None:
    (session,) = copied.json("session", "list", "primary")["sessions"]
    answer = copied.run("session", "stop", session["id"])
    assert answer.code == 2
    assert "Ctrl-C" in answer.err
