"""A restore's tables: which items it takes, where their content is, and what went wrong.

Nothing here grows in memory with the restore point: rows are joined and sorted by DuckDB, which
spills, and come and go as streams. Item paths are hostile bytes and never part of SQL.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from core.catalog import index as index_tables
from core.catalog import layers as layer_tables
from core.catalog.tables import ITEM_COLUMNS
from core.catalog.workspace import quote
from core.engine.faults import CSV, FaultLog
from core.engine.long_files import PIECE_COLUMNS, LongFile, spool_files
from core.engine.points import open_visible
from core.engine.tables import Tables
from core.format import names
from core.ids import BlobId, Digest, PackId, SessionId, is_hex_id
from core.limits import BLOB_SIZE_MAX
from core.model import ItemKind, PackRow, Record
from core.plan.paths import Selection, ancestors
from core.plan.restore import Frame, Inode, Piece, Place, Target, read_attributes

_ROWS_AT_ONCE = 5_000
# How many folders are remembered as noted already; a folder noted twice does no harm.
_WAYS_MAX = 10_000

_TARGET = "row_no, path, modified, metadata, device, inode, size, blob_count"
_PIECE = f"{_TARGET}, ordinal, length, blob"
_PLACE = "pack_no, frame_offset, frame_length, blob_offset, blob_length, digest"

# An index row that cannot be true is no place to read from.
_POSSIBLE = """regexp_full_match(session, '[0-9a-f]{32}')
    and regexp_full_match(pack, '[0-9a-f]{32}')
    and pack_size > 0 and octet_length(header) in (0, 56) and frame_offset >= 0
    and frame_length > 0 and blob_offset >= 0 and length > 0"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An item that is asked for. ``is_way``: only a folder on the way to one that is."""

    row: int
    path: bytes
    kind: str
    metadata: str
    is_damaged: bool
    is_consistent: bool
    is_way: bool


