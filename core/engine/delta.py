"""What a point adds to its parent: which rows are new, changed or gone."""

from collections.abc import Callable, Sequence
from pathlib import Path

from core.catalog import index as index_tables
from core.catalog import layers as layer_tables
from core.catalog.objects import deduplicated_sql
from core.catalog.tables import ITEM_COLUMNS, WORKING_PARQUET
from core.catalog.workspace import quote, quote_all
from core.engine.known import write_known_ids
from core.engine.session import CopySession
from core.engine.state import Base
from core.engine.tables import ITEM_ROW_SIZE, Tables
from core.errors import IntegrityError, NotFoundError
from core.format import names
from core.ids import PointId, parse_point_id
from core.model import Record, RetentionType, TableObject
from core.plan.copy import common_prefix
from core.sources.repository import Repository

# How many points may lie between the last copied one and this one before the two states are
# compared whole instead of following the points one by one.
_ANCESTORS_MAX = 1_000
# Items of one month expire about together, so they are packed together.
_EXPIRY_CLASS_NANOSECONDS = 30 * 24 * 3600 * 10**9

DELTA_COLUMNS = f"row_no, {ITEM_COLUMNS}"


def read_source_record(source: Repository, point: PointId) -> Record:
    """Read the record of a source's own point."""
    time, session_id = parse_point_id(point)
    name = names.record(source.identity.id, time, session_id)
    try:
        return source.read_record(name)
    except NotFoundError:
        raise NotFoundError(
            f"the source has no restore point {point} any more",
            hint="Abandon this session ('coldhaul session abandon'); the next run takes the "
            "newest point there is.",
        ) from None


def build_delta(
    session: CopySession, base: Base, record: Record, tables: Tables, sources: Tables
) -> bool:
    """Write the rows of the delta (``changed_rows``), with the source's blob ids.

    ``record`` is the source's point. Return whether the states were compared whole.
    """
    floor = max(base.floor, base.source_floor)
    visible = changed = layer_tables.visible_sql("source_layers", floor)
    if base.parent:
        target = open_parent(session, base, tables)
        changed = (
            _following(visible, target, base.shared_layers, floor)
            if base.shared_layers
            else _difference(session, visible, target, floor)
        )
        changed = with_lost(tables, changed, visible)
    sources.open_point(record, "source_layers")
    write_changed(tables, changed)
    return base.shared_layers == 0


def read_parent(target: Repository, base: Base) -> Record:
    """Read the record that a plan builds on."""
    try:
        return target.read_record(base.parent)
    except NotFoundError as error:
        raise IntegrityError(
            f"{base.parent}, on which this session builds, is missing",
            hint="Give the session up ('coldhaul session abandon') and run the job again.",
        ) from error


def count_shared_layers(session: CopySession, source: Repository, parent_name: str) -> int:
    """Return how many layers of its parent's source the session's point shares and follows."""
    if not parent_name:
        return 0
    parent = session.target.read_record(parent_name)
    record = read_source_record(source, session.claim.source_point)
    return _shared_layers(source, parent, record)


def _shared_layers(source: Repository, parent: Record, record: Record) -> int:
    """Return how many layers the new point shares with its parent, if it descends from it.

    Only then does what follows the shared layers tell the whole difference: every row that the
    parent's later layers had has been merged into a later layer. A point of another line (two
    backups that ran at once) may share layers and yet lack the parent's newer rows.
    """
    shared = common_prefix(parent.source_layers, record.layers)
    if not shared:
        return 0
    current = record
    for _ in range(_ANCESTORS_MAX):
        if current.source_point == parent.source_point:
            return shared
        if current.parent is None:
            return 0
        try:
            current = read_source_record(source, current.parent)
        except NotFoundError:
            return 0
    return 0


def _difference(session: CopySession, visible: str, target: str, floor: int) -> str:
    mapped = index_tables.mapped_list_sql("s.blobs", session.source.space, session.target.id_key)
    return layer_tables.difference_sql(visible, target, mapped, floor)


def _following(visible: str, target: str, shared: int, floor: int) -> str:
    """Return the newest rows of the layers after the shared ones, and what must be redone.

    A path whose newest row is below the floor is in the point no more.
    """
    squashed = layer_tables.squashed_sql("source_layers", shared)
    return f"""(select {ITEM_COLUMNS} from {squashed} where deleted or modified >= {floor}
        union
        select path, kind, 0, modified, '{{}}', []::BLOB[], true, false from {squashed} semi join
            (select path from {target} where modified >= {floor}) using (path)
            where not deleted and modified < {floor}
        union
        select {ITEM_COLUMNS} from {visible} semi join
            (select path from {target} where damaged) using (path))"""


