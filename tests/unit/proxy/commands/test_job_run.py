"""One run of a job: what it copies, what it refuses, what it says."""

import pytest

from tests.cli.place import Place


@pytest.fixture
def ready(place: Place) -> Place:
    """A place with a job and one new point for it."""
    place.drop_encryption()
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    place.done("job", "create", "nightly")
    (place.tree / "a").write_bytes(b"content")
    place.done("backup", str(place.tree), "--to", "primary")
    return place


def test_a_run_copies_and_tells_what_happened(ready: Place) -> None:
    session = ready.json("job", "run", "nightly")["session"]
    assert session["status"] == "Success"
    assert (session["blob_count"], session["pack_count"], session["content_size"]) == (1, 1, 7)
    assert session["restore_point"]["item_count"] == 1
    assert session["restore_point"]["job"] == "nightly"
    assert session["stored_size"] > 0
    assert session["damaged_items"] == []


def test_people_read_the_same_in_words(ready: Place) -> None:
    answer = ready.done("job", "run", "nightly")
    for words in ("Success", "1 blob, 7 bytes", "1 pack", "bottleneck"):
        assert words in answer.out
    assert "Repacking" in answer.err
    assert "Nothing to copy" in ready.done("job", "run", "nightly").out


def test_a_dry_run_writes_nothing(ready: Place) -> None:
    before = sorted((ready.root / "vault").rglob("*"))
    document = ready.json("job", "run", "nightly", "--dry-run")
    assert document["source_point"]["item_count"] == 1
    assert document["unfinished_sessions"] == []
    assert "Would copy" in ready.done("job", "run", "nightly", "--dry-run").out
    assert sorted((ready.root / "vault").rglob("*")) == before
    ready.done("job", "run", "nightly")
    assert ready.json("job", "run", "nightly", "--dry-run")["source_point"] is None


def test_an_older_point_is_copied_when_asked_for(ready: Place) -> None:
    (ready.tree / "b").write_bytes(b"b")
    ready.done("backup", str(ready.tree), "--to", "primary")
    ready.done("job", "run", "nightly")
    points = ready.json("restore-point", "list", "primary")["restore_points"]
    old = points[0]["id"]
    session = ready.json("job", "run", "nightly", "--backfill", old[:20])["session"]
    assert session["source_point"] == old
    assert ready.run("job", "run", "nightly", "--backfill", old).code == 4
    assert ready.run("job", "run", "nightly", "--backfill", "1999").code == 3


def test_a_configuration_that_moved_away_from_the_definition_is_refused(ready: Place) -> None:
    ready.edit('"daily 22:00"', '"immediate"\nallow_damaged = true')
    error = ready.json("job", "run", "nightly", code=2)["error"]
    assert len(error["problems"]) == 2
    assert "jobs.nightly.schedule" in error["problems"][0]
    assert '"immediate"' in error["problems"][0]
    assert '"daily 22:00"' in error["problems"][0]
    assert "jobs.nightly.allow_damaged" in error["problems"][1]
    assert "job update nightly" in error["hint"]
    ready.done("job", "update", "nightly")
    ready.done("job", "run", "nightly")


def test_a_damaged_source_fails_the_session_and_names_the_item(ready: Place) -> None:
    (blob,) = (ready.root / "primary" / "blobs").rglob("*/*")
    blob.chmod(0o600)
    blob.write_bytes(b"damaged")
    answer = ready.run("job", "run", "nightly")
    assert answer.code == 7
    assert "Failed" in answer.out
    sessions = ready.json("session", "list", "nightly")["sessions"]
    shown = ready.json("session", "show", sessions[-1]["id"])["session"]
    assert shown["status"] == "Failed"
    assert [item["path"] for item in shown["damaged_items"]] == ["a"]


def test_damage_that_is_allowed_is_a_warning(ready: Place) -> None:
    ready.edit('"daily 22:00"', '"daily 22:00"\nallow_damaged = true')
    ready.done("job", "update", "nightly")
    (blob,) = (ready.root / "primary" / "blobs").rglob("*/*")
    blob.unlink()
    session = ready.json("job", "run", "nightly", code=8)["session"]
    assert session["status"] == "Warning"
    assert session["reasons"]
    assert session["restore_point"]["damaged_count"] == 1