class RestoreTables:
    """The rows of one restore, step by step: choose, look, keep, and then read.

    Each statement has at most one large join and one large sort, and large results are files of
    the workspace: so a fixed memory is enough for any number of rows.
    """

    def __init__(self, tables: Tables, record: Record, log: FaultLog) -> None:
        """Number the point's visible items in path order."""
        self._workspace = tables.workspace
        self._log = log
        visible = open_visible(tables, record, "point_layers")
        self._store(
            "items",
            f"""select (row_number() over (order by path) - 1)::BIGINT as row_no, {ITEM_COLUMNS}
            from {visible}""",
        )

    def choose(self, selection: Selection) -> None:
        """Keep the items asked for, and the folders on the way to them."""
        if selection.takes_all:
            self._run("create view chosen as select *, false as is_way from items")
            return
        rows_path = self._workspace.new_path("rows", ".csv")
        ways_path = self._workspace.new_path("ways", ".csv")
        with rows_path.open("w") as rows, ways_path.open("w") as ways:
            noted: set[bytes] = set()
            for row, path in self._rows("select row_no, path from items order by row_no"):
                if selection.takes(path):
                    rows.write(f"{row}\n")
                    ways.writelines(f"{above.hex()}\n" for above in _new_ways(path, noted))
        self._run(
            f"""create table chosen_rows as
            with r as (from read_csv({quote(rows_path)}, {CSV}, columns={{'row_no': 'BIGINT'}})),
            w as (select unhex(path) as path
                from read_csv({quote(ways_path)}, {CSV}, columns={{'path': 'VARCHAR'}}))
            select row_no, false as is_way from r
            union all select i.row_no, true from items i semi join w using (path)
                anti join r using (row_no) where i.kind = 'folder'"""
        )
        self._store("chosen", "select * from items join chosen_rows using (row_no)")

    def candidates(self) -> Iterator[Candidate]:
        """Yield what is chosen in path order."""
        rows = self._rows(
            f"""select row_no, path, kind, metadata, damaged, size >= 0
            and len(blobs) = (case when kind = 'file'
                then size // {BLOB_SIZE_MAX} + (size % {BLOB_SIZE_MAX} > 0)::BIGINT else 0 end)
            and len(list_filter(blobs, lambda b: octet_length(b) <> 32)) = 0, is_way
            from chosen order by row_no"""
        )
        for row, path, kind, metadata, is_damaged, is_consistent, is_way in rows:
            yield Candidate(
                row=row,
                path=path,
                kind=kind,
                metadata=metadata,
                is_damaged=is_damaged,
                is_consistent=is_consistent,
                is_way=is_way,
            )

    def keep(self, found: Iterable[tuple[int, Inode]]) -> None:
        """Take all candidates that have not failed; ``found`` is what some replace."""
        path = self._workspace.new_path("found", ".csv")
        with path.open("w") as file:
            file.writelines(f"{row},{inode.device},{inode.number}\n" for row, inode in found)
        self._run(
            f"""create table found as from read_csv({quote(path)}, {CSV}, columns={{
            'row_no': 'BIGINT', 'device': 'UBIGINT', 'inode': 'UBIGINT'}})"""
        )
        self._run(f"create table unfit as select row_no from {self._log.failed_sql()}")
        self._run(
            """create view targets as select c.*, f.device, f.inode, len(c.blobs) as blob_count
            from chosen c left join found f using (row_no) anti join unfit using (row_no)"""
        )

    def doubled_folders(self) -> Iterator[int]:
        """Yield the rows of folders that are the same folder of the destination as another's."""
        rows = self._rows(
            """select row_no from chosen join found using (row_no) where kind = 'folder'
            qualify row_number() over (partition by device, inode order by row_no) > 1"""
        )
        for (row,) in rows:
            yield row

    def totals(self) -> tuple[int, int]:
        """Return the number and the content bytes of the items to restore."""
        count, size = self._workspace.row(
            """select count(*), coalesce(sum(size) filter (kind = 'file'), 0)::BIGINT
            from targets where not is_way"""
        )
        return int(count), int(size)

    def folders(self, *, is_deepest_first: bool = False) -> Iterator[tuple[Target, bool]]:
        """Yield the folders that have not failed, and whether each is only on the way."""
        order = "desc" if is_deepest_first else ""
        rows = self._rows(
            f"""select {_TARGET}, is_way from targets
            anti join {self._log.failed_sql()} f using (row_no)
            where kind = 'folder' order by row_no {order}"""
        )
        for row in rows:
            yield _target(row), row[8]

    def links(self) -> Iterator[tuple[Target, bytes]]:
        """Yield the links and where they point."""
        rows = self._rows(f"select {_TARGET} from targets where kind = 'link' order by row_no")
        for row in rows:
            yield _target(row), read_attributes(ItemKind.LINK, row[3]).link_target

    def empty_files(self) -> Iterator[Target]:
        """Yield the files that have no content."""
        yield from map(
            _target,
            self._rows(
                f"""select {_TARGET} from targets where kind = 'file' and blob_count = 0
                order by row_no"""
            ),
        )

    def open_content(self, index_files: Sequence[Path], read_last: Collection[str]) -> None:
        """Find where the blobs of the files can be; packs in ``read_last`` are the last resort."""
        needed = layer_tables.blobs_sql("(select * from targets where kind = 'file')", _TARGET)
        self._store("pending", f"select * from {needed}")
        index_tables.create_index(self._workspace, "index_rows", index_files)
        index_tables.create_excluded(self._workspace, "read_last", list(_packs(read_last)))
        self._run(
            f"""create table packs as select row_number() over
            (order by session, pack, pack_size, header) as pack_no, *
            from (select distinct session, pack, pack_size, header from index_rows
                where {_POSSIBLE})"""
        )
        self._store(
            "usable",
            f"""select id, pack_no, frame_offset, frame_length, blob_offset,
            length as blob_length, digest, x.session is not null as is_last
            from index_rows i semi join pending on id = blob
            join packs using (session, pack, pack_size, header)
            left join read_last x using (session, pack) where {_POSSIBLE}""",
        )

    def usable_packs(self) -> list[tuple[str, int]]:
        """Return the packs that hold something that is needed, by name and size."""
        rows = self._rows(
            """select distinct session, pack, pack_size from packs semi join usable using (pack_no)
            order by all"""
        )
        return [(names.pack(session, pack), size) for session, pack, size in rows]

    def choose_places(self, archived: Collection[str]) -> list[str]:
        """Order each blob's places, those in ``archived`` packs last; return the packs of these.

        They are what cannot be done without: the first choice of some blob.
        """
        index_tables.create_excluded(self._workspace, "archived", list(_packs(archived)))
        self._run(
            """create table archived_packs as
            select pack_no from packs semi join archived using (session, pack)"""
        )
        # One blob has several places only where sessions have met; all others need no sorting.
        self._run("create table doubled as select id from usable group by id having count(*) > 1")
        self._store(
            "places",
            f"""select id, {_PLACE}, 1 as choice from usable anti join doubled using (id)
            union all select id, {_PLACE}, row_number() over (partition by id
                order by a.pack_no is not null, is_last, u.pack_no, frame_offset, blob_offset)
                as choice
            from (select distinct * from usable semi join doubled using (id)) u
            left join archived_packs a using (pack_no)""",
        )
        rows = self._rows(
            """select distinct session, pack from packs semi join archived_packs using (pack_no)
            semi join (from places where choice = 1) using (pack_no) order by all"""
        )
        return [names.pack(session, pack) for session, pack in rows]

    def set_long_apart(self) -> None:
        """Take the files of several pieces out of all that follows, for ``long_files``."""
        self._store("long", "select * from pending where blob_count > 1")
        self._store("short", "select * from pending where blob_count <= 1")
        self._run("create or replace view pending as from short")

    def long_files(self) -> Iterator[LongFile]:
        """Yield files set apart in path order, with their pieces in order, each by its choices."""
        rows = self._rows(
            f"""select {_TARGET}, {PIECE_COLUMNS} from long left join places on id = blob
            left join packs using (pack_no) order by row_no, ordinal, choice"""
        )
        return spool_files(_by_file(rows), self._workspace.new_path("pieces", ".csv"))

    def loose_pieces(self) -> Iterator[Piece]:
        """Yield the pieces that no pack has, equal blobs together, else in path order."""
        self._store("loose", "select * from pending anti join places on id = blob")
        self._run(
            """create table twins as select blob, min(row_no) as first from loose
            group by blob having count(*) > 1"""
        )
        rows = self._rows(
            f"""select {_PIECE} from loose left join twins using (blob)
            order by coalesce(first, row_no), blob, row_no, ordinal"""
        )
        return (_piece(row, None) for row in rows)

    def packed_pieces(self, choice: int) -> Iterator[Piece]:
        """Yield the pending pieces by their ``choice``-th place, in the order of the packs."""
        rows = self._rows(
            f"""select {_PIECE}, {_PLACE} from pending
            join places on id = blob and choice = {choice}
            order by pack_no, frame_offset, blob_offset, row_no, ordinal"""
        )
        return (_piece(row, _place(row[11:])) for row in rows)

    def pack_row(self, number: int) -> PackRow:
        """Return what range reads of a pack need."""
        session, pack, size, header = self._workspace.row(
            "select session, pack, pack_size, header from packs where pack_no = ?", [number]
        )
        return PackRow(
            session_id=SessionId(session),
            pack_id=PackId(pack),
            size=size,
            sha256=b"",
            header=header,
        )

    def advance(self, choice: int) -> bool:
        """Take what has to be retried; say whether any of it has a ``choice``-th place.

        What has none has failed for good, for the reason of its last attempt.
        """
        self._run(f"create or replace table retried as select * from {self._log.retried_sql()}")
        self._log.forget_retried()
        hopeless = self._rows(
            f"""select row_no, any_value(category), any_value(reason) from retried
            anti join (select id from places where choice = {choice}) on id = blob
            group by row_no"""
        )
        for row, category, reason in hopeless:
            self._log.fail(row, category, reason)
        self._store(
            "pending",
            f"select {_PIECE} from retried join targets using (row_no)",
        )
        (count,) = self._workspace.row(
            f"select count(*) from pending join places on id = blob and choice = {choice}"
        )
        return bool(count)

    def failed_count(self) -> int:
        """Return how many items have failed."""
        (count,) = self._workspace.row(f"select count(*) from {self._log.failed_sql()}")
        return int(count)

    def failed(self, count_max: int) -> Iterator[tuple[bytes, str, str]]:
        """Yield path, category and reason of items that failed, in path order."""
        yield from self._rows(
            f"""select path, category, reason from chosen join {self._log.failed_sql()}
            using (row_no) order by row_no limit {count_max}"""
        )

    def _store(self, view: str, query: str) -> None:
        """Put a query's rows into a file of the workspace, seen as ``view``."""
        path = self._workspace.new_path(view)
        self._run(f"copy ({query}) to {quote(path)} (format parquet, row_group_size 20_000)")
        self._run(f"create or replace view {view} as select * from read_parquet({quote(path)})")

    def _run(self, sql: str) -> None:
        self._workspace.run(sql)

    def _rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        return self._workspace.rows(sql, at_once=_ROWS_AT_ONCE)


