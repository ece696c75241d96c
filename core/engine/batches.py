"""Batches of blobs as a plan stores them, and how they are found again by their numbers."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from core import limits
from core.catalog.tables import WORKING_PARQUET
from core.catalog.workspace import quote
from core.engine import state
from core.engine.state import Plan, PlannedBatch, Round
from core.engine.tables import Tables
from core.errors import IntegrityError, NotFoundError
from core.ids import SessionId
from core.plan.copy import BatchLimits, Group, cut_batches, group_bounds
from core.sources.repository import Repository


def find_batch(target: Repository, session_id: SessionId, number: int) -> PlannedBatch:
    """Return a batch by its number: those of later rounds are counted after the plan's."""
    batches = require_plan(target, session_id).batches
    if number < len(batches):
        return batches[number]
    for stored in read_rounds(target, session_id):
        if number < stored.first_batch + len(stored.batches):
            return stored.batches[number - stored.first_batch]
    raise IntegrityError(f"the session {session_id} has no batch {number}")


def read_plan(target: Repository, session_id: SessionId) -> Plan | None:
    """Return a session's finished plan, None while there is none."""
    try:
        return target.read_value(Plan, state.plan_name(session_id))
    except NotFoundError:
        return None


def describe_plan(plan: Plan) -> str:
    """Say in counts what a plan has found."""
    return (
        f"planned: {plan.delta.row_count} rows, {plan.new_blob_count} new blobs "
        f"({plan.new_content_size} bytes) in {len(plan.batches)} batches, "
        f"{plan.reused_blob_count} blobs already stored"
    )


def require_plan(target: Repository, session_id: SessionId) -> Plan:
    """Return a session's plan where its later steps need it."""
    plan = read_plan(target, session_id)
    if plan is None:
        raise IntegrityError(f"{state.plan_name(session_id)} is missing")
    return plan


def read_rounds(target: Repository, session_id: SessionId) -> list[Round]:
    """Return the rounds after the first that are planned to their ends."""
    rounds: list[Round] = []
    while True:
        try:
            rounds.append(target.read_value(Round, state.round_name(session_id, len(rounds) + 2)))
        except NotFoundError:
            return rounds


def create_places(tables: Tables, rows: str) -> tuple[int, int, int]:
    """Create the table ``places`` (n, position, length, reached) of rows in packing order.

    ``rows`` is the query of (id, source_id, length, position), numbered here from 0 by position;
    ``reached`` adds up lengths. Return the number of rows, of blobs among them, and their bytes.
    """
    # Without ids, which are most of a row: all places fit in memory where all rows would not.
    tables.workspace.run(
        f"""create table places as select row_number() over o - 1 as n, position, length,
            (sum(length) over o)::BIGINT as reached
        from (select position, length from ({rows})) window o as (order by position)"""
    )
    count, blobs, size = tables.workspace.row(
        """select count(*), count(*) filter (length > 0), coalesce(sum(length), 0)::BIGINT
        from places"""
    )
    return int(count), int(blobs), int(size)


def store_batches(
    tables: Tables,
    rows: str,
    bounds: BatchLimits,
    batch_rows: Callable[[int, int], str],
    name_of: Callable[[int], str],
) -> tuple[PlannedBatch, ...]:
    """Cut ``rows``, of which ``places`` was made, into batches and store them.

    ``batch_rows`` is the query of the batch of the rows of the view ``ordered`` (n, id, source_id,
    length, position) from one n up to before another, whose ordinals begin at 0. ``name_of`` names
    the batches, the first of which is 0.
    """
    cut = list(cut_batches(_groups(tables, bounds), bounds))
    paths = enumerate(_batch_files(tables, rows, cut, batch_rows))
    files = ((path, name_of(number)) for number, path in paths)
    return tuple(
        PlannedBatch(table=table, blob_count=batch.count, content_size=batch.size)
        for batch, table in zip(cut, tables.store_files(files), strict=True)
    )


def _batch_files(
    tables: Tables, rows: str, batches: Sequence[Group], batch_rows: Callable[[int, int], str]
) -> Iterator[Path]:
    """Write each batch to a file."""
    start = 0
    for run in _runs(batches):
        _open_ordered(tables, rows, start, start + sum(batch.count for batch in run))
        for batch in run:
            path = tables.workspace.new_path("batch")
            query = batch_rows(start, start + batch.count)
            tables.workspace.run(f"copy ({query}) to {quote(path)} ({WORKING_PARQUET})")
            yield path
            start += batch.count


def _groups(tables: Tables, bounds: BatchLimits) -> list[Group]:
    size, count = group_bounds(bounds)
    return [
        Group(count=count, size=size)
        for count, size in tables.workspace.rows(
            f"""select count(*), sum(length)::BIGINT from places
            group by reached // {size}, n // {count} order by min(n)"""
        )
    ]


def _runs(batches: Sequence[Group]) -> Iterator[list[Group]]:
    """Yield batches that follow each other, as many as are put into order at once."""
    run: list[Group] = []
    for batch in batches:
        if run and sum(each.count for each in run) + batch.count > limits.ORDERED_BLOBS_TARGET:
            yield run
            run = []
        run.append(batch)
    if run:
        yield run


def _open_ordered(tables: Tables, rows: str, start: int, end: int) -> None:
    """Create the view ``ordered`` of the rows from number ``start`` up to before ``end``."""
    low, high = tables.workspace.row(
        f"select min(position), max(position) from places where n >= {start} and n < {end}"
    )
    # A sorted table numbers its rows by itself; a window would carry all columns through it.
    tables.workspace.run(
        f"""create or replace table ordered_rows as select id, source_id, length, position
            from ({rows}) where position >= {low} and position <= {high} order by position;
        create or replace view ordered as select rowid + {start} as n, * from ordered_rows"""
    )
