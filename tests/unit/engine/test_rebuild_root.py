"""Identity, keys and texts come back from beside the packs, whatever of them is left."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.create import explanations
from core.engine.keys import add_cloud_key, add_recovery, remove_slot, rotate_keys
from core.engine.rebuild_root import Problem, RootRestorer
from core.errors import InputError, IntegrityError, NotFoundError
from core.format import keyset, names, slots
from core.sources.repository import Repository
from core.sources.unlocking import Secret
from core.stores.aws_kms import KmsKey
from core.stores.settings import StoreSettings
from core.stores.store import Store
from tests.emulators.services import AmazonService
from tests.support.repositories import SECRET, create_in, names_in, new_store, reopen


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Create a repository with two keyset versions and a recovery key, which opens at once."""
    folder = tmp_path_factory.mktemp("vault")
    store = new_store(folder)
    create_in(store, SECRET)
    return folder, add_recovery(store, SECRET, "safe")


@pytest.fixture
def store(vault: tuple[Path, str], tmp_path: Path) -> Store:
    shutil.copytree(vault[0], tmp_path / "vault")
    return new_store(tmp_path / "vault")


@pytest.fixture
def recovery(vault: tuple[Path, str]) -> str:
    return vault[1]


def restore(store: Store, secret: Secret) -> tuple[Repository, list[str], list[Problem]]:
    root = RootRestorer(store)
    repository = root.open(lambda: secret)
    return repository, root.restored, root.problems


def lose_hot(store: Store) -> None:
    store.delete([name for name in names_in(store) if not name.startswith(names.PACKS)])


def test_everything_at_the_root_comes_back(store: Store, recovery: str) -> None:
    lost = reopen(store, recovery)
    lose_hot(store)
    repository, restored, problems = restore(store, recovery)
    assert (repository.identity, repository.keys) == (lost.identity, lost.keys)
    assert set(restored) == {names.REPOSITORY, names.keyset(2), *explanations()}
    assert problems == []
    assert reopen(store, recovery).keys == lost.keys


def test_what_is_whole_stays_as_it_is(store: Store, recovery: str) -> None:
    before = names_in(store)
    assert restore(store, recovery)[1:] == ([], [])
    assert names_in(store) == before


def test_copies_beside_the_packs_come_back_as_well(store: Store, recovery: str) -> None:
    lost = [names.PACKED_REPOSITORY, names.packed_keyset(2)]
    store.delete(lost)
    _, restored, problems = restore(store, recovery)
    assert (sorted(restored), problems) == (sorted(lost), [])


@pytest.mark.parametrize("damaged", [names.REPOSITORY, names.PACKED_REPOSITORY])
def test_one_readable_identity_is_enough(store: Store, recovery: str, damaged: str) -> None:
    store.delete([damaged])
    store.put(damaged, b"{")
    _, restored, problems = restore(store, recovery)
    assert [problem.name for problem in problems] == [damaged]
    assert restored == []
    assert store.get(damaged) == b"{"


def test_identities_that_differ_are_told(store: Store, recovery: str) -> None:
    other = store.get(names.REPOSITORY).replace(b'"zstd_level": 3', b'"zstd_level": 4')
    store.delete([names.REPOSITORY])
    store.put(names.REPOSITORY, other)
    _, _, problems = restore(store, recovery)
    assert [problem.name for problem in problems] == [names.REPOSITORY]
    assert "differs" in problems[0].reason


def test_without_an_identity_there_is_nothing_to_rebuild(store: Store, recovery: str) -> None:
    store.delete([names.REPOSITORY, names.PACKED_REPOSITORY])
    with pytest.raises(NotFoundError, match="neither"):
        restore(store, recovery)


def test_the_newest_epoch_comes_back(store: Store, recovery: str) -> None:
    rotate_keys(store, recovery)
    keys = reopen(store, recovery).keys
    lose_hot(store)
    repository, *_ = restore(store, recovery)
    assert repository.keys == keys


def test_a_version_that_is_left_under_keys_does_not_hide_a_newer_one(
    store: Store, recovery: str
) -> None:
    rotate_keys(store, recovery)
    keys = reopen(store, recovery).keys
    store.delete([names.keyset(3)])
    repository, restored, _ = restore(store, recovery)
    assert repository.keys == keys
    assert restored == [names.keyset(3)]


