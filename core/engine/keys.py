"""Who may open a repository: slots and epochs, changed one keyset version at a time.

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
from dataclasses import dataclass, field, replace

from core.errors import ConflictError, InputError, IntegrityError, NotFoundError
from core.format import keyset, names
from core.format.keyset import CloudSlot, KeyRing, Keyset, Slot
from core.model import Identity
from core.sources.repository import read_identity
from core.sources.unlocking import (
    CloudKey,
    KeyAccess,
    Secret,
    find_kek,
    list_keyset_versions,
    read_newest_keyset,
    unlock,
    wrap_cloud,
)
from core.stores.store import Store

FIRST_SLOT = "main"

CLOUD_ONLY_HINT = (
    "Add a recovery key first ('coldhaul key add NAME --recovery') and keep it on paper; or say "
    "--only-cloud-key."
)

# Somebody else was first so often only if two programs change keys in a loop.
_ROUNDS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """A way in, as it may be shown: no secret, nothing wrapped. ``key`` is a cloud key's name."""

    name: str
    kind: str
    is_usable: bool
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A repository whose keysets are in order, opened by a secret.

    ``gone_names`` are slots that an earlier, stopped run has removed.
    """

    store: Store
    identity: Identity
    kek: bytes = field(repr=False)
    ring: KeyRing
    gone_names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The newest version that counts, opened; the number of the next one; slots just deleted."""

    keyset: Keyset
    ring: KeyRing
    free_version: int
    gone_names: frozenset[str]


# What a change makes of slots and ring; None when they are already as they should be.
_Change = Callable[[_State], tuple[tuple[Slot, ...], KeyRing] | None]


def create_keys(store: Store, identity: Identity, secret: Secret) -> KeyAccess:
    """Write the first keyset, or finish what somebody began with the same secret."""
    kek = keyset.new_kek()
    first = Keyset(
        version=1,
        slots=(_wrap(kek, secret, FIRST_SLOT, identity),),
        sealed_keys=keyset.seal_key_ring(kek, keyset.new_key_ring(), identity.id, 1),
    )
    stored = keyset.encode_keyset(first)
    try:
        store.put(names.packed_keyset(1), stored)
    except ConflictError:
        stored = store.get(names.packed_keyset(1))
    try:
        access = unlock(keyset.decode_keyset(stored, 1), identity, secret, store.url)
    except InputError:
        raise ConflictError(
            f"creating {store.url} was begun with another passphrase or key",
            hint="Use the first one, or empty the place and start again.",
        ) from None
    _put_unless_there(store, names.keyset(1), stored)
    return access


def list_keys(store: Store) -> tuple[SlotView, ...]:
    """Return the slots of the newest keyset, in the order they were added. Needs no secret."""
    return tuple(
        SlotView(
            name=slot.name,
            kind=slot.kind,
            is_usable=_is_usable(slot),
            key=slot.key if isinstance(slot, CloudSlot) else "",
        )
        for slot in _newest(store).slots
    )


def export_keyset(store: Store) -> bytes:
    """Return the newest keyset as it is stored: with a secret it opens the repository's packs."""
    return store.get(names.keyset(_newest(store).version))


