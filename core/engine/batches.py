"""Batches of blobs as a plan stores them, and how they are found again by their numbers."""

from collections.abc import Callable

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


def create_ordered(tables: Tables, rows: str) -> None:
    """Create the table ``ordered`` of rows (id, source_id, length, position), numbered from 0."""
    tables.workspace.run(
        f"""create table ordered as
        select row_number() over o - 1 as n, id, source_id, length, position,
            (sum(length) over o)::BIGINT as reached
        from ({rows}) window o as (order by position)"""
    )


def store_batches(
    tables: Tables,
    bounds: BatchLimits,
    rows: Callable[[int, int], str],
    name_of: Callable[[int], str],
    first: int = 0,
) -> tuple[PlannedBatch, ...]:
    """Cut the table ``ordered`` (n, length, reached) into batches and store them.

    ``rows`` is the query of the batch of the rows from one n up to before another, whose ordinals
    begin at 0. ``name_of`` names a batch by its number; the first is number ``first``.
    """
    group_size, group_count = group_bounds(bounds)
    groups = [
        Group(count=count, size=size)
        for count, size in tables.workspace.rows(
            f"""select count(*), sum(length)::BIGINT from ordered
            group by reached // {group_size}, n // {group_count} order by min(n)"""
        )
    ]
    batches = []
    start = 0
    for number, batch in enumerate(cut_batches(groups, bounds), first):
        path = tables.workspace.new_path("batch")
        tables.workspace.run(
            f"copy ({rows(start, start + batch.count)}) to {quote(path)} ({WORKING_PARQUET})"
        )
        table = tables.store_file(path, name_of(number))
        batches.append(PlannedBatch(table=table, blob_count=batch.count, content_size=batch.size))
        start += batch.count
    return tuple(batches)
