"""Keys come and go; data and the last way in stay."""

import json
import os

import pytest

from tests.cli.place import PASSPHRASE, Place


@pytest.fixture
def vault(place: Place) -> Place:
    """A place with the encrypted repository created."""
    place.done("repository", "create", "vault")
    return place


def key_names(place: Place) -> list[str]:
    return [key["name"] for key in place.json("key", "list", "vault")["keys"]]


def test_keys_are_listed_without_a_secret(vault: Place) -> None:
    vault.passphrase.unlink()
    assert vault.json("key", "list", "vault") == {
        "repository": "vault",
        "keys": [{"name": "main", "kind": "passphrase", "is_usable": True, "cloud_key": None}],
    }
    assert "passphrase" in vault.done("key", "list", "vault").out


def test_a_passphrase_is_changed_by_adding_and_removing(
    vault: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXT", "tr0ub4dor and 3")
    vault.done("key", "add", "vault", "--name", "next", "--passphrase", "env:NEXT")
    assert key_names(vault) == ["main", "next"]
    vault.write_passphrase("tr0ub4dor and 3")
    vault.done("key", "remove", "vault", "main")
    assert key_names(vault) == ["next"]
    vault.write_passphrase(PASSPHRASE)
    answer = vault.run("key", "rotate", "vault")
    assert answer.code == 2
    assert "does not open" in answer.err


def test_removing_the_key_in_use_is_done_and_warned_of(vault: Place) -> None:
    vault.done("key", "add", "vault", "--recovery")
    answer = vault.run("key", "remove", "vault", "main")
    assert answer.code == 8
    assert "no longer opens" in answer.err


def test_a_recovery_key_opens_in_place_of_the_passphrase(vault: Place) -> None:
    document = vault.json("key", "add", "vault", "--recovery", "--name", "paper")
    assert (document["name"], document["kind"]) == ("paper", "recovery")
    vault.write_passphrase(document["recovery_key"])
    assert vault.json("key", "rotate", "vault")["epoch_count"] == 2


def test_the_last_key_stays(vault: Place) -> None:
    answer = vault.run("key", "remove", "vault", "main")
    assert answer.code == 4
    assert "last key" in answer.err


def test_an_unknown_key_is_not_found(vault: Place) -> None:
    assert vault.run("key", "remove", "vault", "mian").code == 3


def test_rotation_keeps_the_passphrase(vault: Place) -> None:
    assert vault.json("key", "rotate", "vault") == {"repository": "vault", "epoch_count": 2}
    assert "epoch 3" in vault.done("key", "rotate", "vault").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recovery", "--passphrase", "env:NEXT", "--name", "x"], "exclude each other"),
        (["--passphrase", "env:NEXT"], "needs a name"),
        (["--name", "x", "--passphrase", "hunter2"], "not a reference"),
        (["--name", "x", "--passphrase", "env:NOT_SET_ANYWHERE"], "not set"),
    ],
)
def test_a_key_that_cannot_be_added_is_refused_with_the_reason(
    vault: Place, words: list[str], said: str
) -> None:
    answer = vault.run("key", "add", "vault", *words)
    assert answer.code == 2
    assert said in answer.err
    assert "hunter2" not in answer.err
    assert key_names(vault) == ["main"]


def test_without_a_terminal_a_new_passphrase_needs_a_reference(vault: Place) -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    process = vault.start("key", "add", "vault", "--name", "x")
    _, err = process.communicate(input="", timeout=60)
    os.close(read_end)
    assert process.returncode == 2
    assert "--passphrase env:NAME" in err


def test_the_keyset_is_exported_as_it_is_stored(vault: Place) -> None:
    stored = json.loads((vault.root / "vault" / "keys" / "1.json").read_text())
    assert json.loads(vault.done("key", "export", "vault").out) == stored
    assert vault.json("key", "export", "vault") == {"repository": "vault", "keyset": stored}


def test_an_exported_file_is_private_and_never_overwritten(vault: Place) -> None:
    file = vault.root / "keyset.json"
    assert vault.json("key", "export", "vault", "--to", str(file))["file"] == str(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert vault.run("key", "export", "vault", "--to", str(file)).code == 4
    assert vault.run("key", "export", "vault", "--to", str(file / "x")).code == 6


def test_an_unencrypted_repository_has_no_keys(place: Place) -> None:
    place.done("repository", "create", "primary")
    answer = place.run("key", "list", "primary")
    assert answer.code == 2
    assert "not encrypted" in answer.err
    assert place.run("key", "rotate", "primary").code == 2
