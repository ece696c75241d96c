"""A key in Azure Key Vault beside a passphrase and a key in KMS: each opens, whoever rotates."""

import pytest

from core.engine.keys import add_cloud_key, list_keys, remove_slot, rotate_keys
from core.errors import ConflictError, InputError, StoreError
from core.sources.unlocking import Secret
from core.stores.aws_kms import KmsKey
from core.stores.azure_vault_key import VaultKey
from core.stores.settings import StoreSettings
from core.stores.store import Store
from tests.emulators.services import AmazonService
from tests.emulators.vault import KeyVault
from tests.support.keysets import keys_with
from tests.support.repositories import SECRET, reopen

CLOUD = "cloud"


@pytest.fixture
def store(encrypted: Store) -> Store:
    return encrypted


@pytest.fixture
def key(key_vault: KeyVault) -> VaultKey:
    return VaultKey(key_vault.new_key(), StoreSettings())


def test_a_passphrase_and_both_clouds_open_the_same_keys(
    store: Store, key: VaultKey, amazon: AmazonService, key_vault: KeyVault
) -> None:
    kms = KmsKey(amazon.new_key(), StoreSettings())
    add_cloud_key(store, SECRET, kms, "kms")
    add_cloud_key(store, kms, key, "key-vault")
    secrets: tuple[Secret, ...] = (SECRET, kms, key)
    assert rotate_keys(store, key) == 2
    rings = [reopen(store, secret).keys for secret in secrets]
    assert all(ring == rings[0] and ring is not None for ring in rings)
    assert [(slot.kind, slot.key) for slot in list_keys(store)] == [
        ("passphrase", ""),
        ("aws-kms", kms.key),
        ("azure-key-vault", key_vault.newest(key.key)),
    ]
    remove_slot(store, key, "kms")
    remove_slot(store, key, "main", may_leave_cloud_keys_only=True)
    assert len(list_keys(store)) == 1
    with pytest.raises(InputError, match="does not open"):
        reopen(store, kms)
    with pytest.raises(ConflictError, match="last key that opens"):
        remove_slot(store, key, "key-vault", may_leave_cloud_keys_only=True)


def test_a_key_that_was_rotated_still_opens_and_is_added_anew_under_another_name(
    store: Store, key: VaultKey, key_vault: KeyVault
) -> None:
    add_cloud_key(store, SECRET, key, CLOUD)
    old = key_vault.newest(key.key)
    new = key_vault.rotate(key.key)
    before = keys_with(store, SECRET).ring
    opened = reopen(store, key).keys
    assert opened is not None
    assert opened.ring == before
    with pytest.raises(ConflictError, match=f"another key named '{CLOUD}'"):
        add_cloud_key(store, SECRET, key, CLOUD)
    add_cloud_key(store, key, key, "cloud-2")
    assert [slot.key for slot in list_keys(store)] == ["", old, new]
    key_vault.disable_version(old)
    remove_slot(store, key, CLOUD)
    assert [slot.key for slot in list_keys(store)] == ["", new]


def test_adding_the_same_version_again_changes_nothing(store: Store, key: VaultKey) -> None:
    add_cloud_key(store, SECRET, key, CLOUD)
    version = keys_with(store, SECRET).version
    add_cloud_key(store, SECRET, key, CLOUD)
    assert keys_with(store, SECRET).version == version


@pytest.mark.parametrize("permission", ["keys/wrapKey", "keys/unwrapKey"])
def test_a_key_that_may_not_be_used_is_not_added(
    store: Store, key: VaultKey, key_vault: KeyVault, permission: str
) -> None:
    key_vault.denied = {permission}
    with pytest.raises(StoreError, match=f"{permission} is not allowed"):
        add_cloud_key(store, SECRET, key, CLOUD)
    assert len(list_keys(store)) == 1


def test_a_key_that_is_lost_leaves_the_passphrase(
    store: Store, key: VaultKey, key_vault: KeyVault
) -> None:
    add_cloud_key(store, SECRET, key, CLOUD)
    key_vault.delete(key.key)
    with pytest.raises(InputError, match="there is no such key") as caught:
        reopen(store, key)
    assert "passphrase or recovery key" in caught.value.hint
    remove_slot(store, SECRET, CLOUD)
    assert [slot.name for slot in list_keys(store)] == ["main"]
