"""The first step of a session: what is new, what is known, and in which batches it is repacked.

All output is create-only under fixed names. What exists is used, so every rerun and joiner works
from the same plan, and each step can be cut anywhere.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from core import limits
from core.catalog import index as index_tables
from core.catalog.tables import INDEX_COLUMNS, WORKING_PARQUET
from core.catalog.workspace import Workspace, quote, quote_all
from core.engine import base as bases
from core.engine import state
from core.engine.batches import create_places, read_plan, store_batches
from core.engine.bucket_delta import (
    batch_sql,
    build_listed_delta,
    described_sql,
    fitting_limits,
)
from core.engine.delta import (
    build_delta,
    open_delta,
    read_source_record,
    store_changed,
)
from core.engine.known import close_known, open_known
from core.engine.listing import Pace, list_bucket
from core.engine.need import Need
from core.engine.session import CopySession
from core.engine.state import Base, Delta, Plan
from core.engine.tables import Tables
from core.errors import IntegrityError, NotFoundError
from core.format import names
from core.ids import SessionId
from core.model import Layer, TableObject
from core.plan.copy import batch_limits, range_count
from core.sources.bucket import BucketSource
from core.sources.repository import Repository

T = TypeVar("T")


def read_base(target: Repository, session_id: SessionId) -> Base:
    """Return what a session's plan stands on."""
    name = state.base_name(session_id)
    base = _read(target, Base, name)
    if base is None:
        raise IntegrityError(f"{name} is missing")
    return base


def _read(target: Repository, kind: type[T], name: str) -> T | None:
    try:
        return target.read_value(kind, name)
    except NotFoundError:
        return None


def _never() -> bool:
    return False


def run_plan(
    session: CopySession, deadline: float | None = None, stop: Callable[[], bool] = _never
) -> Plan | None:
    """Plan a session, or go on with its plan; None when the deadline or ``stop`` came first.

    ``deadline`` is a ``time.monotonic`` moment. Several runs at once end with one plan.
    """
    done = read_plan(session.target, session.id)
    if done is not None:
        return done
    with Workspace(limits.PLAN_MEMORY_SIZE) as workspace:
        return _Planner(session, workspace, deadline, stop).run()


