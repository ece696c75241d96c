"""A keyset opens by a text or by a cloud key, each by its own slots alone."""

from dataclasses import replace

import pytest

from core.errors import InputError, IntegrityError, StoreError
from core.format import keyset, wrapping
from core.format.keyset import Keyset
from core.format.slots import CloudSlot, Slot
from core.ids import RepositoryId
from core.model import Identity, Parameters, RetentionType
from core.sources.unlocking import describe_secret, find_kek, unlock, wrap_cloud
from core.stores.aws_kms import KmsKey
from core.stores.azure_vault_key import VaultKey
from core.stores.cloud_key import CloudKey
from core.stores.settings import StoreSettings
from tests.emulators.services import AmazonService
from tests.emulators.vault import KeyVault

REPOSITORY = RepositoryId("0123456789abcdef" * 2)
IDENTITY = Identity(
    id=REPOSITORY,
    format_version=1,
    retention_type=RetentionType.SNAPSHOT_BASED,
    is_encrypted=True,
    created="20260102T030405678901Z",
    parameters=Parameters(),
)
KEK = wrapping.new_kek()
RING = keyset.new_key_ring()
RECOVERY_KEY = wrapping.new_recovery_key()
STRANGER = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture
def key(amazon: AmazonService) -> KmsKey:
    return KmsKey(amazon.new_key(), StoreSettings())


def keyset_of(*slots: Slot) -> Keyset:
    sealed = keyset.seal_key_ring(KEK, RING, REPOSITORY, 1)
    paper = wrapping.wrap_recovery(KEK, RECOVERY_KEY, "paper")
    return Keyset(version=1, slots=(paper, *slots), sealed_keys=sealed)


def test_text_and_cloud_key_open_the_same_keys(key: KmsKey) -> None:
    stored = keyset.encode_keyset(keyset_of(wrap_cloud(KEK, key, "cloud", REPOSITORY)))
    made = keyset.decode_keyset(stored, 1)
    for secret in (RECOVERY_KEY, key):
        access = unlock(made, IDENTITY, secret, "here")
        assert (access.kek, access.ring) == (KEK, RING)


def test_a_cloud_key_opens_its_own_slot_only(key: KmsKey) -> None:
    made = keyset_of(wrap_cloud(KEK, key, "cloud", REPOSITORY))
    other = KmsKey(STRANGER, StoreSettings())
    assert find_kek(made, other, REPOSITORY) is None
    assert find_kek(made.slots[0], key, REPOSITORY) is None
    with pytest.raises(InputError, match=f"the key {STRANGER} does not open here") as caught:
        unlock(made, IDENTITY, other, "here")
    assert "key add NAME --kms" in caught.value.hint


def test_a_wrong_text_is_told_of_without_repeating_it() -> None:
    with pytest.raises(InputError, match="the passphrase does not open here") as caught:
        unlock(keyset_of(), IDENTITY, "hunter2", "here")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert describe_secret("hunter2") == "the passphrase"


def test_a_slot_of_another_repository_is_damage(key: KmsKey) -> None:
    slot = wrap_cloud(KEK, key, "cloud", RepositoryId("f" * 32))
    with pytest.raises(IntegrityError, match="key slot 'cloud' is damaged") as caught:
        find_kek(keyset_of(slot), key, REPOSITORY)
    assert "another secret" in caught.value.hint


def test_of_two_slots_the_whole_one_opens(key: KmsKey) -> None:
    slot = wrap_cloud(KEK, key, "cloud", REPOSITORY)
    broken = replace(slot, name="broken", wrapped=slot.wrapped[:-1] + b"\0\0")
    assert find_kek(keyset_of(broken, slot), key, REPOSITORY) == KEK
    assert find_kek(keyset_of(slot, broken), key, REPOSITORY) == KEK


def test_a_slot_that_wraps_something_else_is_damage(key: KmsKey) -> None:
    wrapped = key.wrap(b"short", keyset.cloud_context(REPOSITORY)).data
    slot = CloudSlot(kind="aws-kms", name="cloud", key=key.key, wrapped=wrapped)
    with pytest.raises(IntegrityError, match="something else than a key"):
        find_kek(slot, key, REPOSITORY)


def test_of_two_versions_of_a_key_one_may_be_disabled(key_vault: KeyVault) -> None:
    url = key_vault.new_key()
    key = VaultKey(url, StoreSettings())
    old = wrap_cloud(KEK, key, "old", REPOSITORY)
    key_vault.rotate(url)
    new = wrap_cloud(KEK, key, "new", REPOSITORY)
    key_vault.disable_version(old.key)
    assert find_kek(keyset_of(old, new), key, REPOSITORY) == KEK
    with pytest.raises(StoreError, match=f"{old.key}: the key is disabled"):
        find_kek(keyset_of(old), key, REPOSITORY)


def test_what_may_pass_is_told_before_what_will_not(key_vault: KeyVault) -> None:
    """Whoever tries again by its class opens with the second slot then."""
    key = VaultKey(key_vault.new_key(), StoreSettings())
    slot = wrap_cloud(KEK, key, "cloud", REPOSITORY)
    lost = replace(slot, name="lost", key=f"{key.key}/{'0' * 32}")
    broken = replace(slot, name="broken", wrapped=slot.wrapped[:-1] + b"\0\0")
    key_vault.disable_version(slot.key)
    for other in (lost, broken):
        with pytest.raises(StoreError, match="the key is disabled"):
            find_kek(keyset_of(other, slot), key, REPOSITORY)
    key_vault.enable(slot.key, is_enabled=True)
    with pytest.raises(InputError, match="there is no such key"):
        find_kek(keyset_of(lost, broken), key, REPOSITORY)
    with pytest.raises(IntegrityError, match="key slot 'broken' is damaged"):
        find_kek(keyset_of(broken, lost), key, REPOSITORY)


def test_a_key_in_a_vault_is_bound_to_the_repository(key_vault: KeyVault) -> None:
    key = VaultKey(key_vault.new_key(), StoreSettings())
    slot = wrap_cloud(KEK, key, "cloud", REPOSITORY)
    assert (slot.kind, find_kek(slot, key, REPOSITORY)) == ("azure-key-vault", KEK)
    with pytest.raises(IntegrityError, match="key slot 'cloud' is damaged"):
        find_kek(slot, key, RepositoryId("f" * 32))


def test_a_key_is_not_tried_at_slots_of_another_vendor(key_vault: KeyVault) -> None:
    key = VaultKey(key_vault.new_key(), StoreSettings())
    slot = CloudSlot(kind="aws-kms", name="cloud", key=key.key, wrapped=b"0" * 256)
    assert find_kek(slot, key, REPOSITORY) is None
    assert not key_vault.operations


@pytest.mark.parametrize(
    ("key", "option"),
    [
        (KmsKey(STRANGER, StoreSettings()), "--kms ARN"),
        (VaultKey("https://cold.vault.azure.net/keys/k", StoreSettings()), "--key-vault URL"),
    ],
    ids=["kms", "key vault"],
)
def test_a_key_that_opens_nothing_says_how_it_is_added(key: CloudKey, option: str) -> None:
    with pytest.raises(InputError, match="does not open here") as caught:
        unlock(keyset_of(), IDENTITY, key, "here")
    assert f"coldhaul key add NAME {option}" in caught.value.hint


def test_a_name_that_cannot_be_shown_is_refused_before_the_cloud_is_asked() -> None:
    with pytest.raises(InputError, match="cannot name a key slot"):
        wrap_cloud(KEK, KmsKey(STRANGER, StoreSettings()), "two\nlines", REPOSITORY)
