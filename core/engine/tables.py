"""Stored tables on their way into a workspace and out of it."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import duckdb

from core.catalog import layers as layer_tables
from core.catalog.tables import INDEX_COLUMNS, ITEM_COLUMNS, PART_COLUMNS
from core.catalog.workspace import Workspace, quote
from core.errors import ConflictError, IntegrityError, NotFoundError
from core.format.names import INDEX, LAYERS
from core.limits import TABLE_OBJECT_SIZE_MAX
from core.model import Layer, Record, TableObject
from core.sources.repository import Repository

# Upper bounds of what a row takes in Parquet, so that where tables are cut follows from their
# rows alone and two writers of one table cut it alike.
ITEM_ROW_SIZE = "(octet_length(path) + strlen(metadata) + 33 * len(blobs) + 64)"
BLOB_ROW_SIZE = "112"

# What a table has to hold where its name says what it is.
_COLUMNS = (("/parts/", PART_COLUMNS), (INDEX, INDEX_COLUMNS), (LAYERS, ITEM_COLUMNS))


class Tables:
    """The tables of one repository in one workspace; what was fetched once is kept."""

    def __init__(self, repository: Repository, workspace: Workspace) -> None:
        """Nothing is fetched yet."""
        self.repository = repository
        self.workspace = workspace
        self._fetched: dict[str, Path] = {}

    def fetch(self, name: str, expected: TableObject | None = None) -> Path:
        """Return the local file of a stored table, checked."""
        if name not in self._fetched:
            path = self.workspace.new_path("table")
            try:
                self.repository.fetch_table(name, path, expected)
            except NotFoundError as error:
                raise IntegrityError(f"{name} is missing, although it was written") from error
            self._check(name, path)
            self._fetched[name] = path
        return self._fetched[name]

    def fetch_all(self, objects: Iterable[TableObject]) -> list[Path]:
        """Return the local files of stored tables, each compared with what is expected."""
        return [self.fetch(table.name, table) for table in objects]

    def fetch_layers(self, layers: Sequence[Layer]) -> list[list[Path]]:
        """Return the local files of each layer, oldest layer first."""
        try:
            return [self.fetch_all(layer.objects) for layer in layers]
        except IntegrityError as error:
            raise error.with_hint(
                "'coldhaul rebuild' brings layers of copies back from beside the packs."
            ) from error

    def open_point(self, record: Record, view: str) -> None:
        """Create a view of a point's layers, as ``core.catalog.layers`` reads it."""
        layer_tables.create_layers(self.workspace, view, self.fetch_layers(record.layers))

    def store(
        self, relation: str, order: str, name_of: Callable[[int], str], row_size: str
    ) -> tuple[TableObject, ...]:
        """Store a relation as objects of at most ``TABLE_OBJECT_SIZE_MAX`` each, in ``order``.

        ``order`` is total, so that every writer of the same rows stores the same objects. An
        object that is there already is adopted. No rows, no objects.
        """
        count, size = self.workspace.row(
            f"select count(*), coalesce(sum({row_size}), 0)::BIGINT from {relation}"
        )
        if count == 0:
            return ()
        if size <= TABLE_OBJECT_SIZE_MAX:
            return (self._store_one(f"select * from {relation} order by {order}", name_of(0)),)
        return self._store_cut(relation, order, name_of, row_size)

    def _store_cut(
        self, relation: str, order: str, name_of: Callable[[int], str], row_size: str
    ) -> tuple[TableObject, ...]:
        # Half of the bound: a row that straddles a cut then never carries a piece past it.
        cut = f"((sum({row_size}) over (order by {order})) // {TABLE_OBJECT_SIZE_MAX // 2})"
        self.workspace.run(
            f"create or replace table cut as select *, {cut}::BIGINT as piece from {relation}"
        )
        pieces = [
            row[0] for row in self.workspace.rows("select distinct piece from cut order by 1")
        ]
        stored = tuple(
            self._store_one(
                f"select * exclude (piece) from cut where piece = {piece} order by {order}",
                name_of(number),
            )
            for number, piece in enumerate(pieces)
        )
        self.workspace.run("drop table cut")
        return stored

    def _store_one(self, query: str, name: str) -> TableObject:
        path = self.workspace.new_path("stored")
        self.workspace.run(f"copy ({query}) to {quote(path)} (format parquet, compression zstd)")
        return self.store_file(path, name)

    def store_file(self, path: Path, name: str) -> TableObject:
        """Store a Parquet file of the workspace, or adopt what is stored under its name."""
        table = _describe(self.workspace, path, name)
        try:
            self.repository.put_table(name, path, table.rows)
        except ConflictError:
            path.unlink()
            adopted = self.describe(name)
            if adopted.rows != table.rows:
                raise IntegrityError(
                    f"{name} is stored with {adopted.rows} rows and not with the {table.rows} that "
                    "follow from what it is made of"
                ) from None
            return adopted
        self._fetched[name] = path
        return table

    def describe(self, name: str) -> TableObject:
        """Fetch a stored table and say what it is."""
        return _describe(self.workspace, self.fetch(name), name)

    def _check(self, name: str, path: Path) -> None:
        columns = next((columns for part, columns in _COLUMNS if part in name), "count(*)")
        try:
            self.workspace.run(f"select {columns} from read_parquet({quote(path)}) limit 1")
        except duckdb.Error as error:
            raise IntegrityError(f"{name} is not a table of its kind: {error}") from error


def _describe(workspace: Workspace, path: Path, name: str) -> TableObject:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    (rows,) = workspace.row(f"select count(*) from read_parquet({quote(path)})")
    return TableObject(name=name, size=path.stat().st_size, sha256=sha256, rows=rows)
