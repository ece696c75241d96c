"""Uploads that somebody began and never ended: invisible, paid for, and of no use to anybody.

A killed process leaves the pack that it was writing. Whoever comes by later gives it up.
"""

from dataclasses import dataclass
from datetime import timedelta

from core.engine.session import Clock
from core.errors import StoreError
from core.format import names
from core.limits import UNFINISHED_UPLOAD_KEPT_DAYS, UNFINISHED_UPLOAD_OLD_DAYS
from core.stores.store import Store, UnfinishedUpload

# Where objects may be larger than a part. Loose blobs never are, and there may be millions of them:
# Azure finds unfinished uploads only by listing what is there.
IN_PARTS = (names.PACKS, names.INDEX, names.LAYERS, names.RECORDS, names.SESSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a sweep did: uploads it gave up, old ones that are still there, and why not these."""

    discarded: tuple[UnfinishedUpload, ...] = ()
    left: tuple[UnfinishedUpload, ...] = ()
    problem: str = ""


def find_old_uploads(store: Store, clock: Clock) -> tuple[UnfinishedUpload, ...]:
    """Return the unfinished uploads that have been open for longer than a pack takes."""
    newest = clock() - timedelta(days=UNFINISHED_UPLOAD_OLD_DAYS)
    return tuple(upload for upload in store.unfinished(IN_PARTS) if upload.started < newest)


def sweep_uploads(store: Store, clock: Clock) -> Sweep:
    """Give up the uploads that nobody can be working on any more.

    A store that does not let us is no reason to fail: what the sweep is part of goes on without.
    """
    newest = clock() - timedelta(days=UNFINISHED_UPLOAD_KEPT_DAYS)
    discarded: list[UnfinishedUpload] = []
    old: tuple[UnfinishedUpload, ...] = ()
    try:
        old = find_old_uploads(store, clock)
        for upload in old:
            if upload.started < newest:
                store.discard(upload)
                discarded.append(upload)
    except StoreError as error:
        return _sweep(old, discarded, f"unfinished uploads cannot be given up: {error.message}")
    return _sweep(old, discarded, "")


def _sweep(
    old: tuple[UnfinishedUpload, ...], discarded: list[UnfinishedUpload], problem: str
) -> Sweep:
    left = tuple(upload for upload in old if upload not in discarded)
    return Sweep(discarded=tuple(discarded), left=left, problem=problem)
