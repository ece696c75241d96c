"""Which blobs that points need are nowhere to be had: what ``verify`` and ``rebuild`` ask.

The question is put for all layers at once, hidden rows included. Only if something is missing
are points looked at one by one, because a row that is hidden everywhere needs nothing.
"""

import hashlib
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

import duckdb

from core.catalog import index as index_tables
from core.catalog import layers as layer_tables
from core.catalog.tables import ITEM_COLUMNS
from core.catalog.workspace import Workspace, quote, quote_all
from core.engine.points import visible_floor
from core.errors import IntegrityError, NotFoundError
from core.model import Layer, Record, TableObject
from core.sources.repository import Repository

# Layers are joined with the index in groups of about so many bytes of Parquet, so that a
# repository of many points needs no more room in the temporary folder than one of few.
_GROUP_SIZE = 1 << 30


class TableFiles:
    """Local files of stored tables, each checked once when it comes."""

    def __init__(self, repository: Repository, workspace: Workspace) -> None:
        """Nothing is fetched yet."""
        self._repository = repository
        self._workspace = workspace
        self._paths: dict[str, Path] = {}

    def fetch(self, table: TableObject, columns: str = ITEM_COLUMNS) -> Path:
        """Return the file of a table that is as its record describes it."""
        if table.name in self._paths:
            return self._paths[table.name]
        path, rows = self._fetch(table.name, columns, table)
        if path.stat().st_size != table.size or rows != table.rows:
            raise IntegrityError(f"{table.name} has {rows} rows, its record says {table.rows}")
        self._paths[table.name] = path
        return path

    def fetch_undescribed(self, name: str, columns: str) -> Path:
        """Return the file of a table of which only the name is known."""
        if name not in self._paths:
            self._paths[name], _ = self._fetch(name, columns, None)
        return self._paths[name]

    def _fetch(self, name: str, columns: str, table: TableObject | None) -> tuple[Path, int]:
        path = self._workspace.new_path("table")
        try:
            self._repository.fetch_table(name, path, table)
            return path, count_rows(self._workspace, path, columns)
        except NotFoundError as error:
            raise IntegrityError(f"{name} is missing") from error
        except duckdb.Error as error:
            raise IntegrityError(f"{name} is not a readable table") from error

    def keep(self, kept: Container[str]) -> None:
        """Delete the files of all other tables."""
        for name in [name for name in self._paths if name not in kept]:
            self._paths.pop(name).unlink()


def count_rows(workspace: Workspace, path: Path, columns: str) -> int:
    """Count a table's rows, reading every column of it; ``duckdb.Error`` if it is none."""
    workspace.run(f"select {columns} from read_parquet({quote(path)}) limit 0")
    (rows,) = workspace.row(f"select count(*) from read_parquet({quote(path)})")
    return int(rows)


def open_sources(workspace: Workspace, index_files: Sequence[Path]) -> None:
    """Say where blobs are: create ``index_rows``, and what counts of them and of loose blobs.

    ``listed_packs`` and ``listed_blobs`` are there already. ``good_packed`` (id, length) has the
    rows whose pack is listed with the right size, ``good_loose`` (id) the blobs of some size;
    what stands in ``bad_rows`` (session, pack, id) and ``bad_blobs`` (id) does not count.
    ``lost`` (blob) is empty. May be called again with more index files.
    """
    workspace.run("drop view if exists index_rows")
    index_tables.create_index(workspace, "index_rows", index_files)
    workspace.run("create or replace table bad_rows (session VARCHAR, pack VARCHAR, id BLOB)")
    workspace.run("create or replace table bad_blobs (id BLOB)")
    workspace.run("create or replace table lost (blob BLOB)")
    workspace.run(
        """create or replace view good_packed as select id, length from index_rows i
        semi join listed_packs l using (session, pack, pack_size)
        anti join bad_rows b using (session, pack, id)"""
    )
    workspace.run(
        """create or replace view good_loose as select id from
        (select id from listed_blobs where size > 0) l anti join bad_blobs b using (id)"""
    )


def find_lost(workspace: Workspace, files: Sequence[Path]) -> None:
    """Add to ``lost`` the blobs that rows of these layers name and that cannot be had."""
    needed = layer_tables.blobs_sql(
        f"(select *, 0 as row_no from read_parquet({quote_all(files)}))"
    )
    workspace.run(
        f"""insert into lost select distinct n.blob from {needed} n
        anti join good_packed p on p.id = n.blob and p.length = n.length
        anti join good_loose l on l.id = n.blob"""
    )


def in_groups(tables: Iterable[TableObject]) -> Iterator[list[TableObject]]:
    """Cut tables into groups that are fetched together."""
    group: list[TableObject] = []
    size = 0
    for table in tables:
        if group and size + table.size > _GROUP_SIZE:
            yield group
            group, size = [], 0
        group.append(table)
        size += table.size
    if group:
        yield group


def tables_of(layers: Iterable[Layer]) -> Iterator[TableObject]:
    """Yield the objects of layers."""
    for layer in layers:
        yield from layer.objects


class VisibleRows:
    """Opens points one after the other; what the next one shares is not fetched again."""

    def __init__(self, repository: Repository, workspace: Workspace) -> None:
        """Nothing is fetched yet."""
        self._workspace = workspace
        self._files = TableFiles(repository, workspace)
        self._floor = visible_floor(repository)

    def open(self, record: Record) -> str:
        """Return the query of a point's visible rows, in parentheses; the last one's is void."""
        self._files.keep({table.name for table in tables_of(record.layers)})
        paths = [[self._files.fetch(table) for table in layer.objects] for layer in record.layers]
        self._workspace.run("drop view if exists visible_layers")
        layer_tables.create_layers(self._workspace, "visible_layers", paths)
        return layer_tables.visible_sql("visible_layers", self._floor)

    def count_lost(self, record: Record) -> int:
        """Count the items of a point that need a blob which is ``lost``."""
        (count,) = self._workspace.row(
            f"""select count(*) from (select distinct path from
            (select path, unnest(blobs) as blob from {self.open(record)})
            semi join lost using (blob))"""
        )
        return int(count)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
