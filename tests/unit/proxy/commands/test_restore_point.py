"""Restore points are listed oldest first and found by the beginning of their ids."""

import pytest

from tests.cli.place import Place


@pytest.fixture
def primary(place: Place) -> Place:
    """A place with two backups."""
    place.done("repository", "create", "primary")
    for name in ("a", "b"):
        (place.tree / name).write_bytes(name.encode())
        place.done("backup", str(place.tree), "--to", "primary")
    return place


def test_points_are_listed_oldest_first(primary: Place) -> None:
    points = primary.json("restore-point", "list", "primary")["restore_points"]
    assert [point["item_count"] for point in points] == [1, 2]
    assert points[0]["time"] < points[1]["time"]
    out = primary.done("restore-point", "list", "primary").out
    assert [point["id"] for point in points] == [line.split()[0] for line in out.splitlines()[1:]]


def test_a_point_is_shown_with_its_layers(primary: Place) -> None:
    newest = primary.json("restore-point", "list", "primary")["restore_points"][-1]
    answer = primary.json("restore-point", "show", "primary", newest["id"][:22])
    document = answer["restore_point"]
    assert answer["repository"] == "primary"
    assert {key: document[key] for key in newest} == newest
    assert sum(layer["row_count"] for layer in document["layers"]) >= 1
    shown = primary.done("restore-point", "show", "primary", newest["id"]).out
    assert newest["session"] in shown


def test_an_ambiguous_beginning_is_a_conflict(primary: Place) -> None:
    assert primary.run("restore-point", "show", "primary", "2").code == 4


def test_an_unknown_point_is_not_found(primary: Place) -> None:
    assert primary.run("restore-point", "show", "primary", "1999").code == 3


def test_an_empty_repository_has_an_empty_list(place: Place) -> None:
    place.done("repository", "create", "primary")
    assert place.json("restore-point", "list", "primary")["restore_points"] == []
