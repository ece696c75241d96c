"""Power is lost at every single write of creating a repository and of each change of its keys.

Whenever it happens, what is stored opens with the right secret, what is beside the packs opens
all that was ever sealed (I8), and the same command run again finishes (I3).
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.engine.keys import (
    FIRST_SLOT,
    add_cloud_key,
    add_passphrase,
    add_recovery,
    list_keys,
    remove_slot,
    rotate_keys,
)
from core.errors import ConflictError, InputError
from core.format import keyset, names, wrapping
from core.format.keyset import KeyRing
from core.sources.unlocking import Secret, find_kek, list_keyset_versions
from core.stores.aws_kms import KmsKey
from core.stores.azure_vault_key import VaultKey
from core.stores.cloud_key import CloudKey
from core.stores.settings import StoreSettings
from core.stores.store import Store
from tests.emulators.services import AmazonService
from tests.support.repositories import SECRET, create_in, names_in, new_store, reopen
from tests.support.stores import Crash, CrashingStore

SECOND = "a second passphrase"
SEALED = "jobs/{}/1.json"
NEXT = 5  # The version that the next change of the vault's keys writes.


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """A repository with three ways in and two epochs, an object sealed in each."""

    folder: Path
    recovery: str  # Opens at once, where a passphrase takes its time on purpose.
    lost: str


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    folder = tmp_path_factory.mktemp("vault")
    store = new_store(folder)
    create_in(store, SECRET)
    recovery = add_recovery(store, SECRET, "safe")
    lost = add_recovery(store, recovery, "lost")
    reopen(store, recovery).write_object(SEALED.format("first"), b"first")
    rotate_keys(store, recovery)
    reopen(store, recovery).write_object(SEALED.format("second"), b"second")
    return Vault(folder=folder, recovery=recovery, lost=lost)


def is_open(store: Store, secret: Secret) -> bool:
    try:
        reopen(store, secret)
    except InputError:
        return False
    return True


def packed_rings(store: Store, secret: Secret) -> list[KeyRing]:
    """Return the key rings that the secret opens beside the packs, newest version first."""
    identity = reopen(store, secret).identity
    rings = []
    for version, name in sorted(list_keyset_versions(store, names.PACKS).items(), reverse=True):
        stored = keyset.decode_keyset(store.get(name), version)
        kek = find_kek(stored, secret, identity.id)
        if kek is not None:
            rings.append(keyset.open_key_ring(kek, stored, identity.id))
    return rings


def check_keys(store: Store, secret: Secret) -> None:
    """Check what has to hold at every moment, halfway through any change of keys (I8)."""
    opened = reopen(store, secret)
    assert opened.keys is not None
    for name in names_in(store, names.JOBS):
        assert opened.read_object(name) == name.split("/")[1].encode()
    newest = max(list_keyset_versions(store, names.KEYS))
    assert store.get(names.packed_keyset(newest)) == store.get(names.keyset(newest))
    # The first that opens is the one that a rebuild takes.
    assert set(packed_rings(store, secret)[0].epochs) >= set(opened.keys.ring.epochs)


def crash_everywhere(
    tmp_path: Path, start: Path | None, act: Callable[[Store], object], *, after: bool
) -> list[Store]:
    """Run ``act`` once for each of its writes, losing power there; return what is left."""
    stores: list[Store] = []
    while True:
        folder = tmp_path / f"{len(stores)}"
        if start is not None:
            shutil.copytree(start, folder)
        store = new_store(folder)
        try:
            act(CrashingStore(store, len(stores), after=after))
        except Crash:
            stores.append(store)
        else:
            return stores


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("secret", [None, SECRET])
def test_a_creation_is_finished_by_creating_again(
    tmp_path: Path, secret: str | None, *, after: bool
) -> None:
    """Stopped anywhere, it is no repository or one that opens, and then it is whole (I3, I8)."""
    whole = new_store(tmp_path / "whole")
    create_in(whole, secret)
    left = crash_everywhere(tmp_path, None, lambda store: create_in(store, secret), after=after)
    assert len(left) >= len(names_in(whole))
    for store in left:
        if set(names_in(store, names.KEYS)):
            assert secret is not None
            assert set(names_in(store)) == set(names_in(whole))
            check_keys(store, secret)
        if set(names_in(store)) == set(names_in(whole)):
            with pytest.raises(ConflictError, match="already"):
                create_in(store, secret)
            continue
        finished = create_in(store, secret)
        assert names_in(store) == names_in(whole)
        assert reopen(store, secret).identity == finished.identity
        if secret is not None:
            check_keys(store, secret)


@pytest.mark.parametrize("after", [False, True])
def test_adding_a_passphrase_is_finished_by_adding_it_again(
    tmp_path: Path, vault: Vault, *, after: bool
) -> None:
    def add(store: Store) -> None:
        add_passphrase(store, vault.recovery, SECOND, "colleague")

    left = crash_everywhere(tmp_path, vault.folder, add, after=after)
    assert len(left) == 2
    for store in left:
        check_keys(store, vault.recovery)
        add(store)
        check_keys(store, vault.recovery)
        check_keys(store, SECOND)
        assert [slot.name for slot in list_keys(store)] == [
            FIRST_SLOT, "safe", "lost", "colleague"
        ]  # fmt: skip


@pytest.fixture(params=["kms", "key vault"])
def cloud_key(request: pytest.FixtureRequest) -> CloudKey:
    if request.param == "kms":
        return KmsKey(request.getfixturevalue("amazon").new_key(), StoreSettings())
    return VaultKey(request.getfixturevalue("key_vault").new_key(), StoreSettings())


@pytest.mark.parametrize("after", [False, True])
def test_adding_a_cloud_key_is_finished_by_adding_it_again(
    tmp_path: Path, vault: Vault, cloud_key: CloudKey, *, after: bool
) -> None:
    def add(store: Store) -> None:
        add_cloud_key(store, vault.recovery, cloud_key, "cloud")

    left = crash_everywhere(tmp_path, vault.folder, add, after=after)
    assert len(left) == 2
    for store in left:
        check_keys(store, vault.recovery)
        add(store)
        check_keys(store, vault.recovery)
        check_keys(store, cloud_key)
        assert [slot.name for slot in list_keys(store)] == [FIRST_SLOT, "safe", "lost", "cloud"]


@pytest.mark.parametrize("after", [False, True])
def test_a_cloud_key_is_out_wherever_its_removal_was_stopped(
    tmp_path: Path, vault: Vault, amazon: AmazonService, *, after: bool
) -> None:
    key = KmsKey(amazon.new_key(), StoreSettings())
    shutil.copytree(vault.folder, tmp_path / "with")
    add_cloud_key(new_store(tmp_path / "with"), vault.recovery, key, "cloud")

    def remove(store: Store) -> None:
        remove_slot(store, vault.recovery, "cloud")

    *left, _ = crash_everywhere(tmp_path, tmp_path / "with", remove, after=after)
    for store in left:
        check_keys(store, vault.recovery)
        remove(store)
        check_keys(store, vault.recovery)
        assert not is_open(store, key)
        for name in [*names_in(store, names.KEYS), *names_in(store, f"{names.PACKS}keys-")]:
            assert key.key.encode() not in store.get(name)


@pytest.mark.parametrize("after", [False, True])
def test_a_creation_by_a_cloud_key_is_finished_by_creating_again(
    tmp_path: Path, amazon: AmazonService, *, after: bool
) -> None:
    key = KmsKey(amazon.new_key(), StoreSettings())

    def create(store: Store) -> None:
        create_in(store, key, may_be_cloud_key_only=True)

    left = crash_everywhere(tmp_path, None, create, after=after)
    whole = sorted(names_in(left[-1])) if after else None
    for store in left:
        if whole is not None and sorted(names_in(store)) == whole:
            check_keys(store, key)
            continue
        create(store)
        check_keys(store, key)


@pytest.mark.parametrize("after", [False, True])
def test_a_recovery_key_that_nobody_saw_is_removed_and_added_again(
    tmp_path: Path, vault: Vault, *, after: bool
) -> None:
    def add(store: Store) -> str:
        return add_recovery(store, vault.recovery, "new")

    left = crash_everywhere(tmp_path, vault.folder, add, after=after)
    assert len(left) == 2
    for store in left:
        check_keys(store, vault.recovery)
        if names.packed_keyset(NEXT) in names_in(store):
            with pytest.raises(ConflictError, match="new"):
                add(store)
            remove_slot(store, vault.recovery, "new")
        check_keys(store, add(store))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_a_removal_is_finished_by_the_next_change(
    tmp_path: Path, vault: Vault, *, after: bool, own: bool
) -> None:
    """Whoever was being removed is out, in every keyset that is left, and nobody else."""

    def remove(store: Store) -> None:
        remove_slot(store, vault.lost if own else vault.recovery, "lost")

    left = crash_everywhere(tmp_path, vault.folder, remove, after=after)
    # Two writes of the new version, and the old ones are deleted in both places.
    assert len(left) == 2 + 2 * (NEXT - 1)
    for number, store in enumerate(left):
        check_keys(store, vault.recovery)
        if number or after:
            rotate_keys(store, vault.recovery)
        else:
            remove(store)
        check_keys(store, vault.recovery)
        assert not is_open(store, vault.lost)
        assert packed_rings(store, vault.recovery)
        for name in [*names_in(store, names.KEYS), *names_in(store, f"{names.PACKS}keys-")]:
            stored = keyset.decode_keyset(store.get(name))
            assert wrapping.unwrap(stored, vault.recovery) is not None
            assert "lost" not in {slot.name for slot in stored.slots}


@pytest.mark.parametrize("after", [False, True])
def test_a_removal_can_be_repeated(tmp_path: Path, vault: Vault, *, after: bool) -> None:
    def remove(store: Store) -> None:
        remove_slot(store, vault.recovery, "lost")

    *left, _ = crash_everywhere(tmp_path, vault.folder, remove, after=after)
    for store in left:
        remove(store)
        check_keys(store, vault.recovery)
        assert "lost" not in {slot.name for slot in list_keys(store)}


@pytest.mark.parametrize("after", [False, True])
def test_a_rotation_leaves_no_object_behind(tmp_path: Path, vault: Vault, *, after: bool) -> None:
    """What was sealed under any epoch that ever counted opens from beside the packs (I8)."""

    def rotate(store: Store) -> None:
        rotate_keys(store, vault.recovery)

    left = crash_everywhere(tmp_path, vault.folder, rotate, after=after)
    assert len(left) == 2
    for store in left:
        check_keys(store, vault.recovery)
        reopen(store, vault.recovery).write_object(SEALED.format("third"), b"third")
        rotate(store)
        reopen(store, vault.recovery).write_object(SEALED.format("fourth"), b"fourth")
        check_keys(store, vault.recovery)
