"""The blobs that a delta asks for, by ranges of their ids."""

from core.engine.bucket_delta import blobs_of_delta_sql
from core.engine.delta import open_delta
from core.engine.ranges import RangeFiles
from core.engine.session import CopySession
from core.engine.state import Delta
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.sources.bucket import BucketSource

_EMPTY = (
    "select ''::BLOB as id, ''::BLOB as source_id, 0::BIGINT as length, 0::BIGINT as position "
    "where false"
)


class Need:
    """Every blob of a delta once, as (id, source_id, length, position), range by range."""

    def __init__(self, session: CopySession, tables: Tables, delta: Delta, first: int) -> None:
        """Sort the delta's blobs into ranges; those before range ``first`` are not needed."""
        self._session = session
        self._workspace = tables.workspace
        self._blobs = RangeFiles(tables.workspace, delta.range_count, _EMPTY, first)
        for table in delta.objects:
            open_delta(tables, tables.fetch_all([table]))
            self._blobs.add(blobs_of_delta_sql(session))
            tables.release([table.name])

    def open_range(self, number: int) -> None:
        """Create the table ``asked`` of the blobs of a range, and forget them."""
        rows = self._blobs.relation(number)
        if isinstance(self._session.source, BucketSource):
            # Blobs of objects are told apart by their paths: none stands twice.
            self._workspace.run(f"create or replace table asked as select * from {rows}")
        else:
            self._workspace.run(
                f"""create or replace table asked as
                select id, any_value(source_id) as source_id, max(length) as length,
                    min(position) as position, min(length) as least from {rows} group by id"""
            )
            self._check()
        self._blobs.drop(number)

    def _check(self) -> None:
        (unequal,) = self._workspace.row("select count(*) from asked where least <> length")
        if unequal:
            raise IntegrityError(
                f"the source's layers contradict themselves: {unequal} blobs have two lengths",
                hint="'coldhaul verify' on the source names what is damaged.",
            )
        self._workspace.run("alter table asked drop column least")
