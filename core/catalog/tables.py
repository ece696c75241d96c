"""The columns of stored tables, and how rows get into and out of Parquet files.

Rows come from Python through a CSV file of hex and digits, the one bulk path into DuckDB that
needs no further library; item paths are hostile bytes and are never part of SQL.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from core.catalog.workspace import Workspace, quote, spooled
from core.ids import BlobId, Digest, PackId, SessionId
from core.model import Item, ItemKind, PackedBlob, PackRow

ITEM_COLUMNS = "path, kind, size, modified, metadata, blobs, deleted, damaged"
INDEX_COLUMNS = (
    "id, digest, session, pack, pack_size, pack_sha256, checksum_kind, checksum_value, header, "
    "frame_offset, frame_length, blob_offset, length"
)
PART_COLUMNS = f"ordinal, fault, {INDEX_COLUMNS}"

# Faults of blobs in parts. What is missing, damaged or archived is a matter of the source; what has
# changed or vanished under the reader, of the moment. A described row never was a blob: it has the
# properties of an object of which no content is asked for.
MISSING = "missing"
DAMAGED = "damaged"
ARCHIVED = "archived"
CHANGED = "changed"
VANISHED = "vanished"
DESCRIBED = "described"

# An item with more blobs than this lists them in a file of their own, since a line has a bound;
# the others stream past, whereas grouping blobs into lists needs memory for all of them.
_LINE_BLOBS_MAX = 1_000

# How tables are written that are kept, and those that only a session works with: few ever read the
# latter, so what costs least. Of ids and references a higher level saves nothing.
KEPT_PARQUET = "format parquet, compression zstd"
WORKING_PARQUET = f"{KEPT_PARQUET}, compression_level 1, parquet_version v2"

CSV_FORMAT = "header=false, delim=',', quote='', escape='', auto_detect=false, parallel=false"


def write_rows(workspace: Workspace, view: str, query: str) -> Path:
    """Write a query's rows to a file and create a view of it; as a table they would take more."""
    path = workspace.new_path(view)
    workspace.run(
        f"""copy ({query}) to {quote(path)} ({WORKING_PARQUET});
        create or replace view {view} as from read_parquet({quote(path)})"""
    )
    return path


def write_items(workspace: Workspace, items: Iterable[Item], table: str) -> int:
    """Create ``table`` with the items' rows in the columns of a layer; return their number."""
    rows_path = workspace.new_path("items", ".csv")
    blobs_path = workspace.new_path("item-blobs", ".csv")
    count = 0
    with spooled(rows_path) as rows, spooled(blobs_path) as blobs:
        for number, item in enumerate(items):
            rows.write(_item_line(number, item))
            if len(item.blobs) > _LINE_BLOBS_MAX:
                for ordinal, blob_id in enumerate(item.blobs):
                    blobs.write(f"{number},{ordinal},{blob_id.hex()}\n")
            count += 1
    workspace.run(
        f"""create table {table} as
        with r as (select * from read_csv({quote(rows_path)}, {CSV_FORMAT}, columns={{
            'n': 'BIGINT', 'path': 'VARCHAR', 'kind': 'VARCHAR', 'size': 'BIGINT',
            'modified': 'BIGINT', 'metadata': 'VARCHAR', 'deleted': 'BOOLEAN',
            'damaged': 'BOOLEAN', 'ids': 'VARCHAR'}})),
        b as (select n, list(unhex(id) order by ordinal) as blobs
            from read_csv({quote(blobs_path)}, {CSV_FORMAT}, columns={{
                'n': 'BIGINT', 'ordinal': 'BIGINT', 'id': 'VARCHAR'}}) group by n)
        select unhex(path[2:]) as path, kind, size, modified,
            coalesce(decode(unhex(metadata)), '') as metadata,
            coalesce(blobs, list_transform(string_split(ids, ' '), lambda i: unhex(i)),
                []::BLOB[]) as blobs, deleted, damaged
        from r left join b using (n)"""
    )
    rows_path.unlink()
    blobs_path.unlink()
    return count


def _item_line(number: int, item: Item) -> str:
    # The x keeps an empty path from being read as NULL.
    is_short = len(item.blobs) <= _LINE_BLOBS_MAX
    blobs = " ".join([blob_id.hex() for blob_id in item.blobs]) if is_short else ""
    return (
        f"{number},x{item.path.hex()},{item.kind.value},{item.size},{item.modified},"
        f"{item.metadata.encode().hex()},{item.is_deleted},{item.is_damaged},{blobs}\n"
    )


