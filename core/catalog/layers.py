"""Layers as DuckDB relations: what is visible, what changed, what squashes into what.

A relation of layers has a layer's columns and ``l``, the layer's place in the point's list,
oldest first. Within one layer a path stands once.
"""

from collections.abc import Sequence
from pathlib import Path

from core.catalog.tables import ITEM_COLUMNS
from core.catalog.workspace import Workspace, quote_all
from core.limits import BLOB_SIZE_MAX

# Below every time that a row can have: times before 1970 are negative and visible.
NO_FLOOR = -(1 << 63) + 1

_TYPES = (
    "NULL::BLOB as path, '' as kind, 0::BIGINT as size, 0::BIGINT as modified, '' as metadata, "
    "[]::BLOB[] as blobs, false as deleted, false as damaged"
)


def create_layers(workspace: Workspace, view: str, layers: Sequence[Sequence[Path]]) -> None:
    """Create a view over the files of a point's layers, oldest first."""
    selects = [
        f"select {ITEM_COLUMNS}, {place}::INTEGER as l from read_parquet({quote_all(files)})"
        for place, files in enumerate(layers)
        if files
    ]
    empty = f"select {_TYPES}, 0::INTEGER as l where false"
    workspace.run(f"create or replace view {view} as {' union all '.join(selects) or empty}")


def visible_sql(layers: str, floor: int, oldest: int = 0) -> str:
    """Return the query of the visible rows: newest of each path, not deleted, not below the floor.

    ``floor`` is nanoseconds, ``NO_FLOOR`` for none; layers before place ``oldest`` are left out.
    """
    # Only newer layers are hashed, so a large base streams past the small ones.
    return f"""(select {", ".join("r." + c for c in ITEM_COLUMNS.split(", "))}
        from {layers} r left join (
            select path, max(l) as newest from {layers} where l > {oldest} group by path
        ) n on n.path = r.path
        where r.l >= {oldest} and r.l >= coalesce(n.newest, {oldest})
            and not r.deleted and r.modified >= {floor})"""


def squashed_sql(layers: str, oldest: int) -> str:
    """Return the query of the newest row of each path, deletions included, from ``oldest`` on."""
    return f"""(select {", ".join("r." + c for c in ITEM_COLUMNS.split(", "))}
        from {layers} r join (
            select path, max(l) as newest from {layers} where l >= {oldest} group by path
        ) n on n.path = r.path and n.newest = r.l)"""


def blobs_sql(items: str, carried: str = "row_no") -> str:
    """Return the query of all blobs that rows need: ``carried``, ordinal, blob and its length.

    ``items`` has a layer's columns and those that are ``carried`` along. Lengths follow from the
    size because content is cut at fixed places.
    """
    return f"""(select {carried}, ordinal, blob,
        case when (ordinal + 1) * {BLOB_SIZE_MAX} <= content_size then {BLOB_SIZE_MAX}
             else content_size - ordinal * {BLOB_SIZE_MAX} end as length
        from (select {carried}, size as content_size, unnest(blobs) as blob,
                unnest(range(len(blobs))) as ordinal
            from {items} where not deleted and not damaged))"""


def difference_sql(
    source_visible: str, target_visible: str, mapped: str, floor: int = NO_FLOOR
) -> str:
    """Return the query of the rows that turn the target's visible state into the source's.

    ``mapped`` is a SQL expression that turns the source's list ``s.blobs`` into target ids. Rows
    that the target has flagged as damaged differ from every row. ``floor`` is the source's: what
    is older is not deleted there but expired, and stays until the target's own floor.
    """
    columns = ", ".join("s." + c for c in ITEM_COLUMNS.split(", "))
    return f"""(select {columns} from {source_visible} s left join {target_visible} t
            on s.path = t.path
        where t.path is null or t.damaged or s.kind <> t.kind or s.size <> t.size
            or s.modified <> t.modified or s.metadata <> t.metadata or {mapped} <> t.blobs
        union all
        select t.path, t.kind, 0, t.modified, '{{}}', []::BLOB[], true, false
        from {target_visible} t anti join {source_visible} s on s.path = t.path
        where t.modified >= {floor})"""


def invalid_item_count(workspace: Workspace, items: str) -> int:
    """Count rows whose number of blobs contradicts their size: damage, never to be copied."""
    (count,) = workspace.row(
        f"""select count(*) from {items} where not deleted and not damaged and
        (size < 0 or len(blobs) <> (case when kind = 'file'
            then size // {BLOB_SIZE_MAX} + (size % {BLOB_SIZE_MAX} > 0)::BIGINT else 0 end))"""
    )
    return int(count)
