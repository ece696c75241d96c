"""Items are listed in path order, whatever their names are."""

import os

import pytest

from tests.cli.place import Place


@pytest.fixture
def primary(place: Place) -> Place:
    """A place with a backup of some odd things."""
    place.done("repository", "create", "primary")
    (place.tree / "photos").mkdir()
    (place.tree / "photos" / "b.jpg").write_bytes(b"bb")
    (place.tree / "a.txt").write_bytes(b"aaa")
    os.utime(place.tree / "a.txt", ns=(0, 1_000_000_000_000_000_001))
    (place.tree / "a.txt").chmod(0o640)
    (place.tree / "link").symlink_to("a.txt")
    (place.tree / "photos" / "bad").symlink_to(b"\xff")
    with open(os.fsencode(place.tree) + b"/new\nline\xff", "wb"):
        pass
    place.done("backup", str(place.tree), "--to", "primary")
    return place


def test_items_are_listed_in_the_order_of_their_paths(primary: Place) -> None:
    document = primary.json("item", "list", "primary")
    items = document["items"]
    assert document["restore_point"].startswith("20")
    assert [item["path"] for item in items] == [
        "a.txt",
        "link",
        '"new\\nline\\xff"',
        "photos",
        "photos/b.jpg",
        "photos/bad",
    ]
    assert items[0] == {
        "path": "a.txt",
        "kind": "file",
        "size": 3,
        "modified": "2001-09-09T01:46:40.000000001+00:00",
        "mode": "0640",
        "blob_count": 1,
        "is_damaged": False,
    }
    assert items[1]["link_target"] == "a.txt"
    assert bytes.fromhex(items[2]["path_hex"]) == b"new\nline\xff"
    assert items[3]["kind"] == "folder"
    assert bytes.fromhex(items[5]["link_target_hex"]) == b"\xff"


def test_people_get_one_line_for_each_item(primary: Place) -> None:
    lines = primary.done("item", "list", "primary").out.splitlines()
    assert len(lines) == 6
    assert lines[0] == "- 0640    3 bytes 2001-09-09 01:46:40  a.txt"
    assert lines[1].endswith("link -> a.txt")
    assert lines[2].endswith('"new\\nline\\xff"')


def test_a_pattern_chooses(primary: Place) -> None:
    items = primary.json("item", "list", "primary", "--include", "**/*.jpg", "--include", "a*")
    assert [item["path"] for item in items["items"]] == ["a.txt", "photos/b.jpg"]


def test_a_pattern_that_fits_nothing_is_not_found(primary: Place) -> None:
    error = primary.json("item", "list", "primary", "--include", "none", code=3)["error"]
    assert "'none'" in error["message"]


def test_an_older_point_is_listed_by_its_id(primary: Place) -> None:
    point = primary.json("item", "list", "primary")["restore_point"]
    (primary.tree / "z").write_bytes(b"z")
    primary.done("backup", str(primary.tree), "--to", "primary")
    assert len(primary.json("item", "list", "primary")["items"]) == 7
    assert len(primary.json("item", "list", "primary", "--point", point[:22])["items"]) == 6


def test_a_repository_without_points_has_nothing_to_list(place: Place) -> None:
    place.done("repository", "create", "primary")
    assert place.run("item", "list", "primary").code == 3
