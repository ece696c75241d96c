"""The rows of a point of a bucket, as they are known once everything is repacked.

The plan's rows, those of later rounds over them, and the properties that parts have brought. What
changed or vanished to the end leaves the point.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from core import limits
from core.catalog import index as index_tables
from core.catalog import layers as layer_tables
from core.catalog.objects import item_reference_sql
from core.catalog.tables import (
    ARCHIVED,
    CHANGED,
    DAMAGED,
    DESCRIBED,
    ITEM_COLUMNS,
    MISSING,
    VANISHED,
    write_rows,
)
from core.catalog.workspace import quote_all
from core.engine.delta import open_delta, read_parent
from core.engine.parts import batches_of, find_unresolved
from core.engine.session import CopySession
from core.engine.skipped import CHANGING, VANISHED_OBJECT, SkipList
from core.engine.state import Base, Plan, Round
from core.engine.tables import Tables

_LASTING = f"('{MISSING}', '{DAMAGED}', '{ARCHIVED}')"
_HAD = f"('', '{DESCRIBED}')"


def is_final(
    tables: Tables, plan: Plan, rounds: Sequence[Round], files: Mapping[int, Sequence[Path]]
) -> bool:
    """Create ``unresolved`` of the last round, and say whether no other round has to follow."""
    batches = batches_of(rounds[-1] if rounds else plan)
    last = {number: files[number] for number in batches}
    return not find_unresolved(tables, batches, last) or len(rounds) + 1 >= limits.ROUNDS_MAX


def open_objects(
    session: CopySession, tables: Tables, base: Base, plan: Plan, rounds: Sequence[Round]
) -> SkipList:
    """Create what publish looks at, and ``faulty`` (id, fault); return what is left out.

    ``parts`` (with properties) and ``unresolved`` are there already.
    """
    _open_rows(tables, plan, rounds)
    skipped = _skipped(tables)
    mapped = index_tables.mapped_list_sql("blobs", session.source.space, session.target.id_key)
    columns = ITEM_COLUMNS.replace("blobs", f"{mapped} as blobs")
    write_rows(tables.workspace, "mapped", f"select {columns} from present where not deleted")
    _open_firsts(session, tables)
    is_shown = _shown_condition(session, tables, base)
    tables.workspace.run(
        f"""create view added_rows as select path, kind, size, modified, {_METADATA} as metadata,
            blobs, deleted, damaged
        from mapped left join firsts using (path) left join carried using (id)
        union all select {ITEM_COLUMNS} from present where deleted {is_shown}"""
    )
    tables.workspace.run(
        """create view added_blobs as select path, unnest(blobs) as id from mapped;
        create view needed as from added_blobs union all select path, id from firsts"""
    )
    return skipped


def count_undescribed(tables: Tables) -> int:
    """Count the objects whose properties no part has brought, although they were there."""
    (count,) = tables.workspace.row(
        """select count(*) from firsts anti join carried using (id) anti join
        (select path from needed semi join faulty using (id)) f using (path)"""
    )
    return int(count)


_METADATA = """case when coalesce(properties, '{}') = '{}' then metadata
    else left(metadata, -1) || ',"properties":' || properties || '}' end"""


def _open_rows(tables: Tables, plan: Plan, rounds: Sequence[Round]) -> None:
    """Create ``present``: the newest row of each path, deleted where it was not to be had."""
    open_delta(tables, tables.fetch_all(plan.delta.objects))
    tables.workspace.run("create view stacked_rows as " + _stacked_sql(tables, rounds))
    newest = layer_tables.squashed_sql("stacked_rows", 0) if rounds else "delta"
    columns = ITEM_COLUMNS.replace("deleted", "deleted or u.path is not null as deleted")
    columns = columns.replace("path,", "r.path,", 1)
    tables.workspace.run(
        f"""create view present as select {columns}
        from {newest} r left join unresolved u on u.path = r.path"""
    )


def _stacked_sql(tables: Tables, rounds: Sequence[Round]) -> str:
    selects = [f"select {ITEM_COLUMNS}, 0 as l from delta"]
    for place, each in enumerate(rounds, 1):
        if each.objects:
            files = quote_all(tables.fetch_all(each.objects))
            selects.append(f"select {ITEM_COLUMNS}, {place} as l from read_parquet({files})")
    return " union all ".join(selects)


def _skipped(tables: Tables) -> SkipList:
    """List what is left out: what was gone in a later round, and what has no further round."""
    tables.workspace.run(
        f"""create table left_out as
        select path, '{VANISHED}' as fault from stacked_rows where l > 0 and deleted
        union select path, fault from unresolved"""
    )
    skipped = SkipList()
    reasons = {VANISHED: VANISHED_OBJECT, CHANGED: CHANGING}
    query = "select path, min(fault) from left_out group by path order by path"
    for path, fault in tables.workspace.rows(query):
        skipped.add(path, reasons[fault])
    return skipped


def _shown_condition(session: CopySession, tables: Tables, base: Base) -> str:
    """Return the condition under which a deleted row is of any use: the parent shows the path."""
    (count,) = tables.workspace.row("select count(*) from left_out")
    if not count:
        return ""
    shown = "(select path from left_out where false)"
    if base.parent:
        tables.open_point(read_parent(session.target, base), "parent_layers")
        visible = layer_tables.visible_sql("parent_layers", base.floor)
        shown = f"(select path from {visible} semi join left_out using (path))"
    return f"and (path not in (select path from left_out) or path in {shown})"


def _open_firsts(session: CopySession, tables: Tables) -> None:
    """Create ``firsts`` (path, id: the row of a part that has its properties), ``carried`` and
    ``faulty``.

    That row is the first blob's where this session has read it, else the one that asked for
    properties alone.
    """
    workspace = tables.workspace
    source_id = f"unhex(sha256({item_reference_sql('0', '0')}))"
    alone = index_tables.mapped_id_sql(source_id, session.source.space, session.target.id_key)
    write_rows(
        workspace,
        "firsts",
        f"""select path, case when p.id is null then {alone} else m.blobs[1] end as id
        from mapped m left join (select distinct id from parts) p on p.id = m.blobs[1]""",
    )
    write_rows(
        workspace,
        "carried",
        f"""select id, max(properties) as properties
        from parts where fault in {_HAD} and properties <> '' group by id""",
    )
    workspace.run(
        f"""create view faulty as select id, max(fault) as fault from parts
        where fault in {_LASTING}
        and id not in (select id from parts where fault in {_HAD}) group by id"""
    )
