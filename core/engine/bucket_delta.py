"""What a listing adds to the newest copied point, and how its blobs are asked for."""

from core.catalog import index as index_tables
from core.catalog import layers as layer_tables
from core.catalog.objects import create_objects, difference_sql, item_reference_sql, items_sql
from core.engine.delta import open_parent, with_lost, write_changed
from core.engine.session import CopySession
from core.engine.state import Base, Listing
from core.engine.tables import Tables
from core.limits import BLOB_SIZE_MAX, TABLE_OBJECT_SIZE_MAX
from core.plan.copy import PlanLimits
from core.sources.bucket import BucketSource

# A blob's place in packing order: its row's number, then its place in the object.
ORDINAL_BITS = 24

# By what objects are read is made of the delta's rows once more (``batch_sql``): ids from which
# nobody reads would be a third of what a plan writes and sorts.
_NO_ID = "''::BLOB"

# What a row of a batch takes beside the key and the ETag, which stand in it as hex.
_BATCH_ROW_SIZE = 160


def build_listed_delta(session: CopySession, base: Base, listing: Listing, tables: Tables) -> None:
    """Write the rows of the delta (see ``build_delta``): a listing against the parent's state."""
    items = changed = items_sql("objects", base.floor)
    if base.parent:
        target = open_parent(session, base, tables)
        changed = with_lost(tables, difference_sql("objects", target, base.floor), items)
    create_objects(tables.workspace, "objects", tables.fetch_all(listing.objects))
    write_changed(tables, changed, is_listed=True)


def described_sql(session: CopySession, reused: str) -> str:
    """Return the query of the rows that ask for properties alone, as ``ordered`` takes them.

    They are for objects whose first blob nobody will read: empty ones, and those whose first blob
    is stored already. ``reused`` is the query of the positions of stored blobs.
    """
    source_id = f"unhex(sha256({item_reference_sql('0', '0')}))"
    mapped = index_tables.mapped_id_sql("source_id", session.source.space, session.target.id_key)
    return f"""select {mapped} as id, {_NO_ID} as source_id, 0::BIGINT as length, position from
        (select {source_id} as source_id, (row_no << {ORDINAL_BITS})::BIGINT as position
        from delta where not deleted and (len(blobs) = 0 or row_no in (
            select position >> {ORDINAL_BITS} from {reused}
            where position & {(1 << ORDINAL_BITS) - 1} = 0)))"""


def blobs_of_delta_sql(session: CopySession) -> str:
    """Return the query of all blobs of the delta, as ``ordered`` takes them."""
    mapped = index_tables.mapped_id_sql("blob", session.source.space, session.target.id_key)
    source_id = _NO_ID if isinstance(session.source, BucketSource) else "blob"
    return f"""select {mapped} as id, {source_id} as source_id, length::BIGINT as length,
        ((row_no << {ORDINAL_BITS}) | ordinal)::BIGINT as position
        from {layer_tables.blobs_sql("delta")}"""


def batch_sql(start: int, end: int) -> str:
    """Return the query of a batch: its rows carry references, with which objects can be read."""
    offset = f"(o.position & {(1 << ORDINAL_BITS) - 1}) * {BLOB_SIZE_MAX}"
    return f"""select n - {start} as ordinal, id, {item_reference_sql(offset, "length")}
            as source_id, length
        from (select * from ordered where n >= {start} and n < {end}) o
        join delta d on d.row_no = o.position >> {ORDINAL_BITS} order by n"""


def fitting_limits(tables: Tables, bounds: PlanLimits) -> PlanLimits:
    """Return bounds with which batches of these keys stay below a table object's size."""
    (size,) = tables.workspace.row(
        "select coalesce(max(2 * octet_length(path) + 2 * strlen(metadata)), 0) from delta"
    )
    count = TABLE_OBJECT_SIZE_MAX // 2 // (size + _BATCH_ROW_SIZE)
    return bounds.with_batch_blobs(min(bounds.batch_blobs_max, count))
