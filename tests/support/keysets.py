"""Keysets made for tests; what those of a repository hold, and whom they open for."""

import json
from typing import Any

from core.format import keyset, names, wrapping
from core.format.keyset import KeyRing, Keyset, encode_keyset, new_key_ring, seal_key_ring
from core.format.wrapping import new_kek, new_recovery_key, wrap_passphrase, wrap_recovery
from core.ids import RepositoryId
from core.sources.unlocking import KeyAccess
from core.stores.store import Store
from tests.support.repositories import names_in, reopen

REPOSITORY = RepositoryId("0123456789abcdef0123456789abcdef")
OTHER_REPOSITORY = RepositoryId("f" * 32)
KEK = new_kek()
RING = new_key_ring()
PASSPHRASE = "correct horse battery staple"
RECOVERY_KEY = new_recovery_key()
# Only tests may be this cheap.
MEMORY_KIB = 64


def make_keyset(version: int = 1, ring: KeyRing = RING) -> Keyset:
    return Keyset(
        version=version,
        slots=(
            wrap_passphrase(KEK, PASSPHRASE, "operator", memory_kib=MEMORY_KIB),
            wrap_recovery(KEK, RECOVERY_KEY, "paper"),
        ),
        sealed_keys=seal_key_ring(KEK, ring, REPOSITORY, version),
    )


MADE = make_keyset()


def stored_value(made: Keyset = MADE) -> dict[str, Any]:
    value = json.loads(encode_keyset(made))
    assert isinstance(value, dict)
    return value


def stored(value: object) -> bytes:
    return json.dumps(value).encode()


def keys_with(store: Store, secret: str) -> KeyAccess:
    keys = reopen(store, secret).keys
    assert keys is not None
    return keys


def opens(store: Store, name: str, secret: str) -> bool:
    """Say whether a stored keyset, old or new, opens with this secret."""
    stored = keyset.decode_keyset(store.get(name), names.keyset_version(name))
    return wrapping.unwrap(stored, secret) is not None


def keysets_in(store: Store) -> list[str]:
    return [*names_in(store, names.KEYS), *names_in(store, f"{names.PACKS}keys-")]


def assert_copies_agree(store: Store) -> None:
    for name in names_in(store, names.KEYS):
        version = names.keyset_version(name)
        assert version is not None
        assert store.get(name) == store.get(names.packed_keyset(version))