def read_items(workspace: Workspace, relation: str, order: str = "") -> Iterator[Item]:
    """Yield the items of a table, view or parenthesised query with a layer's columns."""
    for row in workspace.rows(f"select {ITEM_COLUMNS} from {relation} {order}", at_once=5_000):
        path, kind, size, modified, metadata, blobs, deleted, damaged = row
        yield Item(
            path=path,
            kind=ItemKind(kind),
            size=size,
            modified=modified,
            metadata=metadata,
            blobs=tuple(BlobId(blob) for blob in blobs),
            is_deleted=deleted,
            is_damaged=damaged,
        )


# A row of a part: the ordinal in the batch, a fault, the place in the pack or the bare id, and
# the properties of the object that begins with this blob.
PartRow = tuple[int, str, PackedBlob | bytes, str]


def write_part(
    workspace: Workspace,
    path: Path,
    pack: PackRow | None,
    rows: Iterable[PartRow],
    *,
    has_properties: bool = False,
) -> int:
    """Write a part; ``fault`` is empty for a blob that is in the pack. Return the number of rows.

    The parts of copies of repositories have no column for properties.
    """
    csv_path = workspace.new_path("part", ".csv")
    count = 0
    with spooled(csv_path) as file:
        for row in rows:
            file.write(_part_line(row))
            count += 1
    properties = ", decode(unhex(properties[2:])) as properties" if has_properties else ""
    workspace.run(
        f"""copy (select ordinal, coalesce(fault, '') as fault, unhex(id) as id,
            unhex(digest) as digest, {_pack_literals(pack)},
            frame_offset, frame_length, blob_offset, length {properties}
            from read_csv({quote(csv_path)}, {CSV_FORMAT}, columns={{
            'ordinal': 'BIGINT', 'fault': 'VARCHAR', 'id': 'VARCHAR', 'digest': 'VARCHAR',
            'frame_offset': 'BIGINT', 'frame_length': 'BIGINT', 'blob_offset': 'BIGINT',
            'length': 'BIGINT', 'properties': 'VARCHAR'}}) order by ordinal)
        to {quote(path)} ({WORKING_PARQUET})"""
    )
    csv_path.unlink()
    return count


def _part_line(row: PartRow) -> str:
    ordinal, fault, blob, properties = row
    # The x keeps an empty text from being read as NULL.
    carried = f"x{properties.encode().hex()}"
    if isinstance(blob, bytes):
        return f"{ordinal},{fault},{blob.hex()},,,,,,{carried}\n"
    return (
        f"{ordinal},{fault},{blob.id.hex()},{blob.digest.hex()},{blob.frame_offset},"
        f"{blob.frame_length},{blob.offset},{blob.length},{carried}\n"
    )


def _pack_literals(pack: PackRow | None) -> str:
    if pack is None:
        return (
            "NULL::VARCHAR as session, NULL::VARCHAR as pack, NULL::BIGINT as pack_size, "
            "NULL::BLOB as pack_sha256, '' as checksum_kind, '' as checksum_value, "
            "''::BLOB as header"
        )
    checksum = [text.replace("'", "''") for text in (pack.checksum_kind, pack.checksum_value)]
    return (
        f"'{pack.session_id}' as session, '{pack.pack_id}' as pack, "
        f"{pack.size}::BIGINT as pack_size, unhex('{pack.sha256.hex()}') as pack_sha256, "
        f"'{checksum[0]}' as checksum_kind, '{checksum[1]}' as checksum_value, "
        f"unhex('{pack.header.hex()}') as header"
    )


PACK_COLUMNS = "session, pack, pack_size, pack_sha256, checksum_kind, checksum_value, header"


def pack_row(values: tuple[object, ...]) -> PackRow:
    """Make a pack's row from the values of ``PACK_COLUMNS``."""
    session, pack, size, sha256, kind, value, header = values
    assert isinstance(session, str) and isinstance(pack, str) and isinstance(size, int)
    assert isinstance(sha256, bytes) and isinstance(header, bytes)
    assert isinstance(kind, str) and isinstance(value, str)
    return PackRow(
        session_id=SessionId(session),
        pack_id=PackId(pack),
        size=size,
        sha256=sha256,
        checksum_kind=kind,
        checksum_value=value,
        header=header,
    )


BLOB_COLUMNS = "id, digest, frame_offset, frame_length, blob_offset, length"


def packed_blob(values: tuple[object, ...]) -> PackedBlob:
    """Make a blob's place from the values of ``BLOB_COLUMNS``."""
    blob_id, digest, frame_offset, frame_length, offset, length = values
    assert isinstance(blob_id, bytes) and isinstance(digest, bytes)
    assert isinstance(frame_offset, int) and isinstance(frame_length, int)
    assert isinstance(offset, int) and isinstance(length, int)
    return PackedBlob(
        id=BlobId(blob_id),
        digest=Digest(digest),
        frame_offset=frame_offset,
        frame_length=frame_length,
        offset=offset,
        length=length,
    )
