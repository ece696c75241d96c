"""What a backup found against what the point before holds: rows kept, read, changed and gone.

All of it is joins in DuckDB, so a tree of any size needs the same memory. The tables, each with
a layer's columns: ``parent_rows`` (what the point before shows), ``scanned_rows`` (the tree,
files without blobs), ``kept_rows`` (files that need not be read), ``read_rows`` (files that were
read), ``current_rows`` (the new state, whole) and ``changed_rows`` (what the new layer holds).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.catalog.index import unproved_count
from core.catalog.layers import difference_sql, invalid_item_count
from core.catalog.tables import ITEM_COLUMNS, write_items
from core.catalog.workspace import Workspace, quote
from core.engine.skipped import SkippedItem
from core.errors import IntegrityError, StoreError
from core.model import Item, ItemKind

_CHANGED = """regexp_extract(s.metadata, '"changed":(-?[0-9]+)', 1)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """The new state, and what changed: added rows are new or changed ones."""

    item_count: int
    content_size: int
    added_count: int
    removed_count: int


@contextmanager
def temporary_files() -> Iterator[None]:
    """Turn a temporary folder that is full into a ``StoreError``."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write a temporary file: {error.strerror}",
            hint="Make room in the temporary folder, or set TMPDIR to a larger one.",
        ) from error


def create_parent(workspace: Workspace, visible: str | None) -> None:
    """Take what the point before shows; None when there is no such point."""
    if visible is None:
        write_items(workspace, (), "parent_rows")
    else:
        workspace.run(f"create table parent_rows as select {ITEM_COLUMNS} from {visible}")


def create_scanned(workspace: Workspace, items: Iterable[Item], floor: int) -> None:
    """Take the tree, without what was modified before the retention floor.

    A path that was met twice, because names were moved about, counts once; as a folder if it
    was one, since others may have been met below it.
    """
    with temporary_files():
        write_items(workspace, items, "met_rows")
    workspace.run(
        f"""create table scanned_rows as select distinct on (path) {ITEM_COLUMNS}
        from met_rows where modified >= {floor} order by path, kind <> 'folder'"""
    )
    workspace.run("drop table met_rows")


def create_kept(workspace: Workspace, changed_before: int, damaged: Iterable[bytes]) -> None:
    """Find the files that are as the point before has them, and take over their blobs.

    A file counts as unchanged when its size, mode and times are the same and its ctime, which
    no program can set, is before ``changed_before`` (nanoseconds). Files with a blob among
    ``damaged`` are not kept: reading them again brings a missing blob back.
    """
    workspace.run("create table damaged_blobs (blob BLOB)")
    for blob in damaged:
        workspace.run("insert into damaged_blobs values (?)", [blob])
    workspace.run(
        f"""create table kept_rows as
        select s.path, s.kind, s.size, s.modified, s.metadata, p.blobs, s.deleted, s.damaged
        from scanned_rows s join parent_rows p on p.path = s.path
        where s.kind = 'file' and p.kind = 'file' and not p.damaged and s.size = p.size
            and s.modified = p.modified and s.metadata = p.metadata
            and try_cast({_CHANGED} as BIGINT) < {changed_before}"""
    )
    workspace.run(
        """delete from kept_rows where path in (
            select path from (select path, unnest(blobs) as blob from kept_rows)
            semi join damaged_blobs using (blob))"""
    )


def count_unread(workspace: Workspace) -> tuple[int, int]:
    """Return the number of files that have to be read, and their bytes."""
    count, size = workspace.row(f"select count(*), coalesce(sum(size), 0)::BIGINT from {_UNREAD}")
    return int(count), int(size)


def unread_paths(workspace: Workspace) -> Iterator[bytes]:
    """Yield the files that have to be read, those of one folder together."""
    for (path,) in workspace.rows(f"select path from {_UNREAD} order by path", at_once=5_000):
        yield path


_UNREAD = """(select s.path, s.size from scanned_rows s anti join kept_rows k on k.path = s.path
    where s.kind = 'file')"""


def create_changed(workspace: Workspace, read: Iterable[Item], floor: int) -> RowCounts:
    """Take the files that were read, and find what is different from the point before."""
    with temporary_files():
        write_items(workspace, read, "read_rows")
    workspace.run(
        f"""create view current_rows as
        select {ITEM_COLUMNS} from scanned_rows where kind <> 'file'
        union all select {ITEM_COLUMNS} from kept_rows
        union all select {ITEM_COLUMNS} from read_rows where modified >= {floor}"""
    )
    difference = difference_sql("current_rows", "parent_rows", "s.blobs")
    workspace.run(f"create table changed_rows as select * from {difference}")
    item_count, content_size = workspace.row(
        "select count(*), coalesce(sum(size), 0)::BIGINT from current_rows"
    )
    added_count, removed_count = workspace.row(
        "select count(*) filter (not deleted), count(*) filter (deleted) from changed_rows"
    )
    return RowCounts(
        item_count=int(item_count),
        content_size=int(content_size),
        added_count=int(added_count),
        removed_count=int(removed_count),
    )


def prove(workspace: Workspace, stored_log: Path) -> None:
    """Raise ``IntegrityError`` unless every blob of a changed row is known to be stored (I1).

    Known is what this session stored or found, as ``stored_log`` lists it, and what the visible
    rows of the point before need.
    """
    contradictory_count = invalid_item_count(workspace, "changed_rows")
    stored = (
        f"select unhex(id) as id from read_csv({quote(stored_log)}, header=false,"
        " auto_detect=false, columns={'id': 'VARCHAR'})"
    )
    missing_count = unproved_count(
        workspace,
        "(select distinct unnest(blobs) as id from changed_rows)",
        f"({stored} union all select unnest(blobs) as id from parent_rows)",
    )
    if contradictory_count or missing_count:
        raise IntegrityError(
            f"{missing_count} blobs of the new restore point are not known to be stored and"
            f" {contradictory_count} items have another size than their blobs;"
            " nothing was published",
            hint="Run the backup again, and report this.",
        )


def count_left_out(workspace: Workspace, items: Iterable[SkippedItem]) -> tuple[SkippedItem, ...]:
    """Return skipped items in the order of their paths, each with what it takes with it."""
    reasons = {item.path: item.reason for item in items}
    rows = (Item(path=path, kind=ItemKind.FILE) for path in reasons)
    with temporary_files():
        write_items(workspace, rows, "skipped_rows")
    counted = workspace.rows(
        """select s.path, count(c.path) from skipped_rows s left join (
            select path as skipped, path from changed_rows where deleted
            union all
            select s.path, c.path from skipped_rows s join changed_rows c
                on c.path > s.path || '/'::BLOB and c.path < s.path || '0'::BLOB where c.deleted
        ) c on c.skipped = s.path group by s.path order by s.path"""
    )
    return tuple(
        SkippedItem(path=path, reason=reasons[path], left_out_count=int(count))
        for path, count in counted
    )
