"""The blobs that are stored already: what the index and other sessions' parts say, by a base.

Whoever needs little of each row reads it from a few tables at a time, so that a large index is not
in the temporary folder for it; what is let go of is fetched again when its rows are joined.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from core.catalog import index as index_tables
from core.catalog.tables import INDEX_COLUMNS, WORKING_PARQUET
from core.catalog.workspace import quote, quote_all
from core.engine.state import Base
from core.engine.tables import Tables

# So many objects of the index, or parts, are looked at together: those are fetched side by side.
_INDEX_AT_ONCE = 2
_PARTS_AT_ONCE = 256


def open_known(tables: Tables, base: Base) -> None:
    """Create ``known`` and ``excluded`` as a base fixes them."""
    _create_known(tables, base.index, base.parts)
    index_tables.create_excluded(tables.workspace, "excluded", base.excluded)


def close_known(tables: Tables, base: Base) -> None:
    """Drop what ``open_known`` made."""
    tables.workspace.run("drop view known; drop table excluded")
    tables.release((*base.index, *base.parts))


def each_known(tables: Tables, index: Sequence[str], parts: Sequence[str]) -> Iterator[None]:
    """Create the view ``known`` of a few tables after the other, together all of them."""
    for start in range(0, len(index), _INDEX_AT_ONCE):
        objects = index[start : start + _INDEX_AT_ONCE]
        _create_known(tables, objects, ())
        yield
        tables.release(objects)
    for start in range(0, len(parts), _PARTS_AT_ONCE):
        objects = parts[start : start + _PARTS_AT_ONCE]
        _create_known(tables, (), objects)
        yield
        tables.release(objects)


def write_known_ids(tables: Tables, base: Base) -> list[Path]:
    """Write the ids whose pack counts to files, as the view ``known_ids``."""
    index_tables.create_excluded(tables.workspace, "excluded", base.excluded)
    usable = index_tables.usable_sql("known", "excluded")
    files = []
    for _ in each_known(tables, base.index, base.parts):
        files.append(tables.workspace.new_path("known"))
        tables.workspace.run(
            f"copy (select id from {usable}) to {quote(files[-1])} ({WORKING_PARQUET})"
        )
    relation = f"read_parquet({quote_all(files)})" if files else "(select ''::BLOB as id limit 0)"
    tables.workspace.run(
        f"drop table excluded; create or replace view known_ids as from {relation}"
    )
    return files


def _create_known(tables: Tables, index: Sequence[str], parts: Sequence[str]) -> None:
    """Create the view ``known``: index rows with their ``origin``, ``index`` or ``part``."""
    selects = []
    if index:
        files = quote_all(tables.fetch_names(index))
        selects.append(f"select {INDEX_COLUMNS}, 'index' as origin from read_parquet({files})")
    if parts:
        files = quote_all(tables.fetch_names(parts))
        selects.append(
            f"select {INDEX_COLUMNS}, 'part' as origin from read_parquet({files}) where fault = ''"
        )
    if not selects:
        index_tables.create_index(tables.workspace, "no_index", [])
        selects.append("select *, 'index' as origin from no_index")
    tables.workspace.run(f"create or replace view known as {' union all '.join(selects)}")
