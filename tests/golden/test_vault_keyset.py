"""A keyset with the slot of a key in Azure Key Vault stays readable, by us and by hand."""

from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

from core.engine.keys import add_cloud_key
from core.errors import InputError, IntegrityError
from core.format.keyset import encode_keyset, open_key_ring
from core.format.wrapping import unwrap
from core.ids import RepositoryId
from core.sources.unlocking import find_kek, unlock
from core.stores.azure_vault_key import VaultKey
from core.stores.settings import StoreSettings
from tests.emulators.vault import KeyVault
from tests.golden import example, vault
from tests.golden.reading import Reading, packs_folder, put_pack
from tests.support.copies import SECRET, make_repository
from tests.support.repositories import new_store

CONTENTS = (b"first", b"second")


def test_the_keyset_is_written_as_it_was() -> None:
    assert encode_keyset(vault.stored_keyset()) == (vault.FOLDER / "keys-1.json").read_bytes()
    slot = vault.slot()
    assert (slot.kind, slot.name, slot.key) == ("azure-key-vault", "key-vault", vault.VERSION)


def test_the_key_opens_it_and_gives_what_the_recovery_key_gives(key_vault: KeyVault) -> None:
    access = unlock(vault.stored_keyset(), example.IDENTITY, vault.put_key(key_vault), "here")
    assert access.ring == vault.RING
    assert access.kek == unwrap(vault.stored_keyset(), example.RECOVERY_KEY)


def test_another_repository_or_key_does_not(key_vault: KeyVault) -> None:
    key = vault.put_key(key_vault)
    with pytest.raises(IntegrityError, match="another repository"):
        find_kek(vault.slot(), key, RepositoryId("f" * 32))
    other = VaultKey(key_vault.new_key(), StoreSettings())
    with pytest.raises(InputError, match="does not open"):
        unlock(vault.stored_keyset(), example.IDENTITY, other, "here")


def test_it_opens_by_hand_as_the_document_says(key_vault: KeyVault) -> None:
    """With Azure's own library, the words of docs/format.md and nothing of ours (I8)."""
    vault.put_key(key_vault)
    with (
        DefaultAzureCredential() as identity,
        CryptographyClient(vault.slot().key, identity) as client,
    ):
        plain = client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, vault.slot().wrapped).key
    line = f"coldhaul:repository={example.IDENTITY.id}\n".encode()
    assert plain.startswith(line)
    kek = plain[len(line) :]
    assert open_key_ring(kek, vault.stored_keyset(), example.IDENTITY.id) == vault.RING


def test_read_pack_passes_such_slots_over(tmp_path: Path, key_vault: KeyVault) -> None:
    repository = make_repository(new_store(tmp_path / "target"), is_encrypted=True)
    add_cloud_key(repository.store, SECRET, vault.put_key(key_vault), "cloud")
    put_pack(repository, CONTENTS)
    found = Reading(packs_folder(repository), tmp_path / "output", secret=SECRET).check()
    assert sorted(found.values()) == sorted(CONTENTS)
