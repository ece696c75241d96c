"""Slots come and go, epochs grow, and nothing that was written is ever locked away."""

from pathlib import Path

import pytest

from core.engine.keys import (
    FIRST_SLOT,
    SlotView,
    add_passphrase,
    add_recovery,
    export_keyset,
    list_keys,
    remove_slot,
    rotate_keys,
)
from core.errors import ConflictError, InputError, IntegrityError, NotFoundError
from core.format import keyset, names, wrapping
from core.sources.repository import Repository
from core.stores.store import Store
from tests.support.keysets import assert_copies_agree, keys_with, keysets_in, opens
from tests.support.repositories import SECRET, create_in, new_store, reopen

SECOND = "a second passphrase"


@pytest.fixture
def repository(encrypted: Store) -> Repository:
    return reopen(encrypted, SECRET)


@pytest.fixture
def store(encrypted: Store) -> Store:
    return encrypted


def test_the_first_slot_is_listed_without_a_secret(store: Store) -> None:
    assert list_keys(store) == (SlotView(name=FIRST_SLOT, kind="passphrase", is_usable=True),)


@pytest.mark.usefixtures("real_keys")
def test_an_added_passphrase_opens_the_same_keys(repository: Repository) -> None:
    add_passphrase(repository.store, SECRET, SECOND, "colleague")
    before = repository.keys
    assert before is not None
    for secret in (SECRET, SECOND):
        assert keys_with(repository.store, secret).ring == before.ring
    assert [slot.name for slot in list_keys(repository.store)] == [FIRST_SLOT, "colleague"]
    assert keysets_in(repository.store) == [
        "keys/1.json", "keys/2.json", "packs/keys-1.json", "packs/keys-2.json"
    ]  # fmt: skip
    assert_copies_agree(repository.store)


def test_adding_the_same_passphrase_again_changes_nothing(store: Store) -> None:
    add_passphrase(store, SECRET, SECOND, "colleague")
    before = keysets_in(store)
    add_passphrase(store, SECRET, SECOND, "colleague")
    assert keysets_in(store) == before


def test_a_recovery_key_opens_the_repository(repository: Repository) -> None:
    text = add_recovery(repository.store, SECRET, "safe")
    assert repository.keys is not None
    assert keys_with(repository.store, text).ring == repository.keys.ring
    assert list_keys(repository.store)[-1] == SlotView(name="safe", kind="recovery", is_usable=True)


def test_a_recovery_key_can_make_the_next_change(store: Store) -> None:
    text = add_recovery(store, SECRET, "safe")
    add_passphrase(store, text, SECOND, "new")
    assert opens(store, "keys/3.json", SECOND)


@pytest.mark.parametrize("name", [FIRST_SLOT, "safe"])
def test_names_are_unique(store: Store, name: str) -> None:
    add_recovery(store, SECRET, "safe")
    before = keysets_in(store)
    with pytest.raises(ConflictError, match=name):
        add_passphrase(store, SECRET, SECOND, name)
    with pytest.raises(ConflictError, match=name):
        add_recovery(store, SECRET, name)
    assert keysets_in(store) == before


def test_a_wrong_secret_changes_nothing(store: Store) -> None:
    for change in (
        lambda: add_passphrase(store, "wrong", SECOND, "new"),
        lambda: add_recovery(store, "wrong", "new"),
        lambda: remove_slot(store, "wrong", FIRST_SLOT),
        lambda: rotate_keys(store, "wrong"),
    ):
        with pytest.raises(InputError, match="passphrase"):
            change()
    assert keysets_in(store) == ["keys/1.json", "packs/keys-1.json"]


def test_an_empty_passphrase_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="empty"):
        add_passphrase(store, SECRET, "", "new")


def test_a_removed_passphrase_opens_nothing_that_is_left(store: Store) -> None:
    add_passphrase(store, SECRET, SECOND, "colleague")
    rotate_keys(store, SECRET)
    remove_slot(store, SECRET, "colleague")
    assert keysets_in(store) == ["keys/4.json", "packs/keys-4.json"]
    assert not any(opens(store, name, SECOND) for name in keysets_in(store))
    assert all(opens(store, name, SECRET) for name in keysets_in(store))


def test_one_may_remove_the_passphrase_one_came_in_with(store: Store) -> None:
    add_passphrase(store, SECRET, SECOND, "new")
    remove_slot(store, SECRET, FIRST_SLOT)
    assert [slot.name for slot in list_keys(store)] == ["new"]
    keys_with(store, SECOND)
    with pytest.raises(InputError, match="passphrase"):
        reopen(store, SECRET)


def test_the_last_way_in_stays(store: Store) -> None:
    with pytest.raises(ConflictError, match="last"):
        remove_slot(store, SECRET, FIRST_SLOT)
    keys_with(store, SECRET)


def test_an_unknown_name_cannot_be_removed(store: Store) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        remove_slot(store, SECRET, "nobody")


def test_a_rotation_seals_anew_and_keeps_what_was_sealed_before(repository: Repository) -> None:
    repository.write_object("jobs/old/1.json", b"before")
    assert rotate_keys(repository.store, SECRET) == 2
    rotated = reopen(repository.store, SECRET)
    rotated.write_object("jobs/new/1.json", b"after")
    assert rotated.read_object("jobs/old/1.json") == b"before"
    assert rotated.id_key == repository.id_key
    # The one who opened it before looks for newer keys by itself.
    assert repository.read_object("jobs/new/1.json") == b"after"
    assert rotate_keys(repository.store, SECRET) == 3


def test_no_change_of_keys_touches_data(repository: Repository) -> None:
    """A changed password wraps the keys anew and never encrypts data again (R9)."""
    repository.write_object("jobs/a/1.json", b"content")
    stored = repository.store.get("jobs/a/1.json")
    add_passphrase(repository.store, SECRET, SECOND, "new")
    remove_slot(repository.store, SECRET, FIRST_SLOT)
    rotate_keys(repository.store, SECOND)
    assert repository.store.get("jobs/a/1.json") == stored


def test_export_gives_the_newest_keyset(store: Store) -> None:
    rotate_keys(store, SECRET)
    exported = export_keyset(store)
    assert exported == store.get("keys/2.json")
    assert wrapping.unwrap(keyset.decode_keyset(exported), SECRET) is not None


def test_an_unencrypted_repository_has_no_keys_to_change(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store)
    for use in (list_keys, export_keyset, lambda store: rotate_keys(store, SECRET)):
        with pytest.raises(InputError, match="not encrypted"):
            use(store)


def test_lost_keysets_are_not_invented(store: Store) -> None:
    store.delete([names.keyset(1)])
    with pytest.raises(IntegrityError) as error:
        rotate_keys(store, SECRET)
    assert "rebuild" in error.value.hint
