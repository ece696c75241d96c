"""Hot repositories filled in a moment, jobs, and copies driven within this process.

Packs are small, so that little content makes several of them, and keys are opened cheaply.
"""

import hashlib
import random
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from core import ids, limits
from core.catalog.tables import (
    BLOB_COLUMNS,
    PACK_COLUMNS,
    pack_row,
    packed_blob,
    read_items,
    write_items,
)
from core.catalog.workspace import Workspace, quote
from core.engine import jobs, run
from core.engine.layering import extend_layers
from core.engine.metadata import check_blob
from core.engine.points import list_points, newest_record, open_visible, visible_floor
from core.engine.run import SessionOutcome
from core.engine.runner import Runner
from core.engine.session import CopySession, claim_point, system_clock
from core.engine.tables import Tables
from core.errors import NotFoundError
from core.format import keyset, names, records, wrapping
from core.ids import JobId, PointId
from core.limits import BLOB_SIZE_MAX, FORMAT_VERSION, KIB, MIB
from core.model import (
    Claim,
    Identity,
    Item,
    ItemKind,
    JobDefinition,
    PackedBlob,
    PackRow,
    Parameters,
    Record,
    RetentionType,
    SessionKind,
)
from core.sources.repository import Repository
from core.sources.unlocking import KeyAccess
from core.stores.folder import FolderStore
from core.stores.store import Store

SECRET = "correct horse battery staple"
JOB = JobId("nightly")
MEMORY_SIZE = 256 * MIB
MODIFIED = 1_700_000_000_123_456_789
# An Argon2id that takes a millisecond: what it protects are test data.
_MEMORY_KIB = 8 * wrapping.ARGON2_LANES

SMALL = Parameters(pack_size=64 * KIB, frame_size=16 * KIB, zstd_level=1)

# What a path holds: content, None for "gone", or a whole item.
Change = bytes | None | Item


def make_repository(
    store: Store,
    *,
    is_encrypted: bool = False,
    parameters: Parameters = SMALL,
    retention_type: RetentionType = RetentionType.SNAPSHOT_BASED,
) -> Repository:
    """Create a repository without the time that opening it is meant to take."""
    identity = Identity(
        id=ids.new_repository_id(),
        format_version=FORMAT_VERSION,
        retention_type=retention_type,
        is_encrypted=is_encrypted,
        created="20250301T120000000000Z",
        parameters=parameters,
    )
    store.put(names.REPOSITORY, records.encode_identity(identity))
    store.put(names.PACKED_REPOSITORY, records.encode_identity(identity))
    return Repository(store, identity, _make_keys(store, identity) if is_encrypted else None)


def _make_keys(store: Store, identity: Identity) -> KeyAccess:
    kek, ring = wrapping.new_kek(), keyset.new_key_ring()
    slot = wrapping.wrap_passphrase(kek, SECRET, "main", memory_kib=_MEMORY_KIB)
    sealed = keyset.seal_key_ring(kek, ring, identity.id, 1)
    stored = keyset.encode_keyset(keyset.Keyset(version=1, slots=(slot,), sealed_keys=sealed))
    store.put(names.packed_keyset(1), stored)
    store.put(names.keyset(1), stored)
    return KeyAccess(kek=kek, version=1, ring=ring)


def through(repository: Repository, store: Store) -> Repository:
    """Return the same repository, opened with the same keys, seen through another store."""
    return Repository(store, repository.identity, repository.keys)


def moment(number: int) -> str:
    """Return the ``number``-th moment at which a point may have been made."""
    return f"20260101T{number:012d}Z"


def file_item(repository: Repository, path: bytes, content: bytes) -> Item:
    """Store content and return its item."""
    pieces = (content[at : at + BLOB_SIZE_MAX] for at in range(0, len(content), BLOB_SIZE_MAX))
    blobs = tuple(repository.put_blob(piece)[0] for piece in pieces)
    return Item(path=path, kind=ItemKind.FILE, size=len(content), modified=MODIFIED, blobs=blobs)


def back_up(
    repository: Repository,
    changes: Mapping[bytes, Change],
    number: int | None = None,
    *,
    parent: Record | None = None,
) -> Record:
    """Put a restore point on top of ``parent`` (the newest one) into a hot repository."""
    if number is None:
        number = len(list_points(repository, repository.identity.id)) + 1
    parent = parent or newest_record(repository, repository.identity.id)
    session_id = ids.new_session_id()
    items = [_item(repository, path, change) for path, change in changes.items()]
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        write_items(workspace, items, "new_rows")
        layers = extend_layers(
            Tables(repository, workspace), parent.layers if parent else (), "new_rows", session_id
        )
    record = Record(
        source_id=repository.identity.id,
        source_point=ids.point_id(moment(number), session_id),
        session_id=session_id,
        kind=SessionKind.BACKUP,
        job_id=None,
        parent=parent.source_point if parent else None,
        layers=layers,
        data_set="/data",
    )
    repository.write_value(record_name(record), record)
    return record


