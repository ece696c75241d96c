"""Changes of keysets that were stopped halfway, met others, or lost their answers."""

from pathlib import Path

import pytest

from core.engine.keys import (
    FIRST_SLOT,
    add_passphrase,
    add_recovery,
    list_keys,
    remove_slot,
    rotate_keys,
)
from core.errors import InputError
from core.format import keyset, names
from core.stores.store import Store
from tests.support.keysets import assert_copies_agree, keys_with, keysets_in, opens
from tests.support.repositories import SECRET, create_in, names_in, new_store, reopen
from tests.support.stores import Hooked, Kind, LostAnswer

SECOND = "a second passphrase"


@pytest.fixture
def store(encrypted: Store) -> Store:
    return encrypted


def test_a_missing_copy_beside_the_packs_is_written_again(store: Store) -> None:
    store.delete([names.packed_keyset(1)])
    rotate_keys(store, SECRET)
    assert_copies_agree(store)


def test_an_unfinished_change_is_finished_by_the_next(store: Store) -> None:
    add_passphrase(store, SECRET, SECOND, "colleague")
    store.delete([names.keyset(2)])
    assert rotate_keys(store, SECRET) == 2
    assert opens(store, names.keyset(3), SECOND)
    assert_copies_agree(store)
    assert names.keyset(2) in names_in(store)


def test_an_unfinished_removal_shuts_the_removed_one_out(store: Store) -> None:
    add_passphrase(store, SECRET, SECOND, "colleague")
    first, second = store.get(names.keyset(1)), store.get(names.keyset(2))
    remove_slot(store, SECRET, "colleague")
    # As if it had been stopped before its version counted.
    store.delete([names.keyset(3)])
    for version, stored in ((1, first), (2, second)):
        store.put(names.keyset(version), stored)
        store.put(names.packed_keyset(version), stored)
    with pytest.raises(InputError, match="passphrase"):
        rotate_keys(store, SECOND)
    assert keysets_in(store) == ["keys/3.json", "packs/keys-3.json"]


@pytest.mark.parametrize("kept", [0, 1])
def test_a_removal_stopped_while_deleting_is_finished_by_repeating_it(
    store: Store, kept: int
) -> None:
    add_passphrase(store, SECRET, SECOND, "colleague")
    name = (names.keyset(2), names.packed_keyset(2))[kept]
    left = store.get(name)
    remove_slot(store, SECRET, "colleague")
    store.put(name, left)
    remove_slot(store, SECRET, "colleague")
    assert keysets_in(store) == ["keys/3.json", "packs/keys-3.json"]


def test_an_older_keyset_that_cannot_be_read_goes_with_a_removal(store: Store) -> None:
    add_passphrase(store, SECRET, SECOND, "colleague")
    store.delete([names.keyset(1)])
    store.put(names.keyset(1), b"{")
    remove_slot(store, SECRET, "colleague")
    assert keysets_in(store) == ["keys/3.json", "packs/keys-3.json"]


def test_a_foreign_keyset_beside_the_packs_is_ignored(store: Store, tmp_path: Path) -> None:
    """It opens with another key-encryption key, so no change of these keys left it."""
    other = new_store(tmp_path / "other")
    create_in(other, SECRET)
    rotate_keys(other, SECRET)
    store.put(names.packed_keyset(2), other.get(names.packed_keyset(2)))
    before = keys_with(store, SECRET).ring
    assert rotate_keys(store, SECRET) == 2
    assert names.keyset(2) not in names_in(store, names.KEYS)
    assert keys_with(store, SECRET).ring.epochs[:-1] == before.epochs


def test_a_keyset_that_lacks_an_epoch_is_never_made_to_count(store: Store) -> None:
    rotate_keys(store, SECRET)
    kek = keys_with(store, SECRET).kek
    ring = keyset.new_key_ring()
    sealed = keyset.seal_key_ring(kek, ring, reopen(store, SECRET).identity.id, 3)
    stale = keyset.Keyset(version=3, slots=(), sealed_keys=sealed)
    store.put(names.packed_keyset(3), keyset.encode_keyset(stale))
    before = keys_with(store, SECRET).ring
    add_passphrase(store, SECRET, SECOND, "new")
    assert keys_with(store, SECOND).ring == before
    assert keys_with(store, SECOND).version == 4


@pytest.mark.parametrize("moment", [("put", "packs/keys-2.json"), ("put", "keys/2.json")])
def test_of_two_changes_at_once_none_is_lost(store: Store, moment: tuple[Kind, str]) -> None:
    """Each rotation is in the end, whoever is interrupted by the other and where."""
    happened = False

    def other_rotates(kind: Kind, name: str) -> None:
        nonlocal happened
        if (kind, name) == moment and not happened:
            happened = True
            rotate_keys(store, SECRET)

    first = keys_with(store, SECRET).ring
    add_passphrase(Hooked(store, other_rotates), SECRET, SECOND, "colleague")
    assert happened
    newest = keys_with(store, SECOND)
    assert newest.ring.epochs[:1] == first.epochs
    assert len(newest.ring.epochs) == 2
    assert_copies_agree(store)


@pytest.mark.parametrize("moment", [("put", "packs/keys-3.json"), ("put", "keys/3.json")])
def test_a_change_that_a_removal_overtakes_is_in_the_end(
    store: Store, moment: tuple[Kind, str]
) -> None:
    """Its number may be deleted and free again: it still neither wins nor gets lost."""
    add_passphrase(store, SECRET, SECOND, "colleague")
    happened = False

    def other_removes(kind: Kind, name: str) -> None:
        nonlocal happened
        if (kind, name) == moment and not happened:
            happened = True
            rotate_keys(store, SECRET)
            remove_slot(store, SECRET, "colleague")

    text = add_recovery(Hooked(store, other_removes), SECRET, "safe")
    assert happened
    assert len(keys_with(store, text).ring.epochs) == 2
    assert not any(opens(store, name, SECOND) for name in keysets_in(store))
    assert_copies_agree(store)


def test_who_opens_while_a_key_is_removed_gets_the_new_version(store: Store) -> None:
    add_passphrase(store, SECRET, SECOND, "colleague")
    happened = False

    def other_removes(kind: Kind, name: str) -> None:
        nonlocal happened
        if (kind, name) == ("get", names.keyset(2)) and not happened:
            happened = True
            remove_slot(store, SECRET, "colleague")

    assert keys_with(Hooked(store, other_removes), SECRET).version == 3


def test_lost_answers_do_no_harm(store: Store) -> None:
    losing = LostAnswer(store)
    add_passphrase(losing, SECRET, SECOND, "colleague")
    assert rotate_keys(losing, SECOND) == 2
    remove_slot(losing, SECOND, FIRST_SLOT)
    assert [slot.name for slot in list_keys(store)] == ["colleague"]
    assert_copies_agree(store)