def _new_ways(path: bytes, noted: set[bytes]) -> Iterator[bytes]:
    """Yield the folders on the way to a path that are not noted yet, and note them."""
    if len(noted) > _WAYS_MAX:
        noted.clear()
    for above in ancestors(path):
        if above in noted:
            return
        noted.add(above)
        yield above


def _packs(marked: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield session and pack of the names that are packs of content."""
    for name in marked:
        place = name.removeprefix(names.PACKS).split("/")
        if name.startswith(names.PACKS) and len(place) == 2 and all(map(is_hex_id, place)):
            yield place[0], place[1]


def _target(row: tuple[Any, ...]) -> Target:
    number, path, modified, metadata, device, inode, size, piece_count = row[:8]
    return Target(
        row=number,
        path=path,
        modified=modified,
        mode=read_attributes(ItemKind.FILE, metadata).mode,
        replaces=None if inode is None else Inode(device=device, number=inode),
        size=size,
        piece_count=piece_count,
        metadata=metadata,
    )


def _by_file(
    rows: Iterable[tuple[Any, ...]],
) -> Iterator[tuple[Target, Iterator[tuple[Any, ...]]]]:
    """Yield each file's target and the rest of its rows; take these before the next file."""
    for _, grouped in groupby(rows, key=lambda row: row[0]):
        first = next(grouped)
        yield _target(first), (row[8:] for row in chain((first,), grouped))


def _piece(row: tuple[Any, ...], place: Place | None) -> Piece:
    ordinal, length, blob = row[8:11]
    return Piece(
        target=_target(row),
        ordinal=ordinal,
        offset=ordinal * BLOB_SIZE_MAX,
        length=length,
        blob=BlobId(blob),
        place=place,
    )


def _place(columns: tuple[Any, ...]) -> Place:
    pack, frame_offset, frame_length, offset, length, digest = columns
    return Place(
        frame=Frame(pack=pack, offset=frame_offset, length=frame_length),
        offset=offset,
        length=length,
        digest=Digest(digest),
    )
