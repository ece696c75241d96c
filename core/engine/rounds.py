"""Looking again at objects of a bucket that changed or vanished while they were copied.

After the last batch of a round, parts tell which objects could not be read as they were listed.
Each of them is looked at once more, and what is found is planned as further batches: at most
``ROUNDS_MAX`` rounds, the plan's own being the first. An object that is there in another version
is read anew, all of it: its ids say which version a blob is of.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core import limits
from core.catalog.objects import (
    ObjectRow,
    create_objects,
    found_items_sql,
    object_line,
    write_objects,
)
from core.catalog.workspace import Workspace, spooled
from core.engine import state
from core.engine.batches import create_places, read_rounds, require_plan, store_batches
from core.engine.bucket_delta import batch_sql, blobs_of_delta_sql, described_sql, fitting_limits
from core.engine.delta import open_delta, store_changed, write_changed
from core.engine.listing import threads_for
from core.engine.parts import batches_of, fetch_parts, find_unresolved
from core.engine.plan import read_base
from core.engine.session import CopySession
from core.engine.state import Plan, Round
from core.engine.tables import Tables
from core.errors import ConflictError, NotFoundError
from core.format import names
from core.plan.copy import batch_limits
from core.sources.bucket import BucketSource, key_of, object_row


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOutcome:
    """What is to be done next: call again (not ``is_done``), repack ``batches``, or publish."""

    is_done: bool
    number: int = 1
    batches: tuple[int, ...] = ()


def _never() -> bool:
    return False


def run_round(
    session: CopySession, deadline: float | None = None, stop: Callable[[], bool] = _never
) -> RoundOutcome:
    """Say which batches are to be repacked after the plan's; plan them if need be.

    Called when the batches of the last round are repacked; any number of calls may do so at once.
    """
    source = session.source
    if not isinstance(source, BucketSource):
        return RoundOutcome(is_done=True)
    with Workspace(limits.PLAN_MEMORY_SIZE) as workspace:
        return _RoundPlanner(session, source, workspace, deadline, stop).run()


class _RoundPlanner:
    """One call's work on the next round."""

    def __init__(
        self,
        session: CopySession,
        source: BucketSource,
        workspace: Workspace,
        deadline: float | None,
        stop: Callable[[], bool],
    ) -> None:
        self._session = session
        self._source = source
        self._workspace = workspace
        self._tables = Tables(session.target, workspace)
        self._deadline = deadline
        self._stop = stop
        self._has_advanced = False

    def run(self) -> RoundOutcome:
        plan = require_plan(self._session.target, self._session.id)
        rounds = read_rounds(self._session.target, self._session.id)
        number = len(rounds) + 1
        newest: Plan | Round = rounds[-1] if rounds else plan
        batches = batches_of(newest)
        files = fetch_parts(self._tables, self._session.id, batches)
        if files is None:
            return RoundOutcome(is_done=True, number=number, batches=tuple(batches))
        count = find_unresolved(self._tables, batches, files)
        if not count or number >= limits.ROUNDS_MAX:
            return RoundOutcome(is_done=True, number=number)
        found = self._look(number + 1, count)
        if found is None:
            return RoundOutcome(is_done=False)
        first = len(plan.batches) + sum(len(each.batches) for each in rounds)
        stored = self._plan(number + 1, found, first)
        return RoundOutcome(is_done=True, number=number + 1, batches=tuple(batches_of(stored)))

    def _is_over(self) -> bool:
        is_late = self._deadline is not None and time.monotonic() >= self._deadline
        return self._stop() or (is_late and self._has_advanced)

    def _look(self, number: int, count: int) -> list[Path] | None:
        """Return what is found of the unresolved objects, stored piece by piece; None if over."""
        files = []
        with ThreadPoolExecutor(threads_for(self._source.vendor), "look") as pool:
            for chunk, start in enumerate(range(0, count, limits.ROUND_CHUNK_OBJECTS)):
                name = state.found_name(self._session.id, number, chunk)
                try:
                    files.append(self._fetch(name))
                except NotFoundError:
                    if self._is_over():
                        return None
                    files.append(self._find(name, start, pool))
                    self._has_advanced = True
        return files

    def _fetch(self, name: str) -> Path:
        self._session.target.store.head(name)
        return self._tables.fetch(name)

    def _find(self, name: str, start: int, pool: ThreadPoolExecutor) -> Path:
        paths = [
            path
            for (path,) in self._workspace.rows(
                f"""select path from unresolved where n >= {start}
                and n < {start + limits.ROUND_CHUNK_OBJECTS} order by n"""
            )
        ]
        lines = self._workspace.new_path("found", ".csv")
        with spooled(lines) as file:
            file.writelines(map(object_line, pool.map(self._describe, paths)))
        path = self._workspace.new_path("found")
        count = write_objects(self._workspace, lines, path, {"found": name})
        try:
            self._session.target.put_table(name, path, count)
        except ConflictError:
            return self._tables.fetch(name)
        return path

    def _describe(self, path: bytes) -> ObjectRow:
        try:
            return object_row(self._source.bucket.describe(key_of(path)))
        except NotFoundError:
            return path, -1, "", 0

    def _plan(self, number: int, found: list[Path], first: int) -> Round:
        base = read_base(self._session.target, self._session.id)
        create_objects(self._workspace, "found", found)
        rows = found_items_sql("found", base.floor)
        write_changed(self._tables, rows, is_listed=True)
        objects = store_changed(
            self._tables,
            self._session,
            lambda chunk: state.round_table_name(self._session.id, number, chunk),
        )
        open_delta(self._tables, self._tables.fetch_all(objects))
        nothing = "(select 0::BIGINT as position where false)"
        blobs = (
            f"{blobs_of_delta_sql(self._session)} union all {described_sql(self._session, nothing)}"
        )
        row_count, blob_count, size = create_places(self._tables, blobs)
        bounds = batch_limits(row_count, size, fitting_limits(self._tables, base.limits))
        batches = store_batches(
            self._tables,
            blobs,
            bounds,
            batch_sql,
            lambda batch: names.batch(self._session.id, number, first + batch),
        )
        planned = Round(
            objects=objects,
            row_count=sum(table.rows for table in objects),
            first_batch=first,
            batches=batches,
            blob_count=blob_count,
            content_size=size,
        )
        return self._session.target.adopt_value(state.round_name(self._session.id, number), planned)
