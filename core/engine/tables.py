"""Stored tables on their way into a workspace and out of it."""

import hashlib
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb

from core import limits
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
from core.engine.cutting import Cutter, Extent, run_conditions, sample_sql
from core.errors import ConflictError, IntegrityError, NotFoundError
from core.format.names import INDEX, LAYERS, SESSIONS
from core.limits import TABLE_OBJECT_SIZE_MAX
from core.model import Layer, Record, TableObject
from core.sources.repository import Repository

# Upper bounds of what a row takes in Parquet, so that where tables are cut follows from their
# rows alone and two writers of one table cut it alike.
ITEM_ROW_SIZE = "(octet_length(path) + strlen(metadata) + 33 * len(blobs) + 64)"
BLOB_ROW_SIZE = "112"

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
        room = shutil.disk_usage(workspace.folder).free
        self._kept_size_max = room // limits.TABLES_KEPT_SHARE

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

    def find(self, name: str) -> Path | None:
        """Return the file of a table if it is still there."""
        self._released.pop(name, None)
        return self._fetched.get(name)

    def release(self, object_names: Iterable[str]) -> None:
        """Let go of the files of tables: views of them are void, and they may be deleted."""
        for name in object_names:
            if name in self._fetched:
                self._released[name] = self._fetched[name].stat().st_size
        while sum(self._released.values()) > self._kept_size_max:
            oldest, _ = self._released.popitem(last=False)
            self._fetched.pop(oldest).unlink()

    def release_all(self) -> None:
        """Let go of the files of all tables."""
        self.release(list(self._fetched))

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

        ``order``, expressions parted by commas, is total, so that every writer of the same rows
        stores the same objects. With ``is_numbered`` they have a column ``row_no`` more, which
        counts from 0. An object that is there already is adopted. No rows, no objects.
        """
        count, size, largest, sample = self.workspace.row(
            f"""select count(*), coalesce(sum({row_size}), 0)::BIGINT,
            coalesce(max({row_size}), 0)::BIGINT, {sample_sql(order)} from {relation}"""
        )
        if not count:
            return ()
        if size <= TABLE_OBJECT_SIZE_MAX:
            return (self._store_whole(relation, order, name_of(0), is_numbered=is_numbered),)
        extent = Extent(row_size=row_size, count=count, size=size, largest=largest)
        conditions = run_conditions(order, extent, sample or ())
        runs = (f"(select * from {relation} where {condition})" for condition in conditions)
        return self.store_runs(
            runs, order, name_of, replace(extent, columns="*") if is_numbered else extent
        )

    def store_runs(
        self, runs: Iterable[str], order: str, name_of: Callable[[int], str], extent: Extent
    ) -> tuple[TableObject, ...]:
        """Store relations like one, as ``store`` does it; ``extent`` is that of all.

        All rows of each come before those of the next.
        """
        cutter = Cutter(self.workspace, extent, TABLE_OBJECT_SIZE_MAX)
        queries = enumerate(cutter.cut(runs, order))
        return tuple(self.store_files(self._write(query, name_of(n)) for n, query in queries))

    def _store_whole(
        self, relation: str, order: str, name: str, *, is_numbered: bool
    ) -> TableObject:
        if not is_numbered:
            return self._store_one(f"select * from {relation} order by {order}", name)
        # A sorted table numbers its rows by itself; a window would carry all columns through it.
        self.workspace.run(
            f"create or replace table numbered as select * from {relation} order by {order}"
        )
        stored = self._store_one("select rowid as row_no, * from numbered order by rowid", name)
        self.workspace.run("drop table numbered")
        return stored

    def _store_one(self, query: str, name: str) -> TableObject:
        (stored,) = self.store_files([self._write(query, name)])
        return stored

    def _write(self, query: str, name: str) -> tuple[Path, str]:
        path = self.workspace.new_path("stored")
        form = WORKING_PARQUET if name.startswith(SESSIONS) else KEPT_PARQUET
        self.workspace.run(f"copy ({query}) to {quote(path)} ({form})")
        return path, name

    def store_files(self, files: Iterable[tuple[Path, str]]) -> Iterator[TableObject]:
        """Store Parquet files of the workspace, or adopt what is stored under their names.

        Each is stored while the next is made, and the next only after it: where a store fails,
        nobody waits until it has failed twice. It is released: ``fetch`` what is needed once more.
        """
        with ThreadPoolExecutor(1, "store") as pool:
            before: tuple[Path, Future[tuple[TableObject, bool]]] | None = None
            for path, name in files:
                rows = _count_rows(self.workspace, path)
                stored = self._stored(*before) if before else None
                before = (path, pool.submit(self._put, path, name, rows))
                if stored:
                    yield stored
            if before:
                yield self._stored(*before)

    def _put(self, path: Path, name: str, rows: int) -> tuple[TableObject, bool]:
        """Store a file; say what it is, and whether there was none of its name."""
        table = _describe(path, name, rows)
        try:
            self.repository.put_table(name, path, rows)
        except ConflictError:
            return table, False
        return table, True

    def _stored(self, path: Path, putting: Future[tuple[TableObject, bool]]) -> TableObject:
        table, is_new = putting.result()
        if is_new:
            self._fetched[table.name] = path
        else:
            path.unlink()
            table = self._adopted(table)
        self.release([table.name])
        return table

    def _adopted(self, table: TableObject) -> TableObject:
        """Return what is stored under a table's name, which is to have its rows."""
        adopted = self.describe(table.name)
        if adopted.rows != table.rows:
            raise IntegrityError(
                f"{table.name} is stored with {adopted.rows} rows and not with the {table.rows} "
                "that follow from what it is made of"
            )
        return adopted

    def describe(self, name: str) -> TableObject:
        """Fetch a stored table and say what it is."""
        path = self.fetch(name)
        return _describe(path, name, _count_rows(self.workspace, path))

    def _check(self, name: str, path: Path) -> None:
        columns = next((columns for part, columns in _COLUMNS if part in name), "count(*)")
        try:
            self.workspace.run(f"select {columns} from read_parquet({quote(path)}) limit 1")
        except duckdb.Error as error:
            raise IntegrityError(f"{name} is not a table of its kind: {error}") from error


def _count_rows(workspace: Workspace, path: Path) -> int:
    (rows,) = workspace.row(f"select count(*) from read_parquet({quote(path)})")
    return int(rows)


def _describe(path: Path, name: str, rows: int) -> TableObject:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return TableObject(name=name, size=path.stat().st_size, sha256=sha256, rows=rows)
