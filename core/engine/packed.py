"""Progress markers: what has been packed of a session, told by names alone.

After each part with a pack that repack creates it puts an empty object whose name counts what is
in the pack, so that one listing shows how far a session is to whoever watches it from afar. They
are hints: one may be missing, and nothing is decided by them.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from core.engine.state import Transfer
from core.errors import ConflictError, StoreError
from core.format import names
from core.ids import SessionId
from core.stores.store import Store

# Batch and part, then blobs, content bytes and stored bytes: no more digits than 64 bits need.
_MARKER = re.compile("-".join(["([0-9]{1,19})"] * 5))


def marker_name(session_id: SessionId, part: tuple[int, int], packed: Transfer) -> str:
    """Name the marker of a ``part`` (batch and ordinal) and of what its pack holds."""
    batch, ordinal = part
    counts = f"{packed.blob_count}-{packed.content_size}-{packed.stored_size}"
    return f"{names.packed_of(session_id)}{batch:05d}-{ordinal}-{counts}"


def mark_packed(
    store: Store, session_id: SessionId, part: tuple[int, int], packed: Transfer
) -> None:
    """Leave the marker of a part, if the store takes it."""
    try:
        store.put(marker_name(session_id, part, packed), b"")
    except (ConflictError, StoreError):
        # The part is there, which is all that counts; whoever watches sees a pack less.
        return


def sum_packed(session_id: SessionId, listed: Iterable[str]) -> Transfer:
    """Add up the markers among names that were listed; each part counts once.

    Whoever may write to the store may write any name: what is no marker of ours is left out.
    """
    found: dict[tuple[int, int], Transfer] = {}
    for name in listed:
        match = _MARKER.fullmatch(name.removeprefix(names.packed_of(session_id)))
        if match is None:
            continue
        batch, ordinal, blobs, content, stored = map(int, match.groups())
        packed = Transfer(pack_count=1, blob_count=blobs, content_size=content, stored_size=stored)
        if name == marker_name(session_id, (batch, ordinal), packed):
            found.setdefault((batch, ordinal), packed)
    total = Transfer()
    for packed in found.values():
        total = total.plus(packed)
    return total


def read_packed(store: Store, session_id: SessionId, since: datetime | None = None) -> Transfer:
    """Add up a session's markers, all or those that came ``since`` a moment of the store's time."""
    heads = store.list(names.packed_of(session_id))
    return sum_packed(
        session_id, (head.name for head in heads if since is None or head.modified >= since)
    )
