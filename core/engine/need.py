"""The blobs that a delta asks for, by ranges of their ids.

Rows wait in files, one run of them for each range, and go when their range is looked at. So what is
needed stands once in the temporary folder, beside one table of the delta that it comes from.
"""

from collections.abc import Sequence
from pathlib import Path

from core.catalog import index as index_tables
from core.catalog.tables import WORKING_PARQUET
from core.catalog.workspace import quote, quote_all
from core.engine.bucket_delta import blobs_of_delta_sql
from core.engine.delta import open_delta
from core.engine.session import CopySession
from core.engine.state import Delta
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.sources.bucket import BucketSource


class Need:
    """Every blob of a delta once, as (id, source_id, length, position), range by range."""

    def __init__(self, session: CopySession, tables: Tables, delta: Delta, first: int) -> None:
        """Sort the delta's blobs into ranges; those before range ``first`` are not needed."""
        self._session = session
        self._tables = tables
        self._count = delta.range_count
        self._files: dict[int, list[Path]] = {}
        for table in delta.objects:
            open_delta(tables, tables.fetch_all([table]))
            self._sort(first)
            tables.release([table.name])

    def _sort(self, first: int) -> None:
        """Sort the blobs of the view ``delta`` into ranges."""
        folder = self._tables.workspace.new_path("need", "")
        number = index_tables.range_number_sql("id", self._count)
        self._tables.workspace.run(
            f"""copy (select *, {number} as range_number
                from ({blobs_of_delta_sql(self._session)}))
            to {quote(folder)} ({WORKING_PARQUET}, partition_by (range_number))"""
        )
        for path in sorted(folder.glob("*/*")) if folder.exists() else ():
            range_number = int(path.parent.name.partition("=")[2])
            if range_number < first:
                path.unlink()
            else:
                self._files.setdefault(range_number, []).append(path)

    def open_range(self, number: int) -> None:
        """Create the table ``asked`` of the blobs of a range, and forget them."""
        files = self._files.pop(number, [])
        rows = f"(select {_COLUMNS} from {_relation(files)})"
        workspace = self._tables.workspace
        if isinstance(self._session.source, BucketSource):
            # Blobs of objects are told apart by their paths: none stands twice.
            workspace.run(f"create or replace table asked as select * from {rows}")
        else:
            workspace.run(
                f"""create or replace table asked as
                select id, any_value(source_id) as source_id, max(length) as length,
                    min(position) as position, min(length) as least from {rows} group by id"""
            )
            self._check()
        for path in files:
            path.unlink()

    def _check(self) -> None:
        (unequal,) = self._tables.workspace.row("select count(*) from asked where least <> length")
        if unequal:
            raise IntegrityError(
                f"the source's layers contradict themselves: {unequal} blobs have two lengths",
                hint="'coldhaul verify' on the source names what is damaged.",
            )
        self._tables.workspace.run("alter table asked drop column least")


_COLUMNS = "id, source_id, length, position"


def _relation(files: Sequence[Path]) -> str:
    if files:
        return f"read_parquet({quote_all(files)}, hive_partitioning=false)"
    return (
        "(select ''::BLOB as id, ''::BLOB as source_id, 0::BIGINT as length, "
        "0::BIGINT as position where false)"
    )
