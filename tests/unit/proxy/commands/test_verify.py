"""``verify`` says what it looked at, and names damage and what it touches."""

import pytest

from core.errors import InputError
from proxy.commands.verify import parse_share
from tests.cli.place import Place


@pytest.fixture
def primary(place: Place) -> Place:
    """A place with a backup."""
    place.done("repository", "create", "primary")
    (place.tree / "a").write_bytes(b"content")
    place.done("backup", str(place.tree), "--to", "primary")
    return place


def test_a_whole_repository_has_no_findings(primary: Place) -> None:
    document = primary.json("verify", "primary")
    assert (document["finding_count"], document["findings"]) == (0, [])
    assert document["read_percent"] == 0
    assert document["counts"]["point_count"] == 1
    assert document["counts"]["loose_blob_count"] == 1
    answer = primary.done("verify", "primary")
    assert "No damage found" in answer.out
    assert "not read" in answer.out


def test_data_is_read_when_asked_for(primary: Place) -> None:
    document = primary.json("verify", "primary", "--read-data")
    assert document["read_percent"] == 100
    assert document["counts"]["read"]["blob_count"] == 1
    assert primary.json("verify", "--read-data", "10%", "primary")["read_percent"] == 10


def test_damage_is_named_with_what_it_touches(primary: Place) -> None:
    (blob,) = (primary.root / "primary" / "blobs").rglob("*/*")
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    document = primary.json("verify", "primary", "--read-data", code=7)
    (finding,) = document["findings"]
    assert finding["name"].endswith(blob.name)
    assert len(finding["restore_points"]) == 1
    assert finding["item_count"] == 1
    answer = primary.run("verify", "primary", "--read-data=all")
    assert answer.code == 7
    assert "touches 1 item" in answer.out


@pytest.mark.parametrize(
    ("text", "percent"), [("", 0), ("all", 100), ("1%", 1), ("100%", 100), ("010%", 10)]
)
def test_a_share_is_all_or_a_percentage(text: str, percent: int) -> None:
    assert parse_share(text) == percent


@pytest.mark.parametrize("text", ["0%", "101%", "10", "1.5%", "-1%", "%", "none", "1\u0660%"])
def test_anything_else_is_no_share(text: str) -> None:
    with pytest.raises(InputError, match="is not a share"):
        parse_share(text)
