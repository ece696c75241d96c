"""Repositories are created once, in a place of their own, and checked whole."""

from tests.cli.place import Place


def test_create_makes_the_folder_and_describes_what_it_made(place: Place) -> None:
    document = place.json("repository", "create", "vault")
    assert (place.root / "vault" / "repository.json").is_file()
    assert document["repository"] == "vault"
    assert document["url"] == f"file://{place.root}/vault"
    assert document["is_encrypted"] is True
    assert document["retention_type"] == "snapshot-based"
    assert len(document["id"]) == 32


def test_create_advises_a_recovery_key_where_there_is_a_passphrase(place: Place) -> None:
    assert "key add vault --recovery" in place.done("repository", "create", "vault").out
    assert "--recovery" not in place.done("repository", "create", "primary").out


def test_a_place_that_holds_anything_else_is_refused_and_left_alone(place: Place) -> None:
    other = place.root / "primary" / "holiday.jpg"
    other.parent.mkdir()
    other.write_bytes(b"x")
    answer = place.run("repository", "create", "primary")
    assert answer.code == 2
    assert "not empty" in answer.err
    assert [path.name for path in other.parent.iterdir()] == ["holiday.jpg"]


def test_create_needs_its_secret_first(place: Place) -> None:
    place.passphrase.unlink()
    assert place.run("repository", "create", "vault").code == 2
    assert not (place.root / "vault").exists()


def test_a_secret_that_everybody_can_read_is_refused(place: Place) -> None:
    place.passphrase.chmod(0o644)
    answer = place.run("repository", "create", "vault")
    assert answer.code == 2
    assert "chmod 600" in answer.err


def test_check_shows_every_finding(place: Place) -> None:
    place.done("repository", "create", "vault")
    answer = place.run("repository", "check", "vault")
    assert answer.code in {0, 8}
    for what in ("identity", "keys", "create-only writes", "permission to delete"):
        assert what in answer.out


def test_check_tells_programs_level_and_hint(place: Place) -> None:
    place.done("repository", "create", "vault")
    place.write_passphrase("another")
    document = place.json("repository", "check", "vault", code=6)
    levels = {finding["what"]: finding["level"] for finding in document["findings"]}
    assert levels["keys"] == "error"
    assert levels["identity"] == "ok"
    assert all(
        finding.keys() == {"level", "what", "detail", "items", "hint"}
        for finding in document["findings"]
    )


def test_a_secret_that_cannot_be_had_is_one_finding_among_others(place: Place) -> None:
    place.done("repository", "create", "vault")
    place.passphrase.unlink()
    findings = place.json("repository", "check", "vault", code=6)["findings"]
    errors = [finding for finding in findings if finding["level"] == "error"]
    assert [finding["what"] for finding in errors] == ["the secret"]
    assert "cannot be read" in errors[0]["detail"]


def test_a_configuration_that_contradicts_the_repository_is_a_finding(place: Place) -> None:
    place.done("repository", "create", "vault")
    place.edit('"snapshot-based"', '"item-level"')
    findings = place.json("repository", "check", "vault", code=6)["findings"]
    errors = [finding for finding in findings if finding["level"] == "error"]
    assert [finding["what"] for finding in errors] == ["configuration"]


def test_a_folder_that_is_no_repository_cannot_be_checked(place: Place) -> None:
    (place.root / "primary").mkdir()
    answer = place.run("repository", "check", "primary")
    assert answer.code == 3
    assert "not a coldhaul repository" in answer.err
    assert list((place.root / "primary").iterdir()) == []
