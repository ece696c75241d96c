"""What provides the blobs of a point: the rows that its plan reuses, and the session's own parts.

The parts of all batches are never on disk at once but as what is needed of them, first their ids,
then the rows of the new index, each sorted into ranges.
"""

from collections.abc import Iterator
from pathlib import Path

from core.catalog import index as index_tables
from core.catalog.tables import INDEX_COLUMNS
from core.catalog.workspace import quote_all
from core.engine.cutting import Extent
from core.engine.parts import (
    Batches,
    all_files,
    batches_of,
    fetch_listed,
    group_batches,
    list_parts,
)
from core.engine.ranges import RangeFiles
from core.engine.session import CopySession
from core.engine.state import Base, Plan, Round
from core.engine.tables import BLOB_ROW_SIZE, Tables
from core.errors import IntegrityError
from core.format import names
from core.model import TableObject

EMPTY_IDS = "select ''::BLOB as id where false"
_PACK = "session, pack, pack_size, checksum_kind, checksum_value"


class Provided:
    """The plan's rows that are reused and the parts, range by range.

    In the workspace are ``packs`` (whose ``is_own`` are the session's), all that the blobs are in,
    once they are proved, ``blob_faults`` (id, fault), and of a source that changes the view
    ``parts`` of all parts.
    """

    def __init__(
        self,
        session: CopySession,
        tables: Tables,
        base: Base,
        plan: Plan,
        rounds: list[Round],
    ) -> None:
        """Nothing is looked at yet."""
        self._session = session
        self._tables = tables
        self._workspace = tables.workspace
        self._base = base
        self._plan = plan
        self._has_rounds = bool(rounds)
        planned: list[Plan | Round] = [plan, *rounds]
        self._batches = {n: batch for each in planned for n, batch in batches_of(each).items()}
        self._parts = list_parts(session.target, session.id)
        self._ids = RangeFiles(self._workspace, len(plan.ranges), EMPTY_IDS)
        self._index_counts: list[tuple[int, int]] = []
        self._proved_counts: list[int] = []
        self._own_count = self._own_size = 0
        self.files: dict[int, list[Path]] = {}

    def open_parts(self) -> bool:
        """Look at all parts; False when a batch is not repacked to its end."""
        self._workspace.run(
            """create table packs (session VARCHAR, pack VARCHAR, pack_size BIGINT,
                checksum_kind VARCHAR, checksum_value VARCHAR, is_own BOOLEAN);
            create table blob_faults (id BLOB, fault VARCHAR)"""
        )
        index_tables.create_index(self._workspace, "no_index", [])
        for group in group_batches(self._batches):
            files = self._fetch_parts(group)
            if files is None:
                return False
            self._open_group(files)
            self._workspace.run(
                f"""insert into packs select distinct {_PACK}, true from parts where fault = '';
                insert into blob_faults select id, fault from parts where fault <> ''"""
            )
            self._ids.add("select id from parts where fault = ''")
            if self._session.source.is_changing:
                self.files |= files
            else:
                self._release_parts(group)
        if self._session.source.is_changing:
            self._open_group(self.files)
        return True

    def _fetch_parts(self, batches: Batches) -> dict[int, list[Path]] | None:
        return fetch_listed(self._tables, self._session.id, batches, self._parts)

    def _release_parts(self, batches: Batches) -> None:
        for number in batches:
            self._tables.release(self._parts[number])

    def _open_group(self, files: dict[int, list[Path]]) -> None:
        """Create the view ``parts`` of the parts of some batches."""
        is_changing = self._session.source.is_changing
        if paths := all_files(files):
            columns = f"fault, {INDEX_COLUMNS}" + (", properties" if is_changing else "")
            relation = f"select {columns} from read_parquet({quote_all(paths)})"
        else:
            relation = "select '' as fault, *, '' as properties from no_index"
        self._workspace.run(f"create or replace view parts as {relation}")

    def count_unproved(self, needed: RangeFiles) -> int:
        """Count the needed ids that nothing provides (I1). ``needed`` is used up."""
        return sum(
            self._unproved_of_range(number, needed) for number in range(len(self._plan.ranges))
        )

    def _unproved_of_range(self, number: int, needed: RangeFiles) -> int:
        """Count the ids of a range that nothing provides, and look at what provides the others."""
        table = self._plan.ranges[number]
        files = quote_all(self._tables.fetch_all([table]))
        self._workspace.run(
            f"""create or replace view reused as select {INDEX_COLUMNS}, origin
                from read_parquet({files}) where origin <> '';
            insert into packs select distinct {_PACK}, false from reused"""
        )
        own = f"select id from {self._ids.relation(number)}"
        unproved = index_tables.unproved_count(
            self._workspace,
            f"(select distinct id from {needed.relation(number)})",
            f"(select id from reused union all {own})",
        )
        rows, blobs = self._workspace.row(
            f"""select count(*), count(distinct id) from
            (select id from reused where origin <> 'index' union all {own})"""
        )
        self._index_counts.append((int(rows), int(blobs)))
        self._proved_counts.append(self._ids.count(number))
        self._tables.release([table.name])
        self._ids.drop(number)
        needed.drop(number)
        return unproved

    def store_index(self) -> tuple[TableObject, ...]:
        """Store where the blobs are that no index of the target has."""
        rows = RangeFiles(self._workspace, len(self._plan.ranges), "from no_index")
        for group in group_batches(self._batches):
            files = self._fetch_parts(group)
            assert files is not None, "parts are never deleted before the point is there"
            self._open_group(files)
            rows.add(f"select {INDEX_COLUMNS} from parts where fault = ''")
            self._release_parts(group)
        self._check(rows)
        count = sum(blobs for _, blobs in self._index_counts)
        extent = Extent(
            row_size=BLOB_ROW_SIZE,
            count=count,
            size=count * int(BLOB_ROW_SIZE),
            largest=int(BLOB_ROW_SIZE),
        )
        return self._tables.store_runs(
            self._index_runs(rows), "id", lambda k: names.index(self._session.id, k), extent
        )

    def _check(self, rows: RangeFiles) -> None:
        """Compare what goes into the index with what was proved: parts were read once more."""
        counts = [rows.count(number) for number in range(len(self._plan.ranges))]
        if counts != self._proved_counts:
            raise IntegrityError(
                f"the parts of session {self._session.id} are not those by which its blobs were "
                "proved",
                hint=f"Give the session up ('coldhaul session abandon {self._session.id}') and "
                "run the job again.",
            )

    def _index_runs(self, own: RangeFiles) -> Iterator[str]:
        """Yield the rows of the new index, range by range."""
        for number, table in enumerate(self._plan.ranges):
            rows = f"select {INDEX_COLUMNS} from {own.relation(number)}"
            if self._base.parts:
                files = quote_all(self._tables.fetch_all([table]))
                rows += f""" union all select {INDEX_COLUMNS} from read_parquet({files})
                    where origin not in ('', 'index')"""
            row_count, blob_count = self._index_counts[number]
            if row_count != blob_count:
                rows = f"""select * exclude (choice) from (select *, row_number() over
                    (partition by id order by session, pack) as choice from ({rows}))
                    where choice = 1"""
            if self._has_rounds:
                self._count_own(own.relation(number))
            yield f"({rows})"
            own.drop(number)
            self._tables.release([table.name])

    def _count_own(self, rows: str) -> None:
        count, size = self._workspace.row(
            f"""select count(*), coalesce(sum(length), 0)::BIGINT from
            (select id, max(length) as length from {rows} group by id)"""
        )
        self._own_count += count
        self._own_size += size

    def own_blobs(self) -> tuple[int, int]:
        """Return number and bytes of the blobs that this session stored, once the index is."""
        if self._has_rounds:
            return self._own_count, self._own_size
        return self._plan.new_blob_count, self._plan.new_content_size
