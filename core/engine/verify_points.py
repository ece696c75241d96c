"""Which points suffer from what is lost, and how much: from layers to blobs to what is at fault."""

from collections.abc import Sequence
from pathlib import Path

from core.catalog import layers as layer_tables
from core.catalog.workspace import Workspace, quote
from core.engine.proof import TableFiles, VisibleRows, find_lost, in_groups, tables_of
from core.engine.verify_terms import Terms, check_stop
from core.errors import IntegrityError
from core.format import names
from core.model import Record, SessionKind, TableObject
from core.sources.repository import Repository


class PointsCheck:
    """Checks all points together; looks at single ones only where something is lost.

    ``whole`` are the layers that are as they should be.
    """

    def __init__(
        self, repository: Repository, workspace: Workspace, terms: Terms, finding_count_max: int
    ) -> None:
        """The workspace has the tables of ``core.engine.inventory`` and ``core.engine.proof``."""
        self._repository = repository
        self._workspace = workspace
        self._terms = terms
        self._faults = terms.faults
        self._finding_count_max = finding_count_max
        self._unreadable: set[str] = set()
        self.whole: set[str] = set()

    def check_layers(self, records: Sequence[Record]) -> None:
        """Check every layer once, and find the blobs they name that are nowhere to be had."""
        # Of two that describe one layer differently the older one is believed.
        tables = {t.name: t for record in reversed(records) for t in tables_of(record.layers)}
        self._terms.progress.start("Checking layers", None, len(tables))
        files = TableFiles(self._repository, self._workspace)
        for group in in_groups(tables.values()):
            paths = [path for path in (self._fetch_layer(files, t) for t in group) if path]
            if paths:
                find_lost(self._workspace, paths)
            files.keep(())
        for record in records:
            for table in tables_of(record.layers):
                if table.name in self._unreadable:
                    self._faults.touch(table.name, [record.id], table.rows)
                elif tables[table.name] != table:
                    name = names.record(record.source_id, record.time, record.session_id)
                    self._faults.add(name, f"describes {table.name} otherwise than another point")
                    self._faults.touch(name, [record.id])

    def _fetch_layer(self, files: TableFiles, table: TableObject) -> Path | None:
        check_stop(self._terms)
        self._terms.progress.advance(count=1)
        try:
            path = files.fetch(table)
        except IntegrityError as error:
            self._unreadable.add(table.name)
            self._faults.add(table.name, error.message)
            return None
        self.whole.add(table.name)
        items = f"read_parquet({quote(path)})"
        invalid = layer_tables.invalid_item_count(self._workspace, items)
        if invalid:
            self._faults.add(
                table.name, f"{invalid} of its items have another number of blobs than their size"
            )
        return path

    def find_causes(self, records: Sequence[Record]) -> bool:
        """Create ``blame`` (blob, object): why lost blobs are lost. Return whether any is."""
        is_loose = any(record.kind is SessionKind.BACKUP for record in records)
        loose = f"'{names.BLOBS}' || lower(left(hex(blob), 2)) || '/' || lower(hex(blob))"
        self._workspace.run(
            f"""create table blame as
            select distinct blob, '{names.PACKS}' || session || '/' || pack as object,
                p.pack_size as stored
            from lost join index_rows i on i.id = lost.blob left join listed_packs p
            using (session, pack)
            union all
            select distinct blob, {loose if is_loose else "''"} as object, l.size as stored
            from (select blob from lost anti join index_rows i on i.id = lost.blob)
            left join listed_blobs l on l.id = blob"""
        )
        for name, stored in self._workspace.rows(
            f"""select distinct object, stored from blame where object <> ''
            order by 1 limit {self._finding_count_max}"""
        ):
            self._faults.add(name, _reason(stored), is_certain=False)
        (count,) = self._workspace.row("select count(*) from blame")
        return bool(count)

    def find_touched(self, records: Sequence[Record], faulty_index: Sequence[str]) -> None:
        """Find out, point by point, which items need what is lost.

        Blobs that no index object places are ``faulty_index``'s fault; where nothing is wrong
        with the index, the record's.
        """
        self._terms.progress.start("Finding what is touched", None, len(records))
        self._workspace.run("create table touched (object VARCHAR, path BLOB)")
        visible = VisibleRows(self._repository, self._workspace)
        for record in records:
            check_stop(self._terms)
            if not any(table.name in self._unreadable for table in tables_of(record.layers)):
                self._touch(record, visible.open(record), faulty_index)
            self._terms.progress.advance(count=1)
        for name, count in self._workspace.rows(
            "select object, count(*) from touched group by object"
        ):
            if name in self._faults:
                self._faults.touch(name, [], count)

    def _touch(self, record: Record, visible: str, faulty_index: Sequence[str]) -> None:
        workspace = self._workspace
        workspace.run(
            f"""create or replace table hit as select distinct object, path
            from (select path, unnest(blobs) as blob from {visible}) join blame using (blob)"""
        )
        if workspace.row("select count(*) from hit where object = ''")[0]:
            guilty = [name for name in faulty_index if name in self._faults]
            if not guilty:
                guilty = [names.record(record.source_id, record.time, record.session_id)]
                reason = "the index lacks blobs that its items need"
                self._faults.add(guilty[0], reason, is_marked=False)
            for name in guilty:
                workspace.run("insert into hit select ?, path from hit where object = ''", [name])
        workspace.run(
            """insert into touched select * from hit anti join touched using (object, path)
            where object <> ''"""
        )
        for (name,) in workspace.rows("select distinct object from hit where object <> ''"):
            if name in self._faults:
                self._faults.touch(name, [record.id])


def _reason(stored_size: int | None) -> str:
    """Return what is wrong with an object in which a blob should be."""
    if stored_size is None:
        return "is missing"
    if stored_size == 0:
        return "is empty"
    return "the index gives blobs in it other lengths than the items have"