def add_passphrase(store: Store, secret: Secret, new_secret: str, name: str) -> None:
    """Let a further passphrase open the repository; no data is encrypted anew (R9).

    Adding what is there already is no error, so that a stopped run can be repeated; another slot
    of this name is a ``ConflictError``.
    """
    opened = _unlock(store, secret)
    slot = keyset.wrap_passphrase(opened.kek, new_secret, name)

    def change(state: _State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        there = _slot_named(state.keyset, name)
        if there is None:
            return (*state.keyset.slots, slot), state.ring
        if there == slot or keyset.unwrap(there, new_secret) is not None:
            return None
        raise _name_taken(store, name)

    _change_keys(opened, change)


def add_recovery(store: Store, secret: Secret, name: str) -> str:
    """Add a recovery key and return its text, which is stored nowhere and cannot be had again."""
    opened = _unlock(store, secret)
    text = keyset.new_recovery_key()
    slot = keyset.wrap_recovery(opened.kek, text, name)

    def change(state: _State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        there = _slot_named(state.keyset, name)
        if there == slot:
            return None
        if there is not None:
            raise _name_taken(store, name)
        return (*state.keyset.slots, slot), state.ring

    _change_keys(opened, change)
    return text


def add_cloud_key(store: Store, secret: Secret, key: CloudKey, name: str) -> None:
    """Let a further cloud key open the repository, once it has been seen to open what it wraps.

    Adding what is there already is no error, so that a stopped run can be repeated; another slot
    of this name is a ``ConflictError``.
    """
    opened = _unlock(store, secret)
    slot = wrap_cloud(opened.kek, key, name, opened.identity.id)

    def change(state: _State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        there = _slot_named(state.keyset, name)
        if there is None:
            return (*state.keyset.slots, slot), state.ring
        if there == slot or find_kek(there, key, opened.identity.id) is not None:
            return None
        raise _name_taken(store, name)

    _change_keys(opened, change)


def remove_slot(
    store: Store, secret: Secret, name: str, *, may_leave_cloud_keys_only: bool = False
) -> None:
    """Close a way in for good: no stored keyset opens with it any more.

    The last usable slot stays (``ConflictError``), and so does the last that no cloud can take
    away, unless it is said; an unknown name is a ``NotFoundError``.
    """
    opened = _unlock(store, secret)
    was_there = False

    def change(state: _State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        nonlocal was_there
        kept = tuple(slot for slot in state.keyset.slots if slot.name != name)
        if len(kept) == len(state.keyset.slots):
            # Gone since an earlier round, or since an earlier run that was stopped.
            if was_there or name in opened.gone_names | state.gone_names:
                return None
            raise NotFoundError(
                f"{store.url} has no key named {name!r}", hint="'coldhaul key list' shows them."
            )
        if not any(_is_usable(slot) for slot in kept):
            raise ConflictError(
                f"{name!r} is the last key that opens {store.url}", hint="Add another one first."
            )
        if not may_leave_cloud_keys_only:
            _refuse_cloud_only(store, state.keyset.slots, kept, name)
        was_there = True
        return kept, state.ring

    _change_keys(opened, change)


def rotate_keys(store: Store, secret: Secret) -> int:
    """Begin a new epoch: what is written from now on has a new key. Return their number.

    Nothing stored is encrypted anew, and the key of blob ids stays.
    """
    opened = _unlock(store, secret)
    epoch = keyset.add_epoch(opened.ring).newest

    def change(state: _State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        if epoch in state.ring.epochs:
            return None
        return state.keyset.slots, replace(state.ring, epochs=(*state.ring.epochs, epoch))

    return len(_change_keys(opened, change).ring.epochs)


def _unlock(store: Store, secret: Secret) -> _Opened:
    """Open the newest keyset with the secret and finish what others left halfway."""
    identity = read_identity(store)
    access = unlock(_newest(store), identity, secret, store.url)
    state = _settle(store, identity, access.kek)
    if state.keyset.version != access.version:
        # An unfinished change may have been the removal of this very secret.
        access = unlock(state.keyset, identity, secret, store.url)
    return _Opened(
        store=store,
        identity=identity,
        kek=access.kek,
        ring=state.ring,
        gone_names=state.gone_names,
    )


def _change_keys(opened: _Opened, change: _Change) -> _State:
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
        _put_unless_there(store, names.keyset(version), stored)
    raise ConflictError(f"others keep changing the keys of {store.url}", hint="Try again later.")


def _settle(store: Store, identity: Identity, kek: bytes) -> _State:
    """Bring a repository's keysets into order, as the head of this module says."""
    packed = list_keyset_versions(store, names.PACKS)
    newest = _newest(store)
    ring = keyset.open_key_ring(kek, newest, identity.id)
    for version in sorted(number for number in packed if number > newest.version):
        stored = store.get(packed[version])
        following = _open_orphan(stored, version, identity, kek)
        if following is not None and _builds_on(following[1], ring):
            _put_unless_there(store, names.keyset(version), stored)
            newest, ring = following
    if newest.version not in packed:
        stored = store.get(names.keyset(newest.version))
        _put_unless_there(store, names.packed_keyset(newest.version), stored)
    return _State(
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


def _put_unless_there(store: Store, name: str, stored: bytes) -> None:
    """Create an object; whoever was first finished the same version."""
    try:
        store.put(name, stored)
    except ConflictError:
        return


def _newest(store: Store) -> Keyset:
    newest = read_newest_keyset(store, names.KEYS)
    if newest is None:
        if not read_identity(store).is_encrypted:
            raise InputError(f"{store.url} is not encrypted and has no keys")
        raise IntegrityError(
            f"{store.url} has no keyset below {names.KEYS}",
            hint="'coldhaul rebuild' brings it back from beside the packs.",
        )
    return newest


def _slot_named(current: Keyset, name: str) -> Slot | None:
    return next((slot for slot in current.slots if slot.name == name), None)


def _wrap(kek: bytes, secret: Secret, name: str, identity: Identity) -> Slot:
    if isinstance(secret, str):
        return keyset.wrap_passphrase(kek, secret, name)
    return wrap_cloud(kek, secret, name, identity.id)


def _is_usable(slot: Slot) -> bool:
    """Say whether this coldhaul can open with it."""
    return keyset.is_opened_by_text(slot) or isinstance(slot, CloudSlot)


def _refuse_cloud_only(
    store: Store, before: tuple[Slot, ...], kept: tuple[Slot, ...], name: str
) -> None:
    is_text = keyset.is_opened_by_text
    if any(map(is_text, before)) and not any(map(is_text, kept)):
        raise ConflictError(
            f"without {name!r} only a cloud key opens {store.url}, and whoever disables or deletes "
            "that key, or closes its account, takes every restore point with it",
            hint=CLOUD_ONLY_HINT,
        )


def _name_taken(store: Store, name: str) -> ConflictError:
    return ConflictError(
        f"{store.url} has another key named {name!r} already",
        hint="Choose another name. If adding it was interrupted, remove it and add it again.",
    )
