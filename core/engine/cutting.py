"""Rows in order, stored as objects of a bounded size, however many there are.

They come in runs, each of which is sorted by itself and comes wholly after those before. A run
waits in a file until the objects that its rows belong to are written. So memory and temporary files
are those of a run and an object, and objects are the same however the rows are cut into runs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from sys import maxsize

from core.catalog.tables import WORKING_PARQUET
from core.catalog.workspace import Workspace, quote, quote_all
from core.plan.copy import BatchLimits, Group, cut_batches

# Rows are summed up in blocks of so many, or of fewer where rows are large.
_BLOCK_ROWS = 4096
# So many rows are sorted at once, of so many bytes by their upper bounds.
_RUN_ROWS = 1 << 20
_RUN_SIZE = 256 << 20
# Of so many rows one is looked at to find the bounds of runs.
_SAMPLED_ROWS = 1024

Key = tuple[bytes | str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many rows there are, what they take in bytes, and what the largest takes.

    ``row_size`` is the SQL expression of what a row takes. ``columns`` are those that are stored;
    ``row_no`` is the number of a row, from 0.
    """

    row_size: str
    count: int
    size: int
    largest: int
    columns: str = "* exclude (row_no)"


@dataclass(frozen=True, slots=True)
class _Run:
    """A file of the rows up to before a number."""

    end: int
    path: Path


class Cutter:
    """Takes runs and yields the queries of objects."""

    def __init__(self, workspace: Workspace, extent: Extent, size_max: int) -> None:
        """Cut objects of at most ``size_max`` bytes."""
        self._workspace = workspace
        self._extent = extent
        self._is_one = extent.size <= size_max
        self._block = max(1, min(_BLOCK_ROWS, size_max // 4 // max(1, extent.largest)))
        self._bounds = BatchLimits(size_max=size_max // 2, blobs_max=maxsize)
        self._groups: dict[int, Group] = {}
        self._runs: list[_Run] = []
        self._start = self._run_start = self._end = 0

    def cut(self, runs: Iterable[str], order: str) -> Iterator[str]:
        """Sort each run and yield the query of each object that is complete with it.

        A query is good until the next one is asked for.
        """
        for rows in runs:
            self._put_aside()
            # A sorted table numbers its rows by itself; a window carries all columns through it.
            self._workspace.run(
                f"create or replace table run as select * from {rows} order by {order}"
            )
            self._end += self._sum_up()
            if not self._is_one:
                # The last one may go on in the next run.
                yield from self._queries(self._pieces()[:-1])
        if self._end > self._start:
            whole = Group(count=self._end - self._start, size=0)
            yield from self._queries([whole] if self._is_one else self._pieces())
        self._workspace.run("drop table if exists run")

    def _put_aside(self) -> None:
        """Write what is in no object yet of the last run to a file."""
        start = max(self._start, self._run_start)
        if start < self._end:
            path = self._workspace.new_path("run")
            self._workspace.run(
                f"copy (select * from {self._last()} where row_no >= {start}) "
                f"to {quote(path)} ({WORKING_PARQUET})"
            )
            self._runs.append(_Run(self._end, path))
        self._run_start = self._end

    def _last(self) -> str:
        """Return the relation of the run that came last."""
        return f"(select rowid + {self._run_start} as row_no, * from run)"

    def _sum_up(self) -> int:
        """Add the table ``run`` to the groups; return its number of rows."""
        rows = 0
        for block, count, size in self._workspace.rows(
            f"""select (rowid + {self._end}) // {self._block} as block, count(*),
                sum({self._extent.row_size})::BIGINT
            from run group by block order by block"""
        ):
            before = self._groups.get(block, Group(count=0, size=0))
            self._groups[block] = Group(count=before.count + count, size=before.size + size)
            rows += count
        return rows

    def _pieces(self) -> list[Group]:
        return list(cut_batches(self._groups.values(), self._bounds))

    def _queries(self, pieces: Sequence[Group]) -> Iterator[str]:
        for piece in pieces:
            end = self._start + piece.count
            files = [run.path for run in self._runs]
            rows = self._last()
            if files:
                rows = f"(from read_parquet({quote_all(files)}) union all from {rows})"
            yield f"""select {self._extent.columns} from {rows}
                where row_no >= {self._start} and row_no < {end} order by row_no"""
            self._forget(end)

    def _forget(self, end: int) -> None:
        """Forget all rows up to before a number."""
        self._start = end
        for run in self._runs:
            if run.end <= end:
                run.path.unlink()
        self._runs = [run for run in self._runs if run.end > end]
        for block in [block for block in self._groups if block < end // self._block]:
            del self._groups[block]


def sample_sql(order: str) -> str:
    """Return the aggregate of some keys of ``order``: expressions, parted by commas."""
    return f"list(row({order})) filter (hash({order}) % {_SAMPLED_ROWS} = 0)"


def run_conditions(order: str, extent: Extent, sample: Sequence[Key]) -> Iterator[str]:
    """Yield the conditions of runs that are together all rows, in their order.

    ``sample`` are some keys; the better they are spread, the more alike are the runs.
    """
    count = max(-(-extent.count // _RUN_ROWS), -(-extent.size // _RUN_SIZE))
    keys = sorted(sample)
    bounds = sorted({keys[len(keys) * number // count] for number in range(1, count) if keys})
    expressions = order.split(", ")
    if not bounds:
        yield "true"
        return
    yield f"not {_is_from(expressions, bounds[0])}"
    for low, high in pairwise(bounds):
        yield f"{_is_from(expressions, low)} and not {_is_from(expressions, high)}"
    yield _is_from(expressions, bounds[-1])


def _is_from(expressions: Sequence[str], key: Key) -> str:
    """Return the condition under which a row is at a key or behind it."""
    expression, value = expressions[0], _literal(key[0])
    if len(key) == 1:
        return f"({expression} >= {value})"
    rest = _is_from(expressions[1:], key[1:])
    return f"({expression} > {value} or ({expression} = {value} and {rest}))"


def _literal(value: bytes | str | int) -> str:
    # Whatever it is, it becomes digits.
    if isinstance(value, str):
        return f"decode({_literal(value.encode())})"
    return f"unhex('{value.hex()}')" if isinstance(value, bytes) else f"({value})"