class _Planner:
    """One invocation's work on a plan."""

    def __init__(
        self,
        session: CopySession,
        workspace: Workspace,
        deadline: float | None,
        stop: Callable[[], bool],
    ) -> None:
        self._session = session
        self._target = session.target
        self._workspace = workspace
        self._tables = Tables(session.target, workspace)
        self._deadline = deadline
        self._stop = stop
        self._has_advanced = False

    def run(self) -> Plan | None:
        base = _read(self._target, Base, state.base_name(self._session.id))
        if base is None:
            found = bases.find_base(self._session, self._tables)
            base = self._target.adopt_value(state.base_name(self._session.id), found)
        delta = self._delta(base)
        if delta is None or self._is_over():
            return None
        ranges = self._stored_ranges(delta.range_count)
        if len(ranges) < delta.range_count:
            for table in self._tables.store_files(self._new_ranges(base, delta, len(ranges))):
                self._tables.fetch(table.name)
                ranges.append(table)
        if len(ranges) < delta.range_count or self._is_over():
            return None
        return self._finish(base, delta, tuple(ranges))

    def _is_over(self) -> bool:
        """Say whether this call ends: stopped, or late and not for nothing.

        A call that is late stores something all the same, so any number of them come to the end.
        """
        return self._stop() or (self._is_late() and self._has_advanced)

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _delta(self, base: Base) -> Delta | None:
        """Load the stored delta, or make it; None when this call ends before."""
        name = state.delta_name(self._session.id)
        delta = _read(self._target, Delta, name)
        if delta is None:
            built = self._build_delta(base)
            if built is None:
                return None
            delta = self._target.adopt_value(name, built)
            self._has_advanced = True
        return delta

    def _build_delta(self, base: Base) -> Delta | None:
        source = self._session.source
        if isinstance(source, Repository):
            record = read_source_record(source, self._session.claim.source_point)
            sources = Tables(source, self._workspace)
            is_full = build_delta(self._session, base, record, self._tables, sources)
            sources.release_all()
            self._tables.release_all()
            return self._store_delta(base, record.layers, record.data_set, is_full=is_full)
        assert isinstance(source, BucketSource), "a source is one of the two"
        pace = Pace(is_stopped=self._stop, is_late=self._is_late)
        listing = list_bucket(source, self._tables, self._session.id, pace)
        if listing is None:
            return None
        build_listed_delta(self._session, base, listing, self._tables)
        self._tables.release_all()
        return self._store_delta(base, (), source.url, is_full=True)

    def _store_delta(
        self, base: Base, source_layers: tuple[Layer, ...], data_set: str, *, is_full: bool
    ) -> Delta:
        rows, removed, blobs = self._workspace.row(
            "select count(*), count(*) filter (deleted), "
            "coalesce(sum(len(blobs)), 0)::BIGINT from changed_rows"
        )
        objects = store_changed(
            self._tables,
            self._session,
            lambda number: state.delta_table_name(self._session.id, number),
        )
        return Delta(
            objects=objects,
            row_count=rows,
            removed_count=removed,
            range_count=range_count(blobs, base.limits),
            is_full=is_full,
            source_layers=source_layers,
            data_set=data_set,
        )

    def _stored_ranges(self, count: int) -> list[TableObject]:
        """Return what earlier calls have stored."""
        prefix = names.session(self._session.id, "ranges/")
        stored = {head.name for head in self._target.store.list(prefix)}
        ranges: list[TableObject] = []
        while len(ranges) < count:
            name = state.range_name(self._session.id, len(ranges))
            if name not in stored:
                break
            ranges.append(self._tables.describe(name))
        return ranges

    def _new_ranges(self, base: Base, delta: Delta, first: int) -> Iterator[tuple[Path, str]]:
        """Write the results of the id ranges from ``first`` on, until this call ends."""
        need = Need(self._session, self._tables, delta, first)
        open_known(self._tables, base)
        for number in range(first, delta.range_count):
            if self._is_over():
                return
            need.open_range(number)
            self._match(*index_tables.range_bounds(number, delta.range_count))
            yield self._write_range(), state.range_name(self._session.id, number)
            self._has_advanced = True
        close_known(self._tables, base)

    def _write_range(self) -> Path:
        """Write one range's result: new blobs with an empty origin, reused ones with a place.

        What is reused is not read, so its source id is left out.
        """
        path = self._workspace.new_path("range")
        columns = INDEX_COLUMNS.removeprefix("id, ").removesuffix(", length")
        self._workspace.run(
            f"""copy (select n.id, coalesce(m.origin, '') as origin,
                if(m.origin is null, n.source_id, ''::BLOB) as source_id, n.length, n.position,
                {columns}
                from asked n left join matched m using (id))
            to {quote(path)} ({WORKING_PARQUET})"""
        )
        return path

    def _match(self, low: bytes, high: bytes | None) -> None:
        """Create ``matched``: one row of each blob of ``asked`` that is stored already."""
        upper = f"and id < unhex('{high.hex()}')" if high is not None else ""
        is_within = f"id >= unhex('{low.hex()}') {upper}"
        usable = index_tables.usable_sql("known", "excluded")
        self._workspace.run(
            f"""create or replace table matched as select * from
            (select * from {usable} where {is_within}) semi join asked using (id)"""
        )
        (repeated,) = self._workspace.row("select count(*) - count(distinct id) from matched")
        if repeated:
            self._workspace.run(
                """create or replace table matched as select * exclude (choice) from (
                select *, row_number() over (partition by id order by origin, session, pack)
                    as choice from matched) where choice = 1"""
            )

    def _finish(self, base: Base, delta: Delta, ranges: tuple[TableObject, ...]) -> Plan:
        self._workspace.run("drop table if exists asked; drop table if exists matched")
        files = quote_all(self._tables.fetch_all(ranges))
        new = f"select id, source_id, length, position from read_parquet({files}) where origin = ''"
        bounds_max, rows = base.limits, _batch_sql
        if isinstance(self._session.source, BucketSource):
            open_delta(self._tables, self._tables.fetch_all(delta.objects))
            stored = f"(select position from read_parquet({files}) where origin <> '')"
            new += f" union all {described_sql(self._session, stored)}"
            bounds_max, rows = fitting_limits(self._tables, bounds_max), batch_sql
        row_count, count, size = create_places(self._tables, new)
        bounds = batch_limits(row_count, size, bounds_max)
        (reused,) = self._workspace.row(
            f"select count(*) from read_parquet({files}) where origin <> ''"
        )
        batches = store_batches(
            self._tables, new, bounds, rows, lambda number: names.batch(self._session.id, 1, number)
        )
        plan = Plan(
            delta=delta,
            ranges=ranges,
            batches=batches,
            reused_blob_count=reused,
            new_blob_count=count,
            new_content_size=size,
        )
        return self._target.adopt_value(state.plan_name(self._session.id), plan)


def _batch_sql(start: int, end: int) -> str:
    """Return the query of a batch of a repository's blobs."""
    return f"""select n - {start} as ordinal, id, source_id, length from ordered
        where n >= {start} and n < {end} order by n"""
