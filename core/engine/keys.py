"""Who may open a repository: slots that come and go, and epochs, which only grow."""

from dataclasses import dataclass, replace

from core.engine.keyset_changes import (
    State,
    change_keys,
    newest_keyset,
    open_keys,
    put_unless_there,
)
from core.errors import ConflictError, InputError, NotFoundError
from core.format import keyset, names, wrapping
from core.format.keyset import KeyRing, Keyset
from core.format.slots import CloudSlot, Slot, is_opened_by_text
from core.model import Identity
from core.sources.unlocking import KeyAccess, Secret, find_kek, unlock, wrap_cloud
from core.stores.cloud_key import CloudKey
from core.stores.store import Store

FIRST_SLOT = "main"

CLOUD_ONLY_HINT = (
    "Add a recovery key first ('coldhaul key add NAME --recovery') and keep it on paper; or say "
    "--only-cloud-key."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """A way in, as it may be shown: no secret, nothing wrapped. ``key`` is a cloud key's name."""

    name: str
    kind: str
    is_usable: bool
    key: str = ""


def create_keys(store: Store, identity: Identity, secret: Secret) -> KeyAccess:
    """Write the first keyset, or finish what somebody began with the same secret."""
    kek = wrapping.new_kek()
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
    put_unless_there(store, names.keyset(1), stored)
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
        for slot in newest_keyset(store).slots
    )


def export_keyset(store: Store) -> bytes:
    """Return the newest keyset as it is stored: with a secret it opens the repository's packs."""
    return store.get(names.keyset(newest_keyset(store).version))


def add_passphrase(store: Store, secret: Secret, new_secret: str, name: str) -> None:
    """Let a further passphrase open the repository; no data is encrypted anew (R9).

    Adding what is there already is no error, so that a stopped run can be repeated; another slot
    of this name is a ``ConflictError``.
    """
    opened = open_keys(store, secret)
    slot = wrapping.wrap_passphrase(opened.kek, new_secret, name)

    def change(state: State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        there = _slot_named(state.keyset, name)
        if there is None:
            return (*state.keyset.slots, slot), state.ring
        if there == slot or wrapping.unwrap(there, new_secret) is not None:
            return None
        raise _name_taken(store, name)

    change_keys(opened, change)


def add_recovery(store: Store, secret: Secret, name: str) -> str:
    """Add a recovery key and return its text, which is stored nowhere and cannot be had again."""
    opened = open_keys(store, secret)
    text = wrapping.new_recovery_key()
    slot = wrapping.wrap_recovery(opened.kek, text, name)

    def change(state: State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        there = _slot_named(state.keyset, name)
        if there == slot:
            return None
        if there is not None:
            raise _name_taken(store, name)
        return (*state.keyset.slots, slot), state.ring

    change_keys(opened, change)
    return text


def add_cloud_key(store: Store, secret: Secret, key: CloudKey, name: str) -> None:
    """Let a further cloud key open the repository, once it has been seen to open what it wraps.

    Adding what is there already is no error, so that a stopped run can be repeated; another slot
    of this name is a ``ConflictError``.
    """
    opened = open_keys(store, secret)
    slot = wrap_cloud(opened.kek, key, name, opened.identity.id)

    def change(state: State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        there = _slot_named(state.keyset, name)
        if there is None:
            return (*state.keyset.slots, slot), state.ring
        if there == slot or _is_wrapped_by(there, slot.key, key, opened.identity):
            return None
        raise _name_taken(store, name)

    change_keys(opened, change)


def remove_slot(
    store: Store, secret: Secret, name: str, *, may_leave_cloud_keys_only: bool = False
) -> None:
    """Close a way in for good: no stored keyset opens with it any more.

    The last usable slot stays (``ConflictError``), and so does the last that no cloud can take
    away, unless it is said; an unknown name is a ``NotFoundError``.
    """
    opened = open_keys(store, secret)
    was_there = False

    def change(state: State) -> tuple[tuple[Slot, ...], KeyRing] | None:
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

    change_keys(opened, change)


def rotate_keys(store: Store, secret: Secret) -> int:
    """Begin a new epoch: what is written from now on has a new key. Return their number.

    Nothing stored is encrypted anew, and the key of blob ids stays.
    """
    opened = open_keys(store, secret)
    epoch = keyset.add_epoch(opened.ring).newest

    def change(state: State) -> tuple[tuple[Slot, ...], KeyRing] | None:
        if epoch in state.ring.epochs:
            return None
        return state.keyset.slots, replace(state.ring, epochs=(*state.ring.epochs, epoch))

    return len(change_keys(opened, change).ring.epochs)


def _is_wrapped_by(slot: Slot, version: str, key: CloudKey, identity: Identity) -> bool:
    """Say whether it is this very version of the key that wraps a slot, and opens it."""
    if not isinstance(slot, CloudSlot) or slot.key != version:
        return False
    return find_kek(slot, key, identity.id) is not None


def _slot_named(current: Keyset, name: str) -> Slot | None:
    return next((slot for slot in current.slots if slot.name == name), None)


def _wrap(kek: bytes, secret: Secret, name: str, identity: Identity) -> Slot:
    if isinstance(secret, str):
        return wrapping.wrap_passphrase(kek, secret, name)
    return wrap_cloud(kek, secret, name, identity.id)


def _is_usable(slot: Slot) -> bool:
    """Say whether this coldhaul can open with it."""
    return is_opened_by_text(slot) or isinstance(slot, CloudSlot)


def _refuse_cloud_only(
    store: Store, before: tuple[Slot, ...], kept: tuple[Slot, ...], name: str
) -> None:
    is_text = is_opened_by_text
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
