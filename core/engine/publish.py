"""The last step of a session: prove that everything is there, then make the point exist.

The order of writes is what keeps I1 and I8: packs and parts are whole already; index and layers
come next, then the metadata pack, then the record, and the record's create-only put decides.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from core import limits
from core.catalog import index as index_tables
from core.catalog import layers as layer_tables
from core.catalog.tables import ARCHIVED, ITEM_COLUMNS, WORKING_PARQUET
from core.catalog.workspace import Workspace, quote
from core.engine.batches import read_plan, read_rounds
from core.engine.copied_objects import count_undescribed, is_final, open_objects
from core.engine.delta import open_delta, read_parent
from core.engine.layering import extend_layers
from core.engine.metadata import Member, StoredMember, write_metadata_pack
from core.engine.plan import read_base
from core.engine.provided import EMPTY_IDS, Provided
from core.engine.ranges import RangeFiles
from core.engine.session import (
    CopySession,
    close_session,
    read_report,
    record_size,
    void_session,
)
from core.engine.skipped import SkipList, store_skipped
from core.engine.state import DamagedItem, Plan, Report
from core.engine.tables import Tables
from core.errors import ConflictError
from core.format import names, records
from core.model import Record, SessionKind, SessionStatus, TableObject
from core.sources.bucket import BucketSource

# So many bytes of paths does a report name one by one; all items are counted.
_PATHS_SIZE_MAX = limits.SKIPPED_SIZE_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOutcome:
    """How publishing ended: a status, or not ``is_done`` and to be called again."""

    is_done: bool
    status: SessionStatus = SessionStatus.RUNNING
    record: Record | None = None
    report: Report | None = None


def run_publish(session: CopySession, deadline: float | None = None) -> PublishOutcome:
    """Publish a session's point once all batches are repacked; any number may do so at once."""
    standing = record_size(session.target.store, session.claim.record_name)
    if standing is not None:
        return _settled(session, is_void=standing == 0)
    plan = read_plan(session.target, session.id)
    if plan is None:
        return PublishOutcome(is_done=False)
    with Workspace(limits.PLAN_MEMORY_SIZE) as workspace:
        return _Publisher(session, plan, workspace, deadline).run()


def _settled(session: CopySession, *, is_void: bool) -> PublishOutcome:
    """Return the outcome of a session whose record's name is taken."""
    close_session(session.target, session.id)
    if is_void:
        # A prune gives sessions up that nobody goes on with; reports are swept in the end.
        report = read_report(session.target, session.id) or Report(
            reasons=("the session was given up; its report is not kept",)
        )
        return PublishOutcome(is_done=True, status=SessionStatus.FAILED, report=report)
    record = session.target.read_record(session.claim.record_name)
    return PublishOutcome(is_done=True, status=status_of(record), record=record)


def status_of(record: Record) -> SessionStatus:
    """Return the status of a session that published ``record``."""
    return SessionStatus.WARNING if record.warnings else SessionStatus.SUCCESS


