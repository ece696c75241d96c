"""New layers: the change of a session laid upon its parent's layers."""

from collections.abc import Sequence

from core.catalog import layers as layer_tables
from core.catalog.tables import ITEM_COLUMNS
from core.engine.tables import ITEM_ROW_SIZE, Tables
from core.format import names
from core.ids import SessionId
from core.model import Layer
from core.plan.layers import plan_merge


def extend_layers(
    tables: Tables, parent_layers: Sequence[Layer], new_rows: str, session_id: SessionId
) -> tuple[Layer, ...]:
    """Store a layer of ``new_rows`` and return the list of a point that has it on top.

    ``new_rows`` is a relation with a layer's columns in which a path stands once. The parent's
    newest layers are merged into the new one as ``plan_merge`` says; a layer that comes first
    drops deletions. No new rows leave the list as it is. Equal input stores equal rows under
    equal names, so two sessions' publishers adopt each other's objects.
    """
    (count,) = tables.workspace.row(f"select count(*) from {new_rows}")
    kept = plan_merge([layer.rows for layer in parent_layers], int(count))
    if kept == len(parent_layers) and count == 0:
        return tuple(parent_layers)
    merged = parent_layers[kept:]
    rows = _stacked(tables, merged, new_rows) if merged else new_rows
    is_kept = "true" if kept else "not deleted"
    objects = tables.store(
        f"(select {ITEM_COLUMNS} from {rows} where {is_kept})",
        "path",
        lambda number: names.layer(session_id, number),
        ITEM_ROW_SIZE,
    )
    tables.release(table.name for layer in merged for table in layer.objects)
    if not objects:
        return tuple(parent_layers[:kept])
    layer = Layer(objects=objects, rows=sum(table.rows for table in objects))
    return (*parent_layers[:kept], layer)


def _stacked(tables: Tables, merged: Sequence[Layer], new_rows: str) -> str:
    """Return the query of the newest row of each path, of layers with new rows upon them."""
    layer_tables.create_layers(tables.workspace, "merged_layers", tables.fetch_layers(merged))
    tables.workspace.run(
        f"""create or replace view stacked as
        select {ITEM_COLUMNS}, l from merged_layers
        union all select {ITEM_COLUMNS}, {len(merged)} as l from {new_rows}"""
    )
    return layer_tables.squashed_sql("stacked", 0)
