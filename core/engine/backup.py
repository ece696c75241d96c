"""A backup: a folder tree becomes the newest restore point of a hot repository.

The order of writes keeps the invariants: the open marker, loose blobs, the layer, the list of
what was skipped, and last the record, create-only. Killed anywhere before the record, a backup
has left nothing but blobs that the next one finds; run again it is a new session.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core import ids
from core.catalog.layers import NO_FLOOR
from core.catalog.workspace import Workspace
from core.engine import backup_rows as rows
from core.engine.backup_rows import RowCounts
from core.engine.data_set import (
    data_set_of,
    refuse_copies,
    refuse_other_folder,
    refuse_overlap,
)
from core.engine.intake import Counts, Intake, check_stop
from core.engine.layering import extend_layers
from core.engine.points import list_points, newest_record, open_visible, visible_floor
from core.engine.progress import Progress
from core.engine.scan import Tree, scan_tree
from core.engine.session import Clock, close_session, open_session, record_size, system_clock
from core.engine.skipped import SkipList, SkippedItem, skipped_name, store_skipped
from core.engine.tables import Tables
from core.errors import ColdhaulError, ConflictError, StoreError
from core.format import names
from core.limits import BACKUP_MEMORY_SIZE
from core.model import Claim, Item, Layer, Record, SessionKind
from core.sources.repository import Repository

# A change within one tick of a file system's clock leaves no trace in a ctime. No clock ticks
# slower than this but those of file systems that keep no ctime.
_TICK = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_STEP = 1_000
_BLOB_ID = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOutcome:
    """A backup that made a restore point. ``skipped`` may be shorter than ``skipped_count``."""

    record: Record
    skipped: tuple[SkippedItem, ...]
    skipped_count: int
    read_count: int
    read_size: int
    stored_size: int
    written_object_count: int
    seconds: float


def backup_folder(
    repository: Repository,
    folder: Path,
    progress: Progress,
    stop: Callable[[], bool],
    clock: Clock = system_clock,
) -> BackupOutcome:
    """Make a restore point of a folder: files, links and folders, with modes and times.

    Files that the point before has unchanged are not read. What cannot be read, what changes
    each time it is read, and what is neither file, folder nor link is skipped, listed in the
    outcome and beside the point, and counted in the record's warnings. **A skipped item is not
    in the point, even if the point before has it**: its old state would be restored one day as
    if it were of this moment, beside files that it does not belong to, and nobody would
    notice, whereas what is missing is missed. The point before keeps the old state, and the list
    says how much is left out that it has.

    ``InputError``: no readable folder, one that holds the repository or is in it, another than
    was backed up before, or a repository that holds copies. ``ConflictError``: another backup
    has published meanwhile. ``NotReadyError``: ``stop`` said so. Then nothing is published, and
    running again begins a new session.
    """
    started = time.monotonic()
    tree = Tree(folder)
    refuse_overlap(repository.store, tree.location)
    refuse_copies(repository)
    parent = newest_record(repository, repository.identity.id)
    refuse_other_folder(repository, data_set_of(tree.location), parent)
    claim = _new_claim(repository, clock())
    open_session(repository, claim)
    try:
        with Workspace(BACKUP_MEMORY_SIZE) as workspace:
            backup = _Backup(
                repository=repository,
                tree=tree,
                parent=parent,
                claim=claim,
                tables=Tables(repository, workspace),
                progress=progress,
                stop=stop,
                skips=SkipList(),
            )
            outcome = backup.run(started)
    except ColdhaulError:
        # Nothing will come of this session; if even that cannot be written, prune finds out.
        with suppress(StoreError):
            close_session(repository, claim.session_id)
        raise
    close_session(repository, claim.session_id)
    return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class _Backup:
    """One backup at work, in the order of its methods."""

    repository: Repository
    tree: Tree
    parent: Record | None
    claim: Claim
    tables: Tables
    progress: Progress
    stop: Callable[[], bool]
    skips: SkipList

    def run(self, started: float) -> BackupOutcome:
        # The parent was chosen before the open marker, so prune may have condemned it unseen.
        self._refuse_other_newest()
        floor = visible_floor(self.repository)
        damaged = self._damaged_blobs()
        self._scan(floor, damaged)
        read_count, read_size = rows.count_unread(self.tables.workspace)
        self.progress.start("Reading", read_size, read_count)
        counts, stored = self._read(floor, damaged)
        self.tree.check_in_place()
        self.progress.start("Publishing", None, None)
        layers = extend_layers(
            self.tables,
            self._parent_layers(),
            "changed_rows",
            self.claim.session_id,
        )
        skipped = rows.count_left_out(self.tables.workspace, self.skips.items)
        record = self._record(layers, counts, stored, skipped)
        self._publish(record, skipped)
        new_layer_count = _object_count(set(layers) - set(self._parent_layers()))
        return BackupOutcome(
            record=record,
            skipped=skipped,
            skipped_count=self.skips.count,
            read_count=read_count,
            read_size=read_size,
            stored_size=stored.stored_size,
            # With the open marker and the record.
            written_object_count=stored.new_blob_count + new_layer_count + bool(skipped) + 2,
            seconds=time.monotonic() - started,
        )

    def _parent_layers(self) -> tuple[Layer, ...]:
        return self.parent.layers if self.parent else ()

    def _scan(self, floor: int, damaged: frozenset[bytes]) -> None:
        """Find what has to be read."""
        workspace = self.tables.workspace
        self.progress.start("Scanning", None, None)
        # The workspace holds what was unsealed, and changes while it is used.
        status = os.stat(workspace.folder)
        own = frozenset({(status.st_dev, status.st_ino)})
        items = self._watched(scan_tree(self.tree, self.skips, own))
        visible = open_visible(self.tables, self.parent, "parent") if self.parent else None
        rows.create_parent(workspace, visible)
        rows.create_scanned(workspace, items, floor)
        rows.create_kept(workspace, self._changed_before(), damaged)

    def _watched(self, items: Iterable[Item]) -> Iterator[Item]:
        for number, item in enumerate(items, 1):
            if number % _STEP == 0:
                check_stop(self.stop)
                self.progress.advance(count=_STEP)
            yield item

    def _changed_before(self) -> int:
        """Return the ctime before which equal times prove that a file is as it was.

        A ctime moves at every change, but in the ticks of a clock: a file that was read and
        changed again within one tick looks as if it had not been. So a file that changed just
        before the last backup began, or later, is read again (as git does with its index). A
        clock that went back proves nothing: all files are read.
        """
        if self.parent is None:
            return NO_FLOOR
        parent_start = ids.parse_time(self.parent.time)
        if parent_start > ids.parse_time(self.claim.claimed):
            self.progress.warn(
                "the clock is behind the last backup: every file is read, changed or not"
            )
            return NO_FLOOR
        return (parent_start - _TICK - _EPOCH) // timedelta(microseconds=1) * 1_000

    def _damaged_blobs(self) -> frozenset[bytes]:
        marked = self.repository.list_marked(names.DAMAGED)
        found = (name.rpartition("/")[2] for name in marked if name.startswith(names.BLOBS))
        return frozenset(bytes.fromhex(text) for text in found if _BLOB_ID.fullmatch(text))

    def _read(self, floor: int, damaged: frozenset[bytes]) -> tuple[RowCounts, Counts]:
        """Store what has changed, and prove that all of it is there."""
        workspace = self.tables.workspace
        log = workspace.new_path("stored-blobs", ".csv")
        with Intake(self.repository, self.skips, log, self.progress, damaged) as intake:
            paths = rows.unread_paths(workspace)
            read = intake.read_files(self.tree, paths, self.stop)
            counts = rows.create_changed(workspace, read, floor)
        rows.prove(workspace, log)
        return counts, intake.counts

    def _record(
        self,
        layers: tuple[Layer, ...],
        counts: RowCounts,
        stored: Counts,
        skipped: tuple[SkippedItem, ...],
    ) -> Record:
        return Record(
            source_id=self.claim.source_id,
            source_point=self.claim.source_point,
            session_id=self.claim.session_id,
            kind=SessionKind.BACKUP,
            job_id=None,
            parent=self.parent.id if self.parent else None,
            layers=layers,
            data_set=data_set_of(self.tree.location),
            item_count=counts.item_count,
            content_size=counts.content_size,
            added_count=counts.added_count,
            removed_count=counts.removed_count,
            new_blob_count=stored.new_blob_count,
            new_content_size=stored.new_content_size,
            reused_blob_count=stored.found_blob_count,
            stored_size=stored.stored_size,
            warnings=self._warnings(skipped),
        )

    def _warnings(self, skipped: tuple[SkippedItem, ...]) -> tuple[str, ...]:
        if not self.skips.count:
            return ()
        left_out_count = sum(item.left_out_count for item in skipped)
        text = (
            f"{self.skips.count} items were skipped and {left_out_count} items of the point before"
            f" are left out with them; {skipped_name(self.claim.session_id)} lists them"
        )
        self.progress.warn(text)
        return (text,)

    def _publish(self, record: Record, skipped: tuple[SkippedItem, ...]) -> None:
        """Make the point exist, unless another one has become the newest meanwhile.

        Two that come to this line at the same moment both publish; each point is complete.
        """
        check_stop(self.stop)
        if skipped:
            store_skipped(self.repository, record.session_id, self.skips.count, skipped)
        self._refuse_other_newest()
        try:
            self.repository.write_value(self.claim.record_name, record)
        except ConflictError:
            self._refuse_void(record)

    def _refuse_other_newest(self) -> None:
        points = list_points(self.repository, self.claim.source_id)
        newest = points[-1].point if points else None
        if newest != (self.parent.id if self.parent else None):
            raise ConflictError(
                f"another backup to {self.repository.store.url} was published while this one ran;"
                " this one was not",
                hint="Run the backup again if its state of the folder is wanted.",
            )

    def _refuse_void(self, record: Record) -> None:
        """Tell our own record, whose answer was lost, from one that prune has made void."""
        name = self.claim.record_name
        if record_size(self.repository.store, name) == 0:
            raise ConflictError(
                "this backup took so long that prune has given it up; nothing was published",
                hint="Run the backup again.",
            )
        if self.repository.read_record(name) != record:
            raise ConflictError(f"{name} holds another record; nothing was published")


def _new_claim(repository: Repository, now: datetime) -> Claim:
    """Return a new session's claim. Its point's moment is later than any there has been."""
    own_id = repository.identity.id
    session_id = ids.new_session_id()
    moments = [ids.parse_point_id(name.point)[0] for name in repository.list_records(own_id)]
    moment = now
    if moments:
        moment = max(now, ids.parse_time(max(moments)) + timedelta(microseconds=1))
    written = ids.format_time(moment)
    return Claim(
        session_id=session_id,
        kind=SessionKind.BACKUP,
        job_id=None,
        job_version=0,
        source_id=own_id,
        source_point=ids.point_id(written, session_id),
        record_name=names.record(own_id, written, session_id),
        ordinal=0,
        claimed=ids.format_time(now),
    )


def _object_count(layers: Iterable[Layer]) -> int:
    return sum(len(layer.objects) for layer in layers)