def open_parent(session: CopySession, base: Base, tables: Tables) -> str:
    """Open the parent's layers and return the query of its visible rows.

    Creates ``lost`` (path) of those whose blobs are in no pack that counts. Asked also when no pack
    is excluded: a pack that is lost together with the index objects that name it is known to
    nobody. It comes first, so that the index and layers are never there together.
    """
    parent = read_parent(session.target, base)
    files = write_known_ids(tables, base)
    tables.open_point(parent, "target_layers")
    visible = layer_tables.visible_sql("target_layers", base.floor)
    tables.workspace.run(
        f"""create table lost as select distinct path from
        (select path, unnest(blobs) as id from {visible}) n anti join known_ids k using (id)"""
    )
    for path in files:
        path.unlink()
    return visible


def with_lost(tables: Tables, changed: str, visible: str) -> str:
    """Add the inherited rows whose blobs are ``lost``; ``visible`` are the source's rows."""
    (lost_count,) = tables.workspace.row("select count(*) from lost")
    if not lost_count:
        return changed
    return f"""(select {ITEM_COLUMNS} from {changed} union
        select {ITEM_COLUMNS} from {visible} semi join lost using (path))"""


def write_changed(tables: Tables, changed: str, *, is_listed: bool = False) -> None:
    """Write these rows to a file, as the view ``changed_rows``, and check them.

    ``is_listed``: a path that stands twice is no damage but a listing that saw an object twice.
    """
    _write(tables, changed)
    (count, paths) = tables.workspace.row(
        "select count(*), count(distinct hash(path)) from changed_rows"
    )
    # Digests of 64 bits take far less memory than paths; where two are equal, paths decide.
    if count == paths:
        repeated = 0
    elif is_listed:
        repeated = 0
        _write(tables, deduplicated_sql("changed_rows"))
    else:
        (repeated,) = tables.workspace.row(
            "select count(*) - count(distinct path) from changed_rows"
        )
    if not is_listed:
        _check(tables, int(repeated))


def _write(tables: Tables, rows: str) -> None:
    written = tables.workspace.new_path("changed")
    tables.workspace.run(
        f"copy (select {ITEM_COLUMNS} from {rows}) to {quote(written)} ({WORKING_PARQUET})"
    )
    # Rows may be made from those written before.
    written.rename(_file(tables))
    tables.workspace.run(
        f"create or replace view changed_rows as from read_parquet({quote(_file(tables))})"
    )


def _file(tables: Tables) -> Path:
    return tables.workspace.folder / "changed.parquet"


def _check(tables: Tables, repeated: int) -> None:
    invalid = layer_tables.invalid_item_count(tables.workspace, "changed_rows")
    if invalid or repeated:
        raise IntegrityError(
            f"the source's layers contradict themselves: {invalid} items have another number of "
            f"blobs than their size asks for, {repeated} paths stand twice",
            hint="'coldhaul verify' on the source names what is damaged.",
        )


def store_changed(
    tables: Tables, session: CopySession, name_of: Callable[[int], str]
) -> tuple[TableObject, ...]:
    """Store the ``changed_rows``, which then are gone, as a delta.

    They are numbered by expiry class and path, the order in which blobs are packed.
    """
    is_item_level = session.target.identity.retention_type is RetentionType.ITEM_LEVEL
    order = f"modified // {_EXPIRY_CLASS_NANOSECONDS}, path" if is_item_level else "path"
    stored = tables.store("changed_rows", order, name_of, ITEM_ROW_SIZE, is_numbered=True)
    tables.workspace.run("drop view changed_rows")
    _file(tables).unlink()
    return stored


def open_delta(tables: Tables, files: Sequence[Path]) -> None:
    """Create the view ``delta`` over the files of what a plan has stored."""
    if files:
        relation = f"select {DELTA_COLUMNS} from read_parquet({quote_all(files)})"
    else:
        layer_tables.create_layers(tables.workspace, "no_layers", [])
        relation = f"select 0::BIGINT as row_no, {ITEM_COLUMNS} from no_layers"
    tables.workspace.run(f"create or replace view delta as {relation}")
