"""What is wrong is refused with the category it has, before anything is written."""

import json
import shutil
from collections.abc import Callable

import pytest

from tests.cli.place import Place


def names_below(place: Place) -> list[str]:
    return sorted(str(path) for path in place.root.rglob("*"))


def same_folder(place: Place) -> None:
    place.edit(f"{place.root}/vault", f"{place.root}/primary")


def same_folder_by_a_link(place: Place) -> None:
    (place.root / "door").symlink_to("primary")
    place.edit(f"{place.root}/vault", f"{place.root}/door")


def nested(place: Place) -> None:
    place.edit(f"{place.root}/vault", f"{place.root}/primary/vault")


def other_type(place: Place) -> None:
    place.edit(
        'retention_type = "snapshot-based"\nretention = "7 years"',
        'retention_type = "item-level"\nretention = "7 years"',
    )


def literal_secret(place: Place) -> None:
    place.edit(f"file:{place.passphrase}", "hunter2")


@pytest.mark.parametrize(
    "spoil", [same_folder, same_folder_by_a_link, nested, other_type, literal_secret]
)
@pytest.mark.parametrize(
    "words",
    [
        ("job", "create", "nightly"),
        ("job", "run", "nightly"),
        ("repository", "check", "primary"),
        ("restore", "primary", "--to", "restored"),
    ],
)
def test_a_wrong_configuration_stops_every_command_first(
    place: Place, spoil: Callable[[Place], None], words: tuple[str, ...]
) -> None:
    spoil(place)
    before = names_below(place)
    answer = place.run(*words)
    assert answer.code == 2
    assert "coldhaul.toml has" in answer.err
    assert "hunter2" not in answer.err
    assert names_below(place) == before


@pytest.mark.parametrize(
    "words",
    [
        ("backup", "tree", "--to", "primary"),
        ("repository", "check", "primary"),
        ("restore-point", "list", "primary"),
        ("item", "list", "primary"),
        ("restore", "primary", "--to", "restored"),
        ("verify", "primary"),
        ("session", "list", "primary"),
        ("job", "create", "nightly"),
    ],
)
def test_a_folder_that_is_no_repository_is_refused_and_left_alone(
    place: Place, words: tuple[str, ...]
) -> None:
    place.done("repository", "create", "vault")
    (place.root / "primary").mkdir()
    (place.root / "primary" / "holiday.jpg").write_bytes(b"x")
    before = names_below(place)
    answer = place.run(*words)
    assert answer.code == 3
    assert "not a coldhaul repository" in answer.err
    assert names_below(place) == before


def test_a_missing_folder_is_taken_for_a_disk_that_is_not_mounted(place: Place) -> None:
    answer = place.run("restore-point", "list", "primary")
    assert answer.code == 6
    assert "mount" in answer.err


def edit_identity(place: Place, **changed: object) -> None:
    path = place.root / "primary" / "repository.json"
    path.chmod(0o600)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_a_repository_of_a_newer_format_asks_for_a_newer_coldhaul(place: Place) -> None:
    place.done("repository", "create", "primary")
    edit_identity(place, format_version=2)
    answer = place.run("restore-point", "list", "primary")
    assert answer.code == 2
    assert "newer coldhaul" in answer.err


def test_a_damaged_identity_is_damage(place: Place) -> None:
    place.done("repository", "create", "primary")
    edit_identity(place, format=1)
    assert place.run("restore-point", "list", "primary").code == 7


def test_a_wrong_passphrase_is_an_input_error(place: Place) -> None:
    place.done("repository", "create", "vault")
    place.write_passphrase("wrong")
    for words in (("restore-point", "list", "vault"), ("verify", "vault"), ("key", "rotate")):
        answer = place.run(*words, *(["vault"] if words[0] == "key" else []))
        assert answer.code == 2
        assert "does not open" in answer.err


def test_a_copy_of_a_repository_is_no_second_repository(place: Place) -> None:
    place.edit(f'encryption.passphrase = "file:{place.passphrase}"', "")
    place.done("repository", "create", "primary")
    shutil.copytree(place.root / "primary", place.root / "vault")
    answer = place.run("job", "create", "nightly")
    assert answer.code == 2
    assert "same repository" in answer.err
