"""Batches are cut, stored and found again by their numbers, over all rounds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import limits
from core.catalog.workspace import Workspace, quote
from core.engine import state
from core.engine.batches import (
    create_places,
    describe_plan,
    find_batch,
    read_plan,
    read_rounds,
    require_plan,
    store_batches,
)
from core.engine.state import Delta, Plan, PlannedBatch, Round
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.format import names
from core.ids import SessionId
from core.model import TableObject
from core.plan.copy import BatchLimits
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from tests.support.copies import MEMORY_SIZE, make_repository

SESSION = SessionId("a1b2c3d4e5f60718293a4b5c6d7e8f90")
DELTA = Delta(
    objects=(), row_count=0, removed_count=0, range_count=1, is_full=True, source_layers=(),
    data_set="",
)  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Repository:
    return make_repository(FolderStore(tmp_path, create=True))


@pytest.fixture
def tables(target: Repository) -> Iterator[Tables]:
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        yield Tables(target, workspace)


def planned(number: int) -> PlannedBatch:
    table = TableObject(name=names.batch(SESSION, 1, number), size=1, sha256="", rows=1)
    return PlannedBatch(table=table, blob_count=number, content_size=1)


def store_plan(target: Repository, *counts: int) -> None:
    """Store a plan and rounds with so many batches each."""
    first = 0
    for number, count in enumerate(counts, 1):
        batches = tuple(map(planned, range(first, first + count)))
        if number == 1:
            value: object = Plan(
                delta=DELTA, ranges=(), batches=batches, reused_blob_count=0, new_blob_count=0,
                new_content_size=0,
            )  # fmt: skip
            target.write_value(state.plan_name(SESSION), value)
        else:
            value = Round(
                objects=(), row_count=0, first_batch=first, batches=batches, blob_count=0,
                content_size=0,
            )  # fmt: skip
            target.write_value(state.round_name(SESSION, number), value)
        first += count


def test_batches_are_counted_over_all_rounds(target: Repository) -> None:
    store_plan(target, 3, 0, 2)
    assert len(read_rounds(target, SESSION)) == 2
    assert [find_batch(target, SESSION, number) for number in range(5)] == list(
        map(planned, range(5))
    )
    with pytest.raises(IntegrityError, match="has no batch 5"):
        find_batch(target, SESSION, 5)


def test_without_a_plan_there_are_none(target: Repository) -> None:
    assert read_plan(target, SESSION) is None
    assert read_rounds(target, SESSION) == []
    with pytest.raises(IntegrityError, match=r"plan.json is missing"):
        require_plan(target, SESSION)


@pytest.mark.parametrize("at_once", [1, 60, 1000])
def test_batches_are_cut_in_order_and_numbered_on(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(limits, "ORDERED_BLOBS_TARGET", at_once)
    new = (
        "select encode(i::VARCHAR) as id, id as source_id, 10::BIGINT as length, "
        "(1000 - i)::BIGINT as position from range(100) t(i)"
    )
    assert create_places(tables, new) == (100, 100, 1000)
    bounds = BatchLimits(size_max=300, blobs_max=1000)
    batches = store_batches(
        tables,
        new,
        bounds,
        lambda start, end: (
            f"select n - {start} as ordinal, id, source_id, length from ordered "
            f"where n >= {start} and n < {end} order by n"
        ),
        lambda number: names.batch(SESSION, 2, 7 + number),
    )
    assert [batch.table.name for batch in batches] == [
        names.batch(SESSION, 2, number) for number in range(7, 7 + len(batches))
    ]
    assert sum(batch.blob_count for batch in batches) == 100
    assert max(batch.content_size for batch in batches) <= 300
    found = []
    for batch in batches:
        path = quote(tables.fetch(batch.table.name, batch.table))
        rows = list(
            tables.workspace.rows(f"select ordinal, id from read_parquet({path}) order by 1")
        )
        assert [ordinal for ordinal, _ in rows] == list(range(batch.blob_count))
        found += [int(blob) for _, blob in rows]
    assert found == list(reversed(range(100)))


def test_a_plan_is_described_in_counts() -> None:
    plan = Plan(
        delta=DELTA, ranges=(), batches=(), reused_blob_count=3, new_blob_count=2,
        new_content_size=10,
    )  # fmt: skip
    assert describe_plan(plan) == (
        "planned: 0 rows, 2 new blobs (10 bytes) in 0 batches, 3 blobs already stored"
    )
