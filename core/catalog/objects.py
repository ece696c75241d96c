"""Objects of a bucket as DuckDB relations: what a listing said, items of it, and references.

A relation of listed objects has ``path`` (the key's bytes), ``size``, ``etag`` and ``modified``
(seconds). An item of it has the metadata ``{"etag":...}``, to which ``properties`` are added once
they are known.
"""

from collections.abc import Sequence
from pathlib import Path

from core.catalog.layers import NO_FLOOR
from core.catalog.tables import CSV_FORMAT, ITEM_COLUMNS, WORKING_PARQUET
from core.catalog.workspace import Workspace, quote, quote_all
from core.limits import BLOB_SIZE_MAX

OBJECT_COLUMNS = "path, size, etag, modified"
NANOSECONDS = 10**9

_TYPES = "''::BLOB as path, 0::BIGINT as size, '' as etag, 0::BIGINT as modified"

# A row of a listing: the key's bytes, size, ETag, seconds.
ObjectRow = tuple[bytes, int, str, int]


def object_line(row: ObjectRow) -> str:
    """Write a row as a line of the file that ``write_objects`` reads."""
    path, size, etag, modified = row
    # The x keeps an empty text from being read as NULL.
    return f"x{path.hex()},{size},x{etag.encode().hex()},{modified}\n"


def write_objects(workspace: Workspace, lines: Path, path: Path, facts: dict[str, str]) -> int:
    """Write listed objects to a Parquet file; ``facts`` go into its own metadata.

    ``lines`` is a file of ``object_line``. Return the number of rows.
    """
    pairs = ", ".join(f"'{name}': '{_hex(text)}'" for name, text in facts.items())
    columns = "{'path': 'VARCHAR', 'size': 'BIGINT', 'etag': 'VARCHAR', 'modified': 'BIGINT'}"
    workspace.run(
        f"""copy (select unhex(path[2:]) as path, size, decode(unhex(etag[2:])) as etag, modified
            from read_csv({quote(lines)}, {CSV_FORMAT}, columns={columns}))
        to {quote(path)} ({WORKING_PARQUET}, kv_metadata {{{pairs}}})"""
    )
    (count,) = workspace.row(f"select count(*) from read_parquet({quote(path)})")
    return int(count)


def read_facts(workspace: Workspace, path: Path) -> dict[str, str]:
    """Return the facts that ``write_objects`` has written into a file."""
    rows = workspace.rows(f"select key, value from parquet_kv_metadata({quote(path)})")
    return {name.decode(): _text(value.decode()) for name, value in rows}


def _hex(text: str) -> str:
    return text.encode(errors="surrogateescape").hex()


def _text(value: str) -> str:
    return bytes.fromhex(value).decode(errors="surrogateescape")


def create_objects(workspace: Workspace, view: str, files: Sequence[Path]) -> None:
    """Create a view over files of listed objects."""
    relation = f"from read_parquet({quote_all(files)})" if files else ""
    columns = OBJECT_COLUMNS if files else f"{_TYPES} where false"
    workspace.run(f"create or replace view {view} as select {columns} {relation}")


def items_sql(objects: str, floor: int = NO_FLOOR) -> str:
    """Return the query of the items of listed objects, with a layer's columns.

    ``blobs`` are source ids. What was changed before ``floor`` (nanoseconds) is left out.
    """
    length = f"least({BLOB_SIZE_MAX}, size - n * {BLOB_SIZE_MAX})"
    reference = _reference_sql("etag", "modified", f"n * {BLOB_SIZE_MAX}", length)
    whole = _reference_sql("etag", "modified", "0", "size")
    count = f"(size + {BLOB_SIZE_MAX - 1}) // {BLOB_SIZE_MAX}"
    # Most objects are one blob, and a list of one is made faster without a function for each.
    return f"""(select path, 'file' as kind, size, modified * {NANOSECONDS} as modified,
        json_object('etag', etag)::VARCHAR as metadata,
        case when size between 1 and {BLOB_SIZE_MAX} then [unhex(sha256({whole}))]
            else list_transform(range({count}), lambda n: unhex(sha256({reference}))) end as blobs,
        false as deleted, false as damaged
        from {objects} where {_since(floor)})"""


def found_items_sql(objects: str, floor: int) -> str:
    """Return the query of the items of objects that were looked at again.

    A size below 0 says that the object is gone: its row is deleted, and so is that of an object
    that was changed before ``floor``.
    """
    is_there = f"size >= 0 and modified >= {floor}"
    return f"""(select path, kind, greatest(size, 0) as size, modified,
        case when {is_there} then metadata else '{{}}' end as metadata,
        case when {is_there} then blobs else [] end as blobs, not ({is_there}) as deleted, damaged
        from {items_sql(objects)})"""


def _since(floor: int) -> str:
    return f"modified >= {-(-floor // NANOSECONDS)}"


def _reference_sql(etag: str, seconds: str, offset: str, length: str) -> str:
    """Return the SQL expression of a reference: see ``core.sources.bucket``."""
    # One function writes it in one go; each || would copy what stands before it.
    return (
        f"""encode(concat('["', lower(hex(path)), '",', size, ',"', lower(hex({etag})), '",', """
        f"""{seconds}, ',', {offset}, ',', {length}, ']'))"""
    )


def item_reference_sql(offset: str, length: str) -> str:
    """Return the SQL expression of a reference from the columns of an item."""
    etag = "json_extract_string(metadata, '$.etag')"
    return _reference_sql(etag, f"(modified // {NANOSECONDS})", offset, length)


def difference_sql(objects: str, target_visible: str, floor: int) -> str:
    """Return the query of the rows that turn the target's visible state into what is listed.

    An object is unchanged when path, size, ETag and time are those of the target's row. The
    metadata of that row begins like the listed object's: a text ends at its first bare quote.
    """
    columns = ", ".join("s." + c for c in ITEM_COLUMNS.split(", "))
    items = items_sql(objects, floor)
    return f"""(select {columns} from {items} s left join
            (select path, kind, size, modified, metadata, damaged from {target_visible}) t
            on s.path = t.path
        where t.path is null or t.damaged or t.kind <> 'file' or s.size <> t.size
            or s.modified <> t.modified or not starts_with(t.metadata, left(s.metadata, -1))
        union all
        select t.path, t.kind, 0, t.modified, '{{}}', []::BLOB[], true, false
        from {target_visible} t anti join
            (select path from {objects} where {_since(floor)}) s on s.path = t.path)"""


def deduplicated_sql(items: str) -> str:
    """Return the query of one row for each path, the last changed one."""
    return f"""(select {ITEM_COLUMNS} from (select *, row_number() over
        (partition by path order by deleted, modified desc, metadata desc) as choice from {items})
        where choice = 1)"""
