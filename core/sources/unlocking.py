"""From a stored keyset and a secret to the keys: by a passphrase, a recovery key or a cloud key.

A passphrase and a recovery key are texts. A cloud key never leaves its service, which unwraps the
key-encryption key for whoever it allows to ask: there the permission is the secret.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import ColdhaulError, InputError, IntegrityError, NotFoundError, StoreError
from core.format import keyset, names, slots, wrapping
from core.format.keyset import Keyset
from core.format.slots import CloudSlot, Slot
from core.ids import RepositoryId
from core.model import Identity
from core.stores.cloud_key import CloudKey, Wrapping
from core.stores.store import Store

# Listing and reading are two requests, and between them a removed key's versions may go.
_KEYSET_TRIES_MAX = 3

UNLOCKING_HINT = (
    "Set encryption.passphrase of this repository, for example 'env:NAME', or encryption.kms or "
    "encryption.key_vault."
)


# A passphrase or recovery key, as text, or a key in a cloud.
Secret = str | CloudKey
SecretSource = Callable[[], Secret]


@dataclass(slots=True)
class KeyAccess:
    """What opens a keyset: the key-encryption key, which outlives keyset versions."""

    kek: bytes = field(repr=False)
    version: int
    ring: keyset.KeyRing


def describe_secret(secret: Secret) -> str:
    """Say what a secret is, for messages, and nothing of a text."""
    return "the passphrase" if isinstance(secret, str) else f"the key {secret.key}"


def list_keyset_versions(store: Store, prefix: str) -> dict[int, str]:
    """Return the keyset versions stored below ``keys/`` or ``packs/``, with their names."""
    start = prefix if prefix == names.KEYS else f"{names.PACKS}keys-"
    found = {names.keyset_version(head.name): head.name for head in store.list(start)}
    return {version: name for version, name in found.items() if version is not None}


def read_newest_keyset(store: Store, prefix: str) -> Keyset | None:
    """Read the highest keyset version below ``keys/`` or ``packs/``; None without one."""
    for _ in range(_KEYSET_TRIES_MAX):
        versions = list_keyset_versions(store, prefix)
        if not versions:
            return None
        newest = max(versions)
        try:
            return keyset.decode_keyset(store.get(versions[newest]), newest)
        except NotFoundError:
            continue  # Somebody is removing a key: a newer version is there by now.
    raise IntegrityError(f"{store.url} lists keysets below {prefix} that cannot be found")


def find_kek(locked: Keyset | Slot, secret: Secret, repository_id: RepositoryId) -> bytes | None:
    """Return the KEK if the secret opens this slot, or any slot of this keyset; None otherwise.

    One slot of the cloud key's own that opens is enough: of two versions of a key, one may be
    disabled. If none does, a failure that may pass is raised, or else that of the first slot, an
    ``IntegrityError`` for damage.
    """
    if isinstance(secret, str):
        return wrapping.unwrap(locked, secret)
    failures: list[ColdhaulError] = []
    for slot in locked.slots if isinstance(locked, Keyset) else (locked,):
        if not isinstance(slot, CloudSlot) or slot.kind != secret.kind:
            continue
        if not secret.is_same(slot.key):
            continue
        try:
            return _unwrap_cloud(slot, secret, repository_id)
        except ColdhaulError as error:
            failures.append(error)
    if not failures:
        return None
    raise next((each for each in failures if isinstance(each, StoreError)), failures[0])


def wrap_cloud(kek: bytes, key: CloudKey, name: str, repository_id: RepositoryId) -> CloudSlot:
    """Return a slot that this cloud key opens, having seen it open: both rights are needed."""
    slots.check_slot_name(name)
    wrapped = key.wrap(kek, keyset.cloud_context(repository_id))
    slot = CloudSlot(kind=key.kind, name=name, key=wrapped.key, wrapped=wrapped.data)
    if _unwrap_cloud(slot, key, repository_id) != kek:
        raise IntegrityError(f"the key {key.key} does not give back what it wrapped")
    return slot


def unlock(current: Keyset, identity: Identity, secret: Secret, where: str) -> KeyAccess:
    """Open a keyset with a secret; a wrong one is an ``InputError``."""
    kek = find_kek(current, secret, identity.id)
    if kek is None:
        raise InputError(
            f"{describe_secret(secret)} does not open {where}", hint=wrong_secret_hint(secret)
        )
    ring = keyset.open_key_ring(kek, current, identity.id)
    return KeyAccess(kek=kek, version=current.version, ring=ring)


def wrong_secret_hint(secret: Secret) -> str:
    """Say what to do about a secret that opens nothing."""
    if isinstance(secret, str):
        return "Check which secret the configuration refers to, or use the recovery key."
    return (
        "'coldhaul key list' shows which keys do; with one of them configured, 'coldhaul key add "
        f"NAME {adding_option(secret)}' adds this one."
    )


def adding_option(key: CloudKey) -> str:
    """Return the option by which 'coldhaul key add' adds a key of this kind."""
    return {"aws-kms": "--kms ARN", "azure-key-vault": "--key-vault URL"}[key.kind]


def _unwrap_cloud(slot: CloudSlot, key: CloudKey, repository_id: RepositoryId) -> bytes:
    try:
        wrapped = Wrapping(key=slot.key, data=slot.wrapped)
        kek = key.unwrap(wrapped, keyset.cloud_context(repository_id))
    except IntegrityError as error:
        raise IntegrityError(
            f"key slot {slot.name!r} is damaged: {error.message}", hint=_DAMAGED_HINT
        ) from error
    if len(kek) != slots.KEY_SIZE:
        raise IntegrityError(
            f"key slot {slot.name!r} is damaged: it wraps something else than a key",
            hint=_DAMAGED_HINT,
        )
    return kek


_DAMAGED_HINT = "Open the repository by another secret; remove this key and add it again."
