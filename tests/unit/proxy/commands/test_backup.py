"""``backup`` says what it read and stored, and lists what it could not."""

import os

import pytest

from tests.cli.place import Place


@pytest.fixture
def primary(place: Place) -> Place:
    """A place with the hot repository and a small tree."""
    place.done("repository", "create", "primary")
    (place.tree / "a").write_bytes(b"aaaa")
    (place.tree / "empty").mkdir()
    return place


def test_a_backup_makes_a_point_and_describes_it(primary: Place) -> None:
    document = primary.json("backup", str(primary.tree), "--to", "primary")
    assert document["restore_point"]["item_count"] == 2
    assert document["restore_point"]["kind"] == "backup"
    assert (document["read_count"], document["read_size"]) == (1, 4)
    assert (document["skipped_count"], document["skipped_items"]) == (0, [])


def test_only_what_changed_is_read_again(primary: Place) -> None:
    primary.done("backup", str(primary.tree), "--to", "primary")
    (primary.tree / "b").write_bytes(b"bb")
    answer = primary.done("backup", str(primary.tree), "--to", "primary")
    assert "1 new or changed" in answer.out


def test_what_is_skipped_is_listed_and_ends_with_8(primary: Place) -> None:
    os.mkfifo(primary.tree / "pipe")
    os.mkfifo(os.fsencode(primary.tree) + b"/p\xff")
    document = primary.json("backup", str(primary.tree), "--to", "primary", code=8)
    skipped = sorted(document["skipped_items"], key=lambda item: item["path"])
    assert skipped[1]["path"] == "pipe"
    assert bytes.fromhex(skipped[0]["path_hex"]) == b"p\xff"
    answer = primary.run("backup", str(primary.tree), "--to", "primary")
    assert answer.code == 8
    assert "skipped pipe: is a fifo" in answer.err


def test_a_missing_folder_is_refused(primary: Place) -> None:
    answer = primary.run("backup", str(primary.root / "none"), "--to", "primary")
    assert answer.code == 2
    assert "none" in answer.err


def test_a_folder_around_a_repository_is_refused(primary: Place) -> None:
    answer = primary.run("backup", str(primary.root), "--to", "primary")
    assert answer.code == 2
    assert "repository 'primary'" in answer.err
    assert "repository 'vault'" in answer.err


def test_a_repository_holds_one_data_set(primary: Place) -> None:
    primary.done("backup", str(primary.tree), "--to", "primary")
    other = primary.root / "other"
    other.mkdir()
    assert primary.run("backup", str(other), "--to", "primary").code == 2


def test_the_target_has_to_be_named(primary: Place) -> None:
    answer = primary.run("backup", str(primary.tree))
    assert answer.code == 2
    assert "--to" in answer.err
