"""A restore's tables: which items it takes, where their content is, and what went wrong.

Nothing here grows in memory with the restore point: rows are joined and sorted by DuckDB, which
spills, and come and go as streams. Item paths are hostile bytes and never part of SQL.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.catalog import index as index_tables
from core.catalog import layers as layer_tables
from core.catalog.tables import ITEM_COLUMNS
from core.catalog.workspace import quote
from core.engine.faults import CSV, FaultLog
from core.engine.points import open_visible
from core.engine.tables import Tables
from core.format import names
from core.ids import BlobId, Digest, PackId, SessionId, is_hex_id
from core.limits import BLOB_SIZE_MAX
from core.model import PackRow, Record
from core.plan.paths import Selection, ancestors
from core.plan.restore import Frame, Inode, Piece, Place, Target

_ROWS_AT_ONCE = 5_000
# How many folders are remembered as noted already; a folder noted twice does no harm.
_WAYS_MAX = 10_000

_TARGET = "i.row_no, i.path, i.modified, s.mode, s.device, s.inode, i.size, len(i.blobs)"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A candidate that can be restored: its mode, and what it finds at its place."""

    row: int
    mode: int | None
    found: Inode | None


class RestoreTables:
    """The rows of one restore, step by step: open, choose, keep, and then read."""

    def __init__(self, tables: Tables, record: Record, log: FaultLog) -> None:
        """Number the point's visible items in path order."""
        self._workspace = tables.workspace
        self._log = log
        path = self._workspace.new_path("items")
        visible = open_visible(tables, record, "point_layers")
        self._run(
            f"""copy (select (row_number() over (order by path) - 1)::BIGINT as row_no,
                {ITEM_COLUMNS} from {visible}) to {quote(path)} (format parquet)"""
        )
        self._run(f"create view items as select * from read_parquet({quote(path)})")

    def choose(self, selection: Selection) -> None:
        """Keep the items asked for, and the folders on the way to them."""
        if selection.takes_all:
            self._run("create table chosen as select row_no, false as is_way from items")
            return
        rows_path = self._workspace.new_path("chosen", ".csv")
        ways_path = self._workspace.new_path("ways", ".csv")
        with rows_path.open("w") as rows, ways_path.open("w") as ways:
            noted: set[bytes] = set()
            for row, path in self._rows("select row_no, path from items order by row_no"):
                if selection.takes(path):
                    rows.write(f"{row}\n")
                    ways.writelines(f"{above.hex()}\n" for above in _new_ways(path, noted))
        self._run(
            f"""create table chosen as
            with r as (from read_csv({quote(rows_path)}, {CSV}, columns={{'row_no': 'BIGINT'}})),
            w as (select unhex(path) as path
                from read_csv({quote(ways_path)}, {CSV}, columns={{'path': 'VARCHAR'}}))
            select row_no, false as is_way from r
            union all select i.row_no, true from items i semi join w using (path)
                anti join r using (row_no) where i.kind = 'folder'"""
        )

    def candidates(self) -> Iterator[Candidate]:
        """Yield what is chosen in path order."""
        rows = self._rows(
            f"""select row_no, path, kind, metadata, damaged, size >= 0
            and len(blobs) = (case when kind = 'file'
                then (size + {BLOB_SIZE_MAX - 1}) // {BLOB_SIZE_MAX} else 0 end)
            and len(list_filter(blobs, lambda b: octet_length(b) <> 32)) = 0, is_way
            from items join chosen using (row_no) order by row_no"""
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

    def keep(self, sound: Iterable[Sound]) -> None:
        """Take the candidates that can be restored; folders that are one here are listed."""
        path = self._workspace.new_path("sound", ".csv")
        with path.open("w") as file:
            for row in sound:
                mode = "" if row.mode is None else row.mode
                found = f"{row.found.device},{row.found.number}" if row.found else ","
                file.write(f"{row.row},{mode},{found}\n")
        self._run(
            f"""create table sound as select r.*, c.is_way, i.kind from read_csv({quote(path)},
            {CSV}, columns={{'row_no': 'BIGINT', 'mode': 'BIGINT', 'device': 'UBIGINT',
            'inode': 'UBIGINT'}}) r join chosen c using (row_no) join items i using (row_no)"""
        )

    def doubled_folders(self) -> Iterator[int]:
        """Yield the rows of folders that are the same folder of the destination as another's."""
        rows = self._rows(
            """select row_no from sound where kind = 'folder' and inode is not null
            qualify row_number() over (partition by device, inode order by row_no) > 1"""
        )
        for (row,) in rows:
            yield row

    def totals(self) -> tuple[int, int]:
        """Return the number and the content bytes of the items to restore."""
        count, size = self._workspace.row(
            """select count(*), coalesce(sum(i.size) filter (s.kind = 'file'), 0)::BIGINT
            from sound s join items i using (row_no) where not s.is_way"""
        )
        return int(count), int(size)

    def folders(self, *, is_deepest_first: bool = False) -> Iterator[tuple[Target, bool]]:
        """Yield the folders that have not failed, and whether each is only on the way."""
        order = "desc" if is_deepest_first else ""
        yield from (
            (_target(row), row[8])
            for row in self._rows(
                f"""select {_TARGET}, s.is_way from items i join sound s using (row_no)
                anti join {self._log.failed_sql()} f using (row_no)
                where s.kind = 'folder' order by i.row_no {order}"""
            )
        )

    def links(self) -> Iterator[tuple[Target, str]]:
        """Yield the links and their metadata."""
        yield from (
            (_target(row), row[8])
            for row in self._rows(
                f"""select {_TARGET}, i.metadata from items i join sound s using (row_no)
                where s.kind = 'link' order by i.row_no"""
            )
        )

    def empty_files(self) -> Iterator[Target]:
        """Yield the files that have no content."""
        yield from map(
            _target,
            self._rows(
                f"""select {_TARGET} from items i join sound s using (row_no)
                where s.kind = 'file' and len(i.blobs) = 0 order by i.row_no"""
            ),
        )

    def open_content(self, index_files: Sequence[Path], read_last: Collection[str]) -> None:
        """Find where the blobs of the files are; packs in ``read_last`` are the last resort."""
        needed = layer_tables.blobs_sql(
            "(select i.* from items i semi join sound using (row_no) where i.kind = 'file')"
        )
        self._run(
            f"""create table pending as
            select *, '' as category, '' as reason from {needed}"""
        )
        index_tables.create_index(self._workspace, "index_rows", index_files)
        index_tables.create_excluded(self._workspace, "read_last", list(_packs(read_last)))
        self._run(
            f"""create table usable as select distinct id, digest, session, pack, pack_size, header,
            frame_offset, frame_length, blob_offset, length
            from index_rows semi join pending on id = blob where {_POSSIBLE}"""
        )
        self._run(
            """create table packs as select row_number() over
            (order by session, pack, pack_size, header) as pack_no, *
            from (select distinct session, pack, pack_size, header from usable)"""
        )
        self._run(
            """create table places as select id, digest, pack_no, frame_offset, frame_length,
            blob_offset, length, row_number() over (partition by id
                order by x.session is not null, pack_no, frame_offset, blob_offset) as choice
            from usable join packs using (session, pack, pack_size, header)
            left join read_last x using (session, pack)"""
        )
        self._run("drop table usable")

    def loose_pieces(self) -> Iterator[Piece]:
        """Yield the pieces that no pack has, equal blobs together, else in path order."""
        rows = self._rows(
            f"""select {_TARGET}, w.ordinal, w.length, w.blob
            from pending w anti join places p on p.id = w.blob
            join (select blob, min(row_no) as first from pending group by blob) b using (blob)
            join items i using (row_no) join sound s using (row_no)
            order by b.first, w.blob, i.row_no, w.ordinal"""
        )
        return (_piece(row, None) for row in rows)

    def packed_pieces(self, choice: int) -> Iterator[Piece]:
        """Yield the pending pieces by their ``choice``-th place, in the order of the packs."""
        rows = self._rows(
            f"""select {_TARGET}, w.ordinal, w.length, w.blob,
                p.pack_no, p.frame_offset, p.frame_length, p.blob_offset, p.length, p.digest
            from pending w join places p on p.id = w.blob and p.choice = {choice}
            join items i using (row_no) join sound s using (row_no)
            order by p.pack_no, p.frame_offset, p.blob_offset, i.row_no, w.ordinal"""
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
        self._run(f"create or replace table pending as select * from {self._log.retried_sql()}")
        self._log.forget_retried()
        hopeless = self._rows(
            f"""select w.row_no, any_value(w.category), any_value(w.reason) from pending w
            anti join places p on p.id = w.blob and p.choice = {choice} group by w.row_no"""
        )
        for row, category, reason in hopeless:
            self._log.fail(row, category, reason)
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
            f"""select i.path, f.category, f.reason from {self._log.failed_sql()} f
            join items i using (row_no) order by i.row_no limit {count_max}"""
        )

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
    number, path, modified, mode, device, inode, size, piece_count = row[:8]
    return Target(
        row=number,
        path=path,
        modified=modified,
        mode=mode,
        replaces=None if inode is None else Inode(device=device, number=inode),
        size=size,
        piece_count=piece_count,
    )


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
