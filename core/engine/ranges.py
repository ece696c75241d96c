"""Rows that wait in files by the range that their id is in, until their range is looked at.

What would take memory for all ids at once, to join them, to sort them or to find the repeated,
takes it for one range; and what has been looked at takes no room any more.
"""

from pathlib import Path

from core.catalog.index import range_number_sql
from core.catalog.tables import WORKING_PARQUET
from core.catalog.workspace import Workspace, quote, quote_all


class RangeFiles:
    """Rows of one kind, one column of which is ``id``."""

    def __init__(self, workspace: Workspace, count: int, empty: str, first: int = 0) -> None:
        """Expect rows in ``count`` ranges, of which those before ``first`` are not wanted.

        ``empty`` is a query of no rows with their columns.
        """
        self._workspace = workspace
        self._count = count
        self._empty = empty
        self._first = first
        self._files: dict[int, list[Path]] = {}

    def add(self, rows: str) -> None:
        """Put the rows of a query into their ranges."""
        if self._count == 1:
            path = self._workspace.new_path("range")
            self._workspace.run(f"copy ({rows}) to {quote(path)} ({WORKING_PARQUET})")
            self._take(0, path)
            return
        folder = self._workspace.new_path("range", "")
        number = range_number_sql("id", self._count)
        self._workspace.run(
            f"""copy (select *, {number} as range_number from ({rows}))
            to {quote(folder)} ({WORKING_PARQUET}, partition_by (range_number))"""
        )
        for path in sorted(folder.glob("*/*")):
            self._take(int(path.parent.name.partition("=")[2]), path)

    def _take(self, number: int, path: Path) -> None:
        if number < self._first:
            path.unlink()
        else:
            self._files.setdefault(number, []).append(path)

    def relation(self, number: int) -> str:
        """Return the relation of the rows of a range, in parentheses."""
        files = self._files.get(number, [])
        if not files:
            return f"({self._empty})"
        return f"(select * from read_parquet({quote_all(files)}, hive_partitioning=false))"

    def count(self, number: int) -> int:
        """Return the number of rows of a range."""
        (count,) = self._workspace.row(f"select count(*) from {self.relation(number)}")
        return int(count)

    def drop(self, number: int) -> None:
        """Delete the rows of a range."""
        for path in self._files.pop(number, []):
            path.unlink()
