"""The index as DuckDB relations: known blobs, ids without reading, anti-joins and the proof."""

from collections.abc import Sequence
from pathlib import Path

from core.catalog.tables import INDEX_COLUMNS
from core.catalog.workspace import Workspace, quote_all
from core.errors import IntegrityError
from core.ids import is_hex_id

_EMPTY = (
    "select ''::BLOB as id, ''::BLOB as digest, '' as session, '' as pack, 0::BIGINT as pack_size, "
    "''::BLOB as pack_sha256, '' as checksum_kind, '' as checksum_value, ''::BLOB as header, "
    "0::BIGINT as frame_offset, 0::BIGINT as frame_length, 0::BIGINT as blob_offset, "
    "0::BIGINT as length where false"
)
_BLOCK_SIZE = 64


def create_index(
    workspace: Workspace, view: str, index_files: Sequence[Path], part_files: Sequence[Path] = ()
) -> None:
    """Create a view over index objects and the finished rows of parts."""
    selects = []
    if index_files:
        selects.append(f"select {INDEX_COLUMNS} from read_parquet({quote_all(index_files)})")
    if part_files:
        parts = quote_all(part_files)
        selects.append(f"select {INDEX_COLUMNS} from read_parquet({parts}) where fault = ''")
    workspace.run(f"create or replace view {view} as {' union all '.join(selects) or _EMPTY}")


def mapped_id_sql(blob: str, space: str, id_key: bytes | None) -> str:
    """Return the SQL expression of a packed blob's id from its source id.

    The same function as ``core.ids.packed_blob_id``: HMAC-SHA-256 written out as its two
    hashes (RFC 2104), so that DuckDB computes millions of them itself.
    """
    message = f"unhex('{(space.encode() + bytes(1)).hex()}') || {blob}"
    if id_key is None:
        return f"unhex(sha256({message}))"
    block = id_key.ljust(_BLOCK_SIZE, b"\0")
    inner = bytes(byte ^ 0x36 for byte in block).hex()
    outer = bytes(byte ^ 0x5C for byte in block).hex()
    return f"unhex(sha256(unhex('{outer}') || unhex(sha256(unhex('{inner}') || {message}))))"


def mapped_list_sql(blobs: str, space: str, id_key: bytes | None) -> str:
    """Return the SQL expression that maps a list of source ids."""
    return f"list_transform({blobs}, lambda b: {mapped_id_sql('b', space, id_key)})"


def create_excluded(workspace: Workspace, table: str, packs: Sequence[tuple[str, str]]) -> None:
    """Create a table of packs, as (session, pack), whose rows do not count."""
    workspace.run(f"create table {table} (session VARCHAR, pack VARCHAR)")
    if packs:
        # The texts come from stored tables and are checked before they become part of SQL.
        if not all(is_hex_id(session) and is_hex_id(pack) for session, pack in packs):
            raise IntegrityError("the index names a pack that cannot exist")
        values = ", ".join(f"('{session}', '{pack}')" for session, pack in packs)
        workspace.run(f"insert into {table} values {values}")


def usable_sql(index: str, excluded: str) -> str:
    """Return the query of the index rows whose pack counts."""
    return f"""(select i.* from {index} i anti join {excluded} x
        on i.session = x.session and i.pack = x.pack)"""


def range_bounds(number: int, count: int) -> tuple[bytes, bytes | None]:
    """Return the lowest id of a range and the first id behind it; None behind the last.

    Ids are spread evenly, so equal shares of their first four bytes are equal ranges.
    """
    low = (number << 32) // count
    high = ((number + 1) << 32) // count
    return low.to_bytes(4, "big"), None if number + 1 == count else high.to_bytes(4, "big")


def range_number_sql(blob: str, count: int) -> str:
    """Return the SQL expression of the number of the range that an id is in."""
    # The highest number whose lowest id, rounded down as range_bounds does it, is not above.
    return f"((('0x' || hex({blob}[1:4]))::BIGINT + 1) * {count} - 1) >> 32"


def unproved_count(workspace: Workspace, needed: str, known: str) -> int:
    """Count the needed ids (column ``id``) that no known row (column ``id``) provides."""
    (count,) = workspace.row(f"select count(*) from {needed} n anti join {known} k using (id)")
    return int(count)
