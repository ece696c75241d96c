"""How keysets change: one version at a time, whoever is stopped, whoever is first.

A change is a new version, the old ones stay what they are. Version n is written beside the packs
first and under ``keys/`` second. The first write, create-only, decides between two who change
the keys at the same time; the second makes the version count. So a version that counts always
has its copy beside the packs (I8), and no writer can meet an epoch that ``rebuild`` would miss.

Whoever is stopped between the two leaves an orphan: a version beside the packs, newer than all
under ``keys/``. The next change of keys **finishes** it before it begins, because the one who
wrote it may be alive and about to do the same: each version then builds on the one before, and
no epoch that anybody may have used is ever lost. Only an orphan that could not have come from
such a change is ignored and its number passed over: one that does not open with this
repository's key-encryption key, or that lacks an epoch of the version it should build on.

The other way round, only the newest version under ``keys/`` gets a missing copy beside the packs.
An older one may be half deleted: versions with a slot that the newest does not have are deleted,
under ``keys/`` first, so that a removed passphrase opens nothing. That too is finished by the
next change when it was stopped halfway.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import ConflictError, InputError, IntegrityError, NotFoundError
from core.format import keyset, names
from core.format.keyset import KeyRing, Keyset
from core.format.slots import Slot
from core.model import Identity
from core.sources.repository import read_identity
from core.sources.unlocking import Secret, list_keyset_versions, read_newest_keyset, unlock
from core.stores.store import Store

# Somebody else was first so often only if two programs change keys in a loop.
_ROUNDS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A repository whose keysets are in order, opened by a secret.

    ``gone_names`` are slots that an earlier, stopped run has removed.
    """

    store: Store
    identity: Identity
    kek: bytes = field(repr=False)
    ring: KeyRing
    gone_names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The newest version that counts, opened; the number of the next one; slots just deleted."""

    keyset: Keyset
    ring: KeyRing
    free_version: int
    gone_names: frozenset[str]


# What a change makes of slots and ring; None when they are already as they should be.
Change = Callable[[State], tuple[tuple[Slot, ...], KeyRing] | None]


def open_keys(store: Store, secret: Secret) -> Opened:
    """Open the newest keyset with the secret and finish what others left halfway."""
    identity = read_identity(store)
    access = unlock(newest_keyset(store), identity, secret, store.url)
    state = _settle(store, identity, access.kek)
    if state.keyset.version != access.version:
        # An unfinished change may have been the removal of this very secret.
        access = unlock(state.keyset, identity, secret, store.url)
    return Opened(
        store=store,
        identity=identity,
        kek=access.kek,
        ring=state.ring,
        gone_names=state.gone_names,
    )


def change_keys(opened: Opened, change: Change) -> State:
    """Write versions until the newest one is as ``change`` wants it; return what it became."""
    store = opened.store
    for _ in range(_ROUNDS_MAX):
        state = _settle(store, opened.identity, opened.kek)
        changed = change(state)
        if changed is None:
            return state
        slots, ring = changed
        version = state.free_version
        sealed = keyset.seal_key_ring(opened.kek, ring, opened.identity.id, version)
        new = Keyset(version=version, slots=slots, sealed_keys=sealed)
        stored = keyset.encode_keyset(new)
        try:
            store.put(names.packed_keyset(version), stored)
        except ConflictError:
            # Somebody else's, or ours and the answer was lost: the next round finishes either.
            continue
        put_unless_there(store, names.keyset(version), stored)
    raise ConflictError(f"others keep changing the keys of {store.url}", hint="Try again later.")


def _settle(store: Store, identity: Identity, kek: bytes) -> State:
    """Bring a repository's keysets into order, as the head of this module says."""
    packed = list_keyset_versions(store, names.PACKS)
    newest = newest_keyset(store)
    ring = keyset.open_key_ring(kek, newest, identity.id)
    for version in sorted(number for number in packed if number > newest.version):
        stored = store.get(packed[version])
        following = _open_orphan(stored, version, identity, kek)
        if following is not None and _builds_on(following[1], ring):
            put_unless_there(store, names.keyset(version), stored)
            newest, ring = following
    if newest.version not in packed:
        stored = store.get(names.keyset(newest.version))
        put_unless_there(store, names.packed_keyset(newest.version), stored)
    return State(
        keyset=newest,
        ring=ring,
        free_version=max(newest.version, *packed, 0) + 1,
        gone_names=_delete_outdated(store, newest),
    )


def _open_orphan(
    stored: bytes, version: int, identity: Identity, kek: bytes
) -> tuple[Keyset, KeyRing] | None:
    try:
        orphan = keyset.decode_keyset(stored, version)
        return orphan, keyset.open_key_ring(kek, orphan, identity.id)
    except IntegrityError:
        return None


def _builds_on(ring: KeyRing, before: KeyRing) -> bool:
    return ring.id_key == before.id_key and set(ring.epochs) >= set(before.epochs)


def _delete_outdated(store: Store, newest: Keyset) -> frozenset[str]:
    """Delete all older versions if one of them has a slot that the newest has not, or is damaged.

    Return the names of such slots.
    """
    older = [
        name
        for prefix in (names.KEYS, names.PACKS)
        for version, name in sorted(list_keyset_versions(store, prefix).items())
        if version < newest.version
    ]
    kept = {slot.name for slot in newest.slots}
    gone = False
    gone_names = set()
    for name in older:
        try:
            slots = keyset.decode_keyset(store.get(name), names.keyset_version(name)).slots
        except NotFoundError:
            continue
        except IntegrityError:
            # What cannot be read may still open with a passphrase that was removed.
            gone = True
            continue
        gone = gone or any(slot not in newest.slots for slot in slots)
        gone_names.update({slot.name for slot in slots} - kept)
    if gone:
        store.delete(older)
    return frozenset(gone_names)


def put_unless_there(store: Store, name: str, stored: bytes) -> None:
    """Create an object; whoever was first finished the same version."""
    try:
        store.put(name, stored)
    except ConflictError:
        return


def newest_keyset(store: Store) -> Keyset:
    """Return the version that counts; a repository without keys is an ``InputError``."""
    newest = read_newest_keyset(store, names.KEYS)
    if newest is None:
        if not read_identity(store).is_encrypted:
            raise InputError(f"{store.url} is not encrypted and has no keys")
        raise IntegrityError(
            f"{store.url} has no keyset below {names.KEYS}",
            hint="'coldhaul rebuild' brings it back from beside the packs.",
        )
    return newest