def _item(repository: Repository, path: bytes, change: Change) -> Item:
    if change is None:
        return Item(path=path, kind=ItemKind.FILE, is_deleted=True)
    return change if isinstance(change, Item) else file_item(repository, path, change)


def record_name(record: Record) -> str:
    """Return the name of a point's record."""
    return names.record(record.source_id, record.time, record.session_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A source, its copies' target, and the job between them."""

    source: Repository
    target: Repository
    definition: JobDefinition

    def copy(self, runner: Runner | None = None, **where: PointId) -> SessionOutcome | None:
        """Run the job once."""
        return run.run_job(
            self.target, self.source, self.definition, runner or Runner(workers=1), **where
        )

    def copied(self, runner: Runner | None = None) -> Record:
        """Run the job once and return what it published."""
        outcome = self.copy(runner)
        assert outcome is not None, "there was nothing to copy"
        assert outcome.record is not None, outcome.report
        return outcome.record

    def session(self, point: PointId | None = None) -> CopySession:
        """Claim a point, the newest one by default, and do nothing with it yet."""
        newest = list_points(self.source, self.source.identity.id)[-1].point
        claim = claim_point(self.target, self.definition, point or newest, system_clock)
        return CopySession(
            target=self.target, source=self.source, claim=claim, definition=self.definition
        )

    def seen(self, *, source: Store | None = None, target: Store | None = None) -> "Pair":
        """Return the pair seen through other stores."""
        return replace(
            self,
            source=through(self.source, source) if source else self.source,
            target=through(self.target, target) if target else self.target,
        )


def make_pair(
    folder: Path,
    *,
    is_encrypted: bool = False,
    parameters: Parameters = SMALL,
    retention_type: RetentionType = RetentionType.SNAPSHOT_BASED,
    terms: jobs.Terms | None = None,
    is_source_encrypted: bool | None = None,
) -> Pair:
    """Create source, target and job below ``folder``; whatever comes next is new to the job."""
    source = make_repository(
        FolderStore(folder / "source", create=True),
        is_encrypted=is_encrypted if is_source_encrypted is None else is_source_encrypted,
        retention_type=retention_type,
    )
    target = make_repository(
        FolderStore(folder / "target", create=True),
        is_encrypted=is_encrypted,
        parameters=parameters,
        retention_type=retention_type,
    )
    terms = terms or jobs.Terms(schedule="daily 22:00")
    definition = jobs.create_job(target, source, JOB, terms, include_newest=False)
    return Pair(source=source, target=target, definition=definition)


def at(pair: Pair, folder: Path) -> Pair:
    """Return a pair whose folders were copied to ``folder``, opened there."""
    return pair.seen(source=FolderStore(folder / "source"), target=FolderStore(folder / "target"))


def pin_batches(patch: pytest.MonkeyPatch, size: int) -> None:
    """Make sessions of little content have several batches of at most ``size`` bytes."""
    patch.setattr(limits, "BATCH_SIZE_MIN", size)
    patch.setattr(limits, "BATCH_SIZE_MAX", size)


# What was read out of tables, by what is stored: crash tests look at the same ones many times.
_READ: dict[Hashable, object] = {}
_READ_MAX = 256
T = TypeVar("T")


def _read_once(key: Hashable, read: Callable[[], T]) -> T:
    """Return what ``read`` made of the same stored bytes before, or have it read now."""
    if key not in _READ:
        while len(_READ) >= _READ_MAX:
            _READ.pop(next(iter(_READ)))
        _READ[key] = read()
    found: T = _READ[key]  # type: ignore[assignment]
    return found


def _stored(repository: Repository, object_names: Iterable[str]) -> Hashable:
    """Return what stands for the bytes that are stored now; also for whether they can be opened."""
    stored = {name: repository.store.get(name) for name in object_names}
    digests = ((name, hashlib.sha256(content).digest()) for name, content in stored.items())
    return repository.identity, repository.keys is None, tuple(digests)


def read_state(repository: Repository, record: Record) -> dict[bytes, Item]:
    """Return a point's visible items by path."""

    def read() -> dict[bytes, Item]:
        with Workspace(MEMORY_SIZE, threads=1) as workspace:
            visible = open_visible(Tables(repository, workspace), record, "point")
            return {item.path: item for item in read_items(workspace, visible)}

    objects = [table.name for layer in record.layers for table in layer.objects]
    try:
        stored = _stored(repository, objects)
    except NotFoundError:
        return read()  # Says which, in its own words.
    return dict(_read_once((stored, record.layers, visible_floor(repository)), read))


def read_loose(repository: Repository, record: Record) -> dict[bytes, bytes]:
    """Return the content of every file of a hot repository's point."""
    return {
        path: b"".join(repository.read_blob(blob) for blob in item.blobs)
        for path, item in read_state(repository, record).items()
        if item.kind is ItemKind.FILE
    }


def read_copied(target: Repository, record: Record) -> dict[bytes, bytes]:
    """Return the content of every file of a copied point, out of its packs, each blob checked."""
    items = read_state(target, record)
    wanted = {blob for item in items.values() for blob in item.blobs}
    contents = read_packed(target, wanted)
    return {
        path: b"".join(contents[blob] for blob in item.blobs)
        for path, item in items.items()
        if item.kind is ItemKind.FILE
    }


def shown(items: Mapping[bytes, Item]) -> dict[bytes, tuple[object, ...]]:
    """Return what of a state does not depend on the repository: blobs have other ids in each."""
    return {
        path: (item.kind, item.size, item.modified, item.metadata, len(item.blobs))
        for path, item in items.items()
    }


def check_copied(pair: Pair, source_record: Record, record: Record) -> None:
    """Check that a copy shows what the source's point shows, to the last byte."""
    expected = shown(read_state(pair.source, source_record))
    assert shown(read_state(pair.target, record)) == expected
    assert read_copied(pair.target, record) == read_loose(pair.source, source_record)


# Where each blob is, by the index.
Places = Mapping[bytes, Sequence[tuple[PackRow, PackedBlob]]]


def read_packed(
    target: Repository, wanted: Iterable[bytes], places: Places | None = None
) -> dict[bytes, bytes]:
    """Return packed blobs by id, each read out of every whole pack that the index names for it."""
    places = index_places(target) if places is None else places
    sizes = {head.name: head.size for head in target.store.list(names.PACKS)}
    found: dict[bytes, bytes] = {}
    frames: dict[tuple[str, int], bytes] = {}
    for blob_id in wanted:
        whole = [
            place
            for place in places[blob_id]
            if sizes.get(names.pack_of(place[0])) == place[0].size
        ]
        assert whole, "I1: a blob is in no pack that exists whole"
        for row, blob in whole:
            key = (row.pack_id, blob.frame_offset)
            if key not in frames:
                reader = target.open_pack(row)
                frames[key] = reader.read_frame(blob.frame_offset, blob.frame_length)
            found[blob_id] = check_blob(row.pack_id, blob, frames[key])
    return found


def index_places(
    target: Repository, index: Iterable[str] | None = None
) -> dict[bytes, list[tuple[PackRow, PackedBlob]]]:
    """Return where each blob is, by all index objects or by those named."""
    stored = [head.name for head in target.store.list(names.INDEX)] if index is None else index
    places: dict[bytes, list[tuple[PackRow, PackedBlob]]] = {}
    for name in stored:
        for row, blob in _read_once(_stored(target, [name]), partial(_index_rows, target, name)):
            places.setdefault(blob.id, []).append((row, blob))
    return places


def _index_rows(target: Repository, name: str) -> list[tuple[PackRow, PackedBlob]]:
    columns = f"{PACK_COLUMNS}, {BLOB_COLUMNS}"
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        file = quote(Tables(target, workspace).fetch(name))
        rows = workspace.rows(f"select {columns} from read_parquet({file})")
        return [(pack_row(values[:7]), packed_blob(values[7:])) for values in rows]


def claims_of(target: Repository) -> list[Claim]:
    """Return all claims of the job."""
    heads = target.store.list(names.claims(JOB))
    return [target.read_value(Claim, head.name) for head in heads]


def names_below(store: Store, prefix: str = "") -> list[str]:
    """Return the names of a store's objects that start with ``prefix``."""
    return [head.name for head in store.list(prefix)]


def packs_of(target: Repository, session_id: str = "") -> list[str]:
    """Return the names of the packs of content, of one session or of all."""
    prefix = f"{names.PACKS}{session_id}"
    found = [head.name for head in target.store.list(prefix)]
    return [name for name in found if "/meta-" not in name and name.count("/") == 2]


def files(count: int) -> dict[bytes, bytes]:
    """Return so many files of content that cannot be compressed, by their paths."""
    chance = random.Random(count)
    return {b"%02d" % number: chance.randbytes(8_000) for number in range(count)}


def done(outcome: SessionOutcome | None) -> SessionOutcome:
    """Return the outcome of a run that had something to do."""
    assert outcome is not None
    return outcome
