"""For all trees and histories: each copied point is the source's point, planned without waste."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import ids, limits
from core.catalog.workspace import Workspace, quote_all
from core.engine.plan import run_plan
from core.engine.session import CopySession
from core.engine.state import Plan
from core.engine.tables import Tables
from core.ids import PointId, new_session_id
from core.limits import KIB, MIB
from core.model import Item, Record
from tests.support.copies import (
    Change,
    Pair,
    back_up,
    check_copied,
    make_pair,
    pin_batches,
    read_state,
)
from tests.support.invariants import check_metadata_is_in_packs, check_points_are_whole

paths = st.sampled_from([b"%d" % number for number in range(9)]) | st.binary(max_size=3)
contents = st.builds(lambda seed, size: (b"%d " % seed * size)[:size], st.integers(0, 5),
                     st.integers(0, 3_000))  # fmt: skip
changes = st.dictionaries(paths, st.none() | contents, max_size=9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A backup upon an earlier point, and whether it is copied before the next one."""

    change: dict[bytes, bytes | None]
    parent_back: int
    is_copied: bool


steps = st.lists(
    st.builds(
        Step,
        change=changes,
        # Mostly upon the newest one; now and then two backups ran at once.
        parent_back=st.sampled_from([1, 1, 1, 2]),
        is_copied=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(steps, st.booleans())
@settings(max_examples=10)
def test_each_copied_point_shows_what_its_source_shows(
    history: list[Step], is_encrypted: bool
) -> None:
    """Whatever lies between: skipped points, merged layers, other lines of backups."""
    with tempfile.TemporaryDirectory() as folder:
        pair = make_pair(Path(folder), is_encrypted=is_encrypted)
        points: list[Record] = []
        copies: list[tuple[Record, Record]] = []
        for number, step in enumerate(history, 1):
            parent = points[-step.parent_back] if len(points) >= step.parent_back else None
            change: dict[bytes, Change] = dict(step.change)
            points.append(back_up(pair.source, change, number, parent=parent))
            if step.is_copied or number == len(history):
                copies.append((points[-1], pair.copied()))
        for source_record, record in copies:
            assert record.source_point == source_record.id
            check_copied(pair, source_record, record)
        check_points_are_whole(pair.target)
        check_metadata_is_in_packs(pair.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a plan holds: reused ids; ids, source ids and lengths of each batch."""

    reused: list[bytes]
    batches: list[list[tuple[bytes, bytes, int]]]


def read_planned(session: CopySession, plan: Plan) -> Planned:
    with Workspace(64 * MIB, threads=1) as workspace:
        tables = Tables(session.target, workspace)
        ranges = quote_all(tables.fetch_all(plan.ranges))
        reused = workspace.rows(f"select id from read_parquet({ranges}) where origin <> ''")
        batches = []
        for batch in plan.batches:
            files = quote_all([tables.fetch(batch.table.name, batch.table)])
            query = f"select id, source_id, length from read_parquet({files}) order by ordinal"
            batches.append(list(workspace.rows(query)))
        return Planned(reused=[row[0] for row in reused], batches=batches)


def plan_anew(pair: Pair, point: PointId) -> tuple[Plan, Planned]:
    """Plan a point in a session that nobody else knows."""
    session = pair.session(point)
    fresh = replace(session, claim=replace(session.claim, session_id=new_session_id()))
    plan = run_plan(fresh)
    assert plan is not None
    return plan, read_planned(fresh, plan)


@given(changes, changes, st.integers(1, 5), st.integers(1, 40))
@settings(max_examples=15)
def test_every_needed_blob_is_planned_once_and_alike(
    first: dict[bytes, bytes | None],
    second: dict[bytes, bytes | None],
    batch_kib: int,
    range_blobs: int,
) -> None:
    """Reused or in one batch; equal input gives an equal plan; no bound is passed."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        pin_batches(patch, batch_kib * KIB)
        patch.setattr(limits, "RANGE_BLOBS_TARGET", range_blobs)
        pair = make_pair(Path(folder))
        before = read_state(pair.source, back_up(pair.source, dict(first)))
        pair.copied()
        record = back_up(pair.source, dict(second))
        after = read_state(pair.source, record)
        plan, planned = plan_anew(pair, record.id)
        assert plan_anew(pair, record.id)[1] == planned
    changed = {path: item for path, item in after.items() if before.get(path) != item}
    rows = [row for batch in planned.batches for row in batch]
    found = [row[0] for row in rows] + planned.reused
    assert len(found) == len(set(found)) == plan.new_blob_count + plan.reused_blob_count
    assert packed_ids(pair, changed) <= set(found) <= packed_ids(pair, after)
    assert {row[0] for row in rows} == packed_ids(pair, after) - packed_ids(pair, before)
    assert all(row[0] == packed_id(pair, row[1]) for row in rows)
    for batch in planned.batches:
        # A blob larger than the bound is alone.
        assert len(batch) == 1 or sum(row[2] for row in batch) <= batch_kib * KIB


def packed_id(pair: Pair, source_id: bytes) -> bytes:
    return ids.packed_blob_id(source_id, pair.source.space, pair.target.id_key)


def packed_ids(pair: Pair, items: Mapping[bytes, Item]) -> set[bytes]:
    """Return the target's ids of all blobs that these items of the source need."""
    return {packed_id(pair, blob) for item in items.values() for blob in item.blobs}