class _Publisher:
    """One invocation's work on publishing."""

    def __init__(
        self, session: CopySession, plan: Plan, workspace: Workspace, deadline: float | None
    ) -> None:
        self._session = session
        self._target = session.target
        self._plan = plan
        self._workspace = workspace
        self._tables = Tables(session.target, workspace)
        self._base = read_base(session.target, session.id)
        self._deadline = deadline
        self._rounds = read_rounds(session.target, session.id) if session.source.is_changing else []
        self._provided = Provided(session, self._tables, self._base, plan, self._rounds)
        self._skipped = SkipList()

    def run(self) -> PublishOutcome:
        if not self._provided.open_parts() or not self._open_added():
            return PublishOutcome(is_done=False)
        failure = self._mark_damaged() or self._prove()
        if failure is not None:
            return self._fail(failure)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return PublishOutcome(is_done=False)
        return self._publish()

    def _open_added(self) -> bool:
        """Create the view ``faulty``; False when a round has to follow.

        Of what changes also those that ``_each_piece`` tells of.
        """
        if self._session.source.is_changing:
            if not is_final(self._tables, self._plan, self._rounds, self._provided.files):
                return False
            self._skipped = open_objects(
                self._session, self._tables, self._base, self._plan, self._rounds
            )
        else:
            self._workspace.run("create view faulty as from blob_faults")
        return True

    def _each_piece(self) -> Iterator[None]:
        """Open the new layer's rows piece by piece.

        As the views ``added_rows`` with a layer's columns, ``added_blobs`` (path, id) of their
        blobs and ``needed`` of all that they need of parts. Of what does not change a piece is a
        table of the delta, so that nobody ever has all of them.
        """
        if self._session.source.is_changing:
            yield
            return
        for table in self._plan.delta.objects:
            path = self._mapped(table)
            layer_tables.create_layers(self._workspace, "added_rows", [[path]])
            self._workspace.run(
                """create or replace view added_blobs as
                select path, unnest(blobs) as id from added_rows where not deleted;
                create or replace view needed as from added_blobs"""
            )
            yield
            self._tables.release([_mapped_name(table)])

    def _mapped(self, table: TableObject) -> Path:
        """Return a file of a table of the delta with the target's ids of its blobs."""
        found = self._tables.find(_mapped_name(table))
        if found is not None:
            return found
        mapped = index_tables.mapped_list_sql(
            "blobs", self._session.source.space, self._target.id_key
        )
        columns = ITEM_COLUMNS.replace("blobs", f"{mapped} as blobs")
        open_delta(self._tables, self._tables.fetch_all([table]))
        path = self._workspace.new_path("mapped")
        self._workspace.run(
            f"copy (select {columns} from delta) to {quote(path)} ({WORKING_PARQUET})"
        )
        self._tables.release([table.name])
        self._tables.keep(_mapped_name(table), path)
        return path

    def _mark_damaged(self) -> Report | None:
        """Find the items whose blobs could not be had, or say that the session fails by them."""
        self._workspace.run("create table damaged_items (path BLOB, fault VARCHAR)")
        (faults,) = self._workspace.row("select count(*) from blob_faults")
        for _ in self._each_piece() if faults else ():
            self._workspace.run(
                """insert into damaged_items select path, max(fault) as fault
                from needed join faulty using (id) group by path"""
            )
        count, archived = self._workspace.row(
            f"select count(*), count(*) filter (fault = '{ARCHIVED}') from damaged_items"
        )
        if archived or (count and not self._base.allow_damaged):
            return Report(
                reasons=tuple(_fault_reasons(count - archived, archived)),
                items=tuple(self._damaged_items()),
            )
        return None

    def _damaged_items(self) -> Iterator[DamagedItem]:
        size = 0
        for path, fault in self._workspace.rows("select * from damaged_items order by path"):
            # A name and a reason take some room even where the path is short.
            size += len(path) + 64
            if size > _PATHS_SIZE_MAX:
                return
            yield DamagedItem(path=path.hex(), reason=f"a blob of it is {fault}")

    def _prove(self) -> Report | None:
        """Prove I1: every blob needed is provided, by packs that are there and whole."""
        needed = RangeFiles(self._workspace, len(self._plan.ranges), EMPTY_IDS)
        for _ in self._each_piece():
            # Items that are flagged as damaged list no blobs.
            needed.add("select id from added_blobs anti join damaged_items using (path)")
        unproved = self._provided.count_unproved(needed)
        reasons = []
        if unproved:
            reasons.append(f"{unproved} blobs that the point needs are in no pack of the plan")
        is_changing = self._session.source.is_changing
        undescribed = count_undescribed(self._tables) if is_changing else 0
        if undescribed:
            reasons.append(f"the properties of {undescribed} objects are in no part")
        reasons += self._pack_faults()
        return Report(reasons=tuple(reasons)) if reasons else None

    def _pack_faults(self) -> Iterator[str]:
        """Yield what is wrong with the packs that the point would rely on."""
        packs = list(
            self._workspace.rows(
                """select session, pack, pack_size, checksum_kind, checksum_value,
                    bool_or(is_own) from packs group by all order by all"""
            )
        )
        sizes: dict[str, int] = {}
        for session_id in sorted({row[0] for row in packs}):
            prefix = f"{names.PACKS}{session_id}/"
            sizes |= {head.name: head.size for head in self._target.store.list(prefix)}
        told: list[tuple[str, tuple[str, str]]] = []
        for session_id, pack, size, kind, value, is_own in packs:
            name = names.pack(session_id, pack)
            if sizes.get(name) != size:
                yield f"{name} is missing or has another size than {size}"
            elif is_own and kind:
                told.append((name, (kind, value)))
        with ThreadPoolExecutor(limits.PROOF_THREADS, "packs") as pool:
            heads = pool.map(self._target.store.head, [name for name, _ in told])
            for head, (name, checksum) in zip(heads, told, strict=True):
                if (head.checksum_kind, head.checksum_value) != checksum:
                    yield f"{name} has another checksum than was written"

    def _fail(self, report: Report) -> PublishOutcome:
        if void_session(self._target, self._session.claim, report):
            return PublishOutcome(is_done=True, status=SessionStatus.FAILED, report=report)
        return _settled(self._session, is_void=False)

    def _publish(self) -> PublishOutcome:
        if self._skipped.count:
            found = tuple(self._skipped.items)
            store_skipped(self._target, self._session.id, self._skipped.count, found)
        record, members = self._build()
        content = records.encode(record)
        name = self._session.claim.record_name
        write_metadata_pack(
            self._target, self._session.id, [Member(name=name, content=content), *members]
        )
        try:
            self._target.write_object(name, content)
        except ConflictError:
            # Another publisher, a lost answer, or a void: what is there decides.
            standing = record_size(self._target.store, name)
            return _settled(self._session, is_void=standing == 0)
        close_session(self._target, self._session.id)
        return PublishOutcome(is_done=True, status=status_of(record), record=record)

    def _build(self) -> tuple[Record, list[StoredMember]]:
        """Store index and layers; return the record and what else its metadata pack holds."""
        index = self._provided.store_index()
        parent = read_parent(self._target, self._base) if self._base.parent else None
        added = self._write_added()
        layers = extend_layers(
            self._tables, parent.layers if parent else (), "added", self._session.id
        )
        removed, rows = self._workspace.row("select count(*) filter (deleted), count(*) from added")
        for path in added:
            path.unlink()
        own_prefix = f"{names.LAYERS}{self._session.id}-"
        own = [table for layer in layers for table in layer.objects]
        new = [table for table in own if table.name.startswith(own_prefix)]
        members = [StoredMember(table=table, tables=self._tables) for table in (*new, *index)]
        record = Record(
            source_id=self._session.claim.source_id,
            source_point=self._session.claim.source_point,
            session_id=self._session.id,
            kind=SessionKind.COPY,
            job_id=self._session.claim.job_id,
            parent=parent.source_point if parent else None,
            layers=layers,
            index=index,
            source_layers=self._plan.delta.source_layers,
            data_set=self._plan.delta.data_set,
            reused_blob_count=self._plan.reused_blob_count,
            added_count=rows - removed,
            removed_count=removed,
        )
        return self._counted(record), members

    def _write_added(self) -> list[Path]:
        """Write the rows of the new layer to files, as the view ``added``."""
        is_damaged = "path in (select path from damaged_items)"
        columns = f"""path, kind, size, modified, metadata,
            case when {is_damaged} then [] else blobs end as blobs, deleted,
            damaged or {is_damaged} as damaged"""
        paths = []
        for _ in self._each_piece():
            paths.append(self._workspace.new_path("added"))
            self._workspace.run(
                f"copy (select {columns} from added_rows) to {quote(paths[-1])} ({WORKING_PARQUET})"
            )
        layer_tables.create_layers(self._workspace, "added", [paths])
        return paths

    def _counted(self, record: Record) -> Record:
        """Return the record with what is visible in it and what this session stored."""
        layer_tables.create_layers(
            self._workspace, "point_layers", self._tables.fetch_layers(record.layers)
        )
        visible = layer_tables.visible_sql("point_layers", self._base.floor)
        count, size, damaged = self._workspace.row(
            f"""select count(*), coalesce(sum(size), 0)::BIGINT, count(*) filter (damaged)
            from {visible}"""
        )
        blob_count, blob_size = self._provided.own_blobs()
        pack_count, stored_size = self._workspace.row(
            """select count(*), coalesce(sum(pack_size), 0)::BIGINT from
            (select distinct session, pack, pack_size from packs where is_own)"""
        )
        return replace(
            record,
            item_count=count,
            content_size=size,
            damaged_count=damaged,
            new_blob_count=blob_count,
            new_content_size=blob_size,
            pack_count=pack_count,
            stored_size=stored_size,
            warnings=(
                *_warnings(damaged, self._skipped.count),
                *self._emptied(count, record.removed_count),
            ),
        )

    def _emptied(self, count: int, removed: int) -> Iterator[str]:
        """Warn of a listing that shows nothing any more: most often a disk that is not mounted."""
        if isinstance(self._session.source, BucketSource) and removed and not count:
            yield f"the source is empty: all {removed} objects of the point before are gone"


def _mapped_name(table: TableObject) -> str:
    return f"{table.name}, mapped"


def _fault_reasons(damaged: int, archived: int) -> Iterator[str]:
    if damaged:
        yield f"{damaged} items of the source have missing or damaged blobs"
    if archived:
        yield f"{archived} objects of the source are archived and cannot be read"


def _warnings(damaged: int, skipped: int) -> Iterator[str]:
    if damaged:
        yield f"{damaged} items are damaged and have no content"
    if skipped:
        yield f"{skipped} objects changed or vanished while they were copied and are left out"
