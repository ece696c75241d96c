"""``rebuild`` says what it brought back, what was there, and what it had to refuse."""

import shutil

import pytest

from tests.cli.place import Place


@pytest.fixture
def copied(place: Place) -> Place:
    """A place whose vault holds one copied point."""
    place.drop_encryption()
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    place.done("job", "create", "nightly")
    (place.tree / "a").write_bytes(b"content")
    place.done("backup", str(place.tree), "--to", "primary")
    place.done("job", "run", "nightly")
    return place


def lose(place: Place, *names: str) -> None:
    for name in names:
        path = place.root / "vault" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_nothing_is_lost_and_nothing_is_done(copied: Place) -> None:
    document = copied.json("rebuild", "vault")
    assert (document["published_points"], document["existing_point_count"]) == ([], 1)
    assert (document["restored_names"], document["problems"]) == ([], [])
    assert "1 restore point existed already" in copied.done("rebuild", "vault").out


def test_what_was_lost_is_named_when_it_is_back(copied: Place) -> None:
    (before,) = copied.json("restore-point", "list", "vault")["restore_points"]
    lose(copied, "repository.json", "restore-points", "index", "layers")
    document = copied.json("rebuild", "vault")
    assert document["published_points"] == [before["id"]]
    assert document["restored_names"] == ["repository.json"]
    assert (document["restored_layer_count"], document["restored_index_count"]) == (1, 1)
    assert copied.json("restore-point", "list", "vault")["restore_points"] == [before]


def test_people_read_the_same_in_words(copied: Place) -> None:
    lose(copied, "restore-points", "index", "layers")
    out = copied.done("rebuild", "vault").out
    assert "Published restore point" in out
    assert "2 tables" in out


def test_a_point_that_lacks_a_pack_is_refused(copied: Place) -> None:
    lose(copied, "restore-points")
    packs = copied.root / "vault" / "packs"
    (pack,) = (path for path in packs.glob("*/*") if not path.name.startswith("meta-"))
    pack.unlink()
    document = copied.json("rebuild", "vault", code=7)
    assert document["published_points"] == []
    assert len(document["refused"]) == 1


def test_a_folder_without_packs_is_no_repository(place: Place) -> None:
    (place.root / "vault").mkdir()
    assert place.run("rebuild", "vault").code == 3
