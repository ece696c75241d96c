"""A keyset that a key in Azure Key Vault opens, and from it the example of docs/format.md.

Its bytes and the key that the stand-in has are in ``data/vault`` and were written once.
``python -m tests.golden.vault`` writes other ones; with ``--show`` it only prints the slot.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from core.format import names
from core.format.keyset import KeyRing, Keyset, decode_keyset, encode_keyset, seal_key_ring
from core.format.slots import CloudSlot
from core.format.wrapping import new_kek, wrap_recovery
from core.sources.unlocking import wrap_cloud
from core.stores.azure_vault_key import VaultKey
from core.stores.settings import StoreSettings
from tests.emulators.vault import KeyVault
from tests.golden import example

FOLDER = Path(__file__).parent / "data" / "vault"
URL = "https://coldhaul-golden.vault.azure.net/keys/copies"
VERSION = f"{URL}/5c0ffee05c0f4fee8c0ffee05c0ffee0"
RING = KeyRing(epochs=(bytes(range(64, 96)),), id_key=bytes(range(96, 128)))


def stored_keyset() -> Keyset:
    """Return the keyset."""
    return decode_keyset((FOLDER / "keys-1.json").read_bytes(), 1)


def slot() -> CloudSlot:
    """Return its slot of the key in the vault."""
    found = stored_keyset().slots[1]
    assert isinstance(found, CloudSlot)
    return found


def show_slot() -> str:
    """Return the slot as it is stored, its wrapped bytes cut off."""
    value = json.loads((FOLDER / "keys-1.json").read_bytes())["slots"][1]
    return json.dumps({**value, "wrapped": value["wrapped"][:72] + "..."}, indent=2)


def put_key(vault: KeyVault) -> VaultKey:
    """Make the stand-in have the key; return it."""
    private = serialization.load_pem_private_key((FOLDER / "key.pem").read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    vault.put_key(VERSION, private)
    return VaultKey(URL, StoreSettings())


def write(vault: KeyVault) -> None:
    """Write another one."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (FOLDER / "key.pem").write_bytes(pem)
    kek, key = new_kek(), put_key(vault)
    made = Keyset(
        version=1,
        slots=(
            wrap_recovery(kek, example.RECOVERY_KEY, "paper"),
            wrap_cloud(kek, key, "key-vault", example.IDENTITY.id),
        ),
        sealed_keys=seal_key_ring(kek, RING, example.IDENTITY.id, 1),
    )
    (FOLDER / Path(names.packed_keyset(1)).name).write_bytes(encode_keyset(made))


if __name__ == "__main__":
    if "--show" not in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder, KeyVault(Path(folder)) as stand_in:
            os.environ |= stand_in.environment
            write(stand_in)
    print(show_slot())