def test_an_orphan_that_shuts_the_secret_out_is_passed_over(store: Store, recovery: str) -> None:
    """It is the unfinished removal of this secret: what was written by then still opens."""
    keys = reopen(store, recovery).keys
    older = store.get(names.packed_keyset(2))
    remove_slot(store, SECRET, "safe")
    lose_hot(store)
    store.put(names.packed_keyset(2), older)
    repository, restored, problems = restore(store, recovery)
    assert repository.keys == keys
    assert names.keyset(2) in restored
    assert names.keyset(3) not in names_in(store)
    assert problems == []


def test_a_damaged_keyset_is_told_and_the_one_before_it_opens(store: Store, recovery: str) -> None:
    lose_hot(store)
    store.put(names.packed_keyset(3), b"{")
    repository, _, problems = restore(store, recovery)
    assert repository.keys is not None
    assert repository.keys.version == 2
    assert [problem.name for problem in problems] == [names.packed_keyset(3)]


@pytest.mark.parametrize("damaged", [names.keyset(2), names.packed_keyset(2)])
def test_a_damaged_copy_of_the_keyset_is_told_wherever_it_is(
    store: Store, recovery: str, damaged: str
) -> None:
    store.delete([damaged])
    store.put(damaged, b"{")
    _, restored, problems = restore(store, recovery)
    assert restored == []
    assert [problem.name for problem in problems] == [damaged]
    assert "delete it and run this again" in problems[0].reason
    store.delete([damaged])
    assert restore(store, recovery)[1:] == ([damaged], [])


def test_a_keyset_that_counts_and_does_not_open_is_told(store: Store, recovery: str) -> None:
    older = {name: store.get(name) for name in (names.keyset(2), names.packed_keyset(2))}
    remove_slot(store, SECRET, "safe")
    for name, stored in older.items():
        store.put(name, stored)
    _, _, problems = restore(store, recovery)
    assert [problem.name for problem in problems] == [names.keyset(3)]


@pytest.mark.parametrize("wrong", ["wrong", None])
def test_without_the_secret_no_key_comes_back(store: Store, wrong: str | None) -> None:
    lose_hot(store)
    with pytest.raises(InputError, match="passphrase"):
        RootRestorer(store).open(None if wrong is None else lambda: wrong)
    assert names_in(store, names.KEYS) == []


def test_a_mistyped_recovery_key_is_told_as_such(store: Store, recovery: str) -> None:
    mistyped = recovery[:-1] + ("A" if recovery[-1] != "A" else "B")
    with pytest.raises(InputError, match="typing error"):
        restore(store, mistyped)


@pytest.fixture
def key(amazon: AmazonService) -> KmsKey:
    return KmsKey(amazon.new_key(), StoreSettings())


def test_a_cloud_key_brings_the_keys_back(store: Store, recovery: str, key: KmsKey) -> None:
    """What KMS is told is in a copy beside the packs as well: the repository's id (I8)."""
    add_cloud_key(store, recovery, key, "cloud")
    lost = reopen(store, key)
    lose_hot(store)
    repository, restored, problems = restore(store, key)
    assert (repository.identity, repository.keys) == (lost.identity, lost.keys)
    assert names.keyset(3) in restored
    assert problems == []


def test_an_older_keyset_with_a_whole_slot_is_enough(
    store: Store, recovery: str, key: KmsKey
) -> None:
    add_cloud_key(store, recovery, key, "cloud")
    rotate_keys(store, recovery)
    break_slot(store, names.packed_keyset(4))
    lose_hot(store)
    repository, _, problems = restore(store, key)
    assert repository.keys is not None
    assert repository.keys.version == 3
    assert "key slot 'cloud' is damaged" in problems[0].reason


def test_a_damaged_slot_is_told_and_its_keyset_never_to_be_deleted(
    store: Store, recovery: str, key: KmsKey
) -> None:
    """The keyset is whole for every other secret."""
    add_cloud_key(store, recovery, key, "cloud")
    remove_slot(store, recovery, "main")
    break_slot(store, names.packed_keyset(4))
    lose_hot(store)
    root = RootRestorer(store)
    with pytest.raises(IntegrityError, match="key slot 'cloud' is damaged"):
        root.open(lambda: key)
    assert not any("delete it" in problem.reason for problem in root.problems)
    assert restore(store, recovery)[0].keys is not None


def break_slot(store: Store, name: str) -> None:
    stored = keyset.decode_keyset(store.get(name))
    slot = stored.slots[-1]
    assert isinstance(slot, slots.CloudSlot)
    broken = replace(slot, wrapped=slot.wrapped[:-1] + bytes([slot.wrapped[-1] ^ 1]))
    store.delete([name])
    store.put(name, keyset.encode_keyset(replace(stored, slots=(*stored.slots[:-1], broken))))
