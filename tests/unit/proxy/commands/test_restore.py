"""``restore`` brings back what was asked for and names what it could not."""

import pytest

from tests.cli.place import Place


@pytest.fixture
def primary(place: Place) -> Place:
    """A place with two backups."""
    place.done("repository", "create", "primary")
    (place.tree / "a").write_bytes(b"first")
    place.done("backup", str(place.tree), "--to", "primary")
    (place.tree / "a").write_bytes(b"second")
    (place.tree / "b").write_bytes(b"b")
    place.done("backup", str(place.tree), "--to", "primary")
    return place


def test_the_newest_point_is_restored_by_default(primary: Place) -> None:
    folder = primary.root / "restored"
    document = primary.json("restore", "primary", "--to", str(folder))
    assert (folder / "a").read_bytes() == b"second"
    assert (document["item_count"], document["content_size"]) == (2, 7)
    assert (document["failed_count"], document["failed_items"]) == (0, [])
    assert document["folder"] == str(folder)


def test_an_older_point_and_a_part_of_it_are_restored(primary: Place) -> None:
    points = primary.json("restore-point", "list", "primary")["restore_points"]
    folder = primary.root / "restored"
    answer = primary.done(
        "restore", "primary", "--to", str(folder), "--point", points[0]["id"], "--include", "a"
    )
    assert "1 item" in answer.out
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert (folder / "a").read_bytes() == b"first"


def test_what_is_there_is_kept_unless_told(primary: Place) -> None:
    folder = primary.root / "restored"
    folder.mkdir()
    (folder / "a").write_bytes(b"mine")
    error = primary.json("restore", "primary", "--to", str(folder), code=4)["error"]
    assert error["items"] == ["a: it is there already"]
    assert [path.name for path in folder.iterdir()] == ["a"]
    primary.done("restore", "primary", "--to", str(folder), "--overwrite")
    assert (folder / "a").read_bytes() == b"second"


@pytest.mark.parametrize("inner", ["primary", "vault/deep/inside"])
def test_a_repository_is_no_place_to_restore_into(primary: Place, inner: str) -> None:
    answer = primary.run("restore", "primary", "--to", str(primary.root / inner))
    assert answer.code == 2
    assert "repository" in answer.err
    assert not (primary.root / "vault").exists()


def test_damage_is_named_and_the_rest_is_restored(primary: Place) -> None:
    for blob in (primary.root / "primary" / "blobs").rglob("*/*"):
        content = blob.read_bytes()
        if b"second" in content:
            blob.write_bytes(content.replace(b"second", b"SECOND"))
    folder = primary.root / "restored"
    document = primary.json("restore", "primary", "--to", str(folder), code=7)
    (failed,) = document["failed_items"]
    assert (failed["path"], failed["category"]) == ("a", "integrity")
    assert [path.name for path in folder.iterdir()] == ["b"]
    answer = primary.run("restore", "primary", "--to", str(folder), "--overwrite")
    assert answer.code == 7
    assert "not restored: a:" in answer.err


def test_an_unknown_point_is_not_found(primary: Place) -> None:
    folder = str(primary.root / "restored")
    assert primary.run("restore", "primary", "--to", folder, "--point", "1999").code == 3


def test_a_url_of_a_folder_is_a_folder(primary: Place) -> None:
    folder = primary.root / "restored"
    document = primary.json("restore", "primary", "--to", folder.as_uri())
    assert (document["folder"], document["url"]) == (str(folder), None)
    assert (folder / "a").read_bytes() == b"second"


def test_a_store_has_to_be_declared_and_wanted(primary: Place) -> None:
    answer = primary.run("restore", "primary", "--to", "s3://bucket/x", "--store", "no-such")
    assert (answer.code, "[stores.no-such]" in answer.err) == (2, True)
    answer = primary.run(
        "restore", "primary", "--to", str(primary.root / "x"), "--store", "no-such"
    )
    assert (answer.code, "is a folder" in " ".join(answer.err.split())) == (2, True)
    assert primary.run("restore", "primary", "--to", "ftp://host/x").code == 2
