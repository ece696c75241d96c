"""Stored tables on their way into a workspace and out of it."""

import hashlib
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import duckdb

from core.catalog import layers as layer_tables
from core.catalog.objects import OBJECT_COLUMNS
from core.catalog.tables import (
    INDEX_COLUMNS,
    ITEM_COLUMNS,
    KEPT_PARQUET,
    PART_COLUMNS,
    WORKING_PARQUET,
)
from core.catalog.workspace import Workspace, quote
from core.errors import ConflictError, IntegrityError, NotFoundError
from core.format.names import INDEX, LAYERS, SESSIONS
from core.limits import TABLE_OBJECT_SIZE_MAX, TABLES_KEPT_SIZE_MAX
from core.model import Layer, Record, TableObject
from core.plan.copy import BatchLimits, Group, cut_batches
from core.sources.repository import Repository

# Upper bounds of what a row takes in Parquet, so that where tables are cut follows from their
# rows alone and two writers of one table cut it alike.
ITEM_ROW_SIZE = "(octet_length(path) + strlen(metadata) + 33 * len(blobs) + 64)"
BLOB_ROW_SIZE = "112"
_BLOCK_ROWS = 4096

# What a table has to hold where its name says what it is.
_COLUMNS = (
    ("/parts/", PART_COLUMNS),
    ("/listing/", OBJECT_COLUMNS),
    (INDEX, INDEX_COLUMNS),
    (LAYERS, ITEM_COLUMNS),
)


class Tables:
    """The tables of one repository in one workspace.

    What was fetched stays until it is released; what is released or stored stays for whoever asks
    next as long as there is little of it.
    """

    def __init__(self, repository: Repository, workspace: Workspace) -> None:
        """Nothing is fetched yet."""
        self.repository = repository
        self.workspace = workspace
        self._fetched: dict[str, Path] = {}
        self._released: OrderedDict[str, int] = OrderedDict()

    def fetch(self, name: str, expected: TableObject | None = None) -> Path:
        """Return the local file of a stored table, checked."""
        return self.fetch_names([name], [expected] if expected else [])[0]

    def _download(self, name: str, path: Path, expected: TableObject | None) -> None:
        try:
            self.repository.fetch_table(name, path, expected)
        except NotFoundError as error:
            raise IntegrityError(f"{name} is missing, although it was written") from error

    def keep(self, name: str, path: Path) -> None:
        """Take a file of the workspace for a table that was stored from it."""
        self._fetched[name] = path

    def release(self, object_names: Iterable[str]) -> None:
        """Let go of the files of tables: views of them are void, and they may be deleted."""
        for name in object_names:
            if name in self._fetched:
                self._released[name] = self._fetched[name].stat().st_size
        while sum(self._released.values()) > TABLES_KEPT_SIZE_MAX:
            oldest, _ = self._released.popitem(last=False)
            self._fetched.pop(oldest).unlink()

    def release_others(self, kept: Iterable[str] = ()) -> None:
        """Let go of the files of all tables but these."""
        self.release([name for name in self._fetched if name not in set(kept)])

    def fetch_all(self, objects: Sequence[TableObject]) -> list[Path]:
        """Return the local files of stored tables, each compared with what is expected."""
        return self.fetch_names([table.name for table in objects], objects)

    def fetch_names(
        self,
        object_names: Sequence[str],
        expected: Sequence[TableObject] = (),
        threads: int | None = None,
    ) -> list[Path]:
        """Return the local files of stored tables, several of which are opened side by side.

        ``threads`` are as many as there are cores, unless tables are small and far away.
        """
        known = {table.name: table for table in expected}
        missing = [name for name in dict.fromkeys(object_names) if name not in self._fetched]
        paths = {name: self.workspace.new_path("table") for name in missing}
        downloads = [partial(self._download, n, paths[n], known.get(n)) for n in missing]
        if len(downloads) == 1:
            downloads[0]()
        elif downloads:
            with ThreadPoolExecutor(threads or os.cpu_count() or 1, "tables") as pool:
                # Every result is asked for: the first error of them is the one that is raised.
                list(pool.map(lambda download: download(), downloads))
        for name in missing:
            self._check(name, paths[name])
            self._fetched[name] = paths[name]
        for name in object_names:
            self._released.pop(name, None)
        return [self._fetched[name] for name in object_names]

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
        self,
        relation: str,
        order: str,
        name_of: Callable[[int], str],
        row_size: str,
        *,
        is_numbered: bool = False,
    ) -> tuple[TableObject, ...]:
        """Store a relation as objects of at most ``TABLE_OBJECT_SIZE_MAX`` each, in ``order``.

        ``order`` is total, so that every writer of the same rows stores the same objects. With
        ``is_numbered`` it is a column that numbers the rows from 0. An object that is there
        already is adopted. No rows, no objects.
        """
        count, size, largest = self.workspace.row(
            f"""select count(*), coalesce(sum({row_size}), 0)::BIGINT,
            coalesce(max({row_size}), 0)::BIGINT from {relation}"""
        )
        if count == 0:
            return ()
        if size <= TABLE_OBJECT_SIZE_MAX:
            return (self._store_one(f"select * from {relation} order by {order}", name_of(0)),)
        if is_numbered:
            pieces = self._cut(relation, order, row_size, largest)
            return self._store_pieces(relation, order, pieces, name_of)
        self.workspace.run(
            f"create or replace table cut as select * from {relation} order by {order}"
        )
        stored = self._store_pieces(
            "cut", "rowid", self._cut("cut", "rowid", row_size, largest), name_of
        )
        self.workspace.run("drop table cut")
        return stored

    def _cut(self, relation: str, number: str, row_size: str, largest: int) -> list[int]:
        """Return the first row of each piece, and the number of all rows."""
        # Rows are summed up in blocks, small beside a piece whatever a row takes.
        block = max(1, min(_BLOCK_ROWS, TABLE_OBJECT_SIZE_MAX // 4 // largest))
        groups = [
            Group(count=count, size=size)
            for count, size in self.workspace.rows(
                f"""select count(*), sum({row_size})::BIGINT from {relation}
                group by {number} // {block} order by {number} // {block}"""
            )
        ]
        bounds = BatchLimits(size_max=TABLE_OBJECT_SIZE_MAX // 2, blobs_max=sys.maxsize)
        counts = [piece.count for piece in cut_batches(groups, bounds)]
        return list(accumulate(counts, initial=0))

    def _store_pieces(
        self, relation: str, number: str, starts: Sequence[int], name_of: Callable[[int], str]
    ) -> tuple[TableObject, ...]:
        return tuple(
            self._store_one(
                f"""select * from {relation} where {number} >= {start} and {number} < {end}
                order by {number}""",
                name_of(place),
            )
            for place, (start, end) in enumerate(pairwise(starts))
        )

    def _store_one(self, query: str, name: str) -> TableObject:
        path = self.workspace.new_path("stored")
        form = WORKING_PARQUET if name.startswith(SESSIONS) else KEPT_PARQUET
        self.workspace.run(f"copy ({query}) to {quote(path)} ({form})")
        return self.store_file(path, name)

    def store_file(self, path: Path, name: str) -> TableObject:
        """Store a Parquet file of the workspace, or adopt what is stored under its name.

        The file is released: ``fetch`` what is needed once more.
        """
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
            self.release([name])
            return adopted
        self._fetched[name] = path
        self.release([name])
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
