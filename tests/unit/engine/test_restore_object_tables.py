"""Which items become objects, which of these are in the way, and what is left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.catalog.workspace import Workspace
from core.engine.faults import FaultLog
from core.engine.restore_object_tables import ObjectTables
from core.engine.tables import Tables
from core.limits import MIB
from core.model import Item
from core.plan.paths import Selection
from core.stores.folder import FolderStore
from tests.support.copies import make_repository
from tests.support.points import file_item, folder_item, link_item, write_point

ITEMS = [
    folder_item(b"a"),
    file_item(b"a-b", 0, []),
    file_item(b"a/1", 1, [bytes(32)]),
    folder_item(b"a/void"),
    folder_item(b"c2"),
    file_item(b"\xc2\xf2", 2, [bytes(32)]),
    link_item(b"d/link", b"x"),
    folder_item(b"d"),
]


@contextmanager
def opened(tmp_path: Path, items: list[Item], *include: str) -> Iterator[ObjectTables]:
    repository = make_repository(FolderStore(tmp_path / "r", create=True), is_encrypted=False)
    record = write_point(repository, sorted(items, key=lambda item: item.path))
    with Workspace(128 * MIB, threads=1) as workspace, FaultLog(workspace) as log:
        rows = ObjectTables(Tables(repository, workspace), record, log)
        rows.choose(Selection(include))
        rows.keep(())
        yield rows


def test_links_and_empty_folders_are_left_out(tmp_path: Path) -> None:
    with opened(tmp_path, ITEMS) as rows:
        assert list(rows.no_objects()) == [b"a/void", b"c2", b"d/link"]
        assert rows.file_totals() == (3, 3)


def test_folders_on_the_way_are_not_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, ITEMS, "a/1") as rows:
        assert list(rows.no_objects()) == []
        assert rows.file_totals() == (1, 1)


def test_only_files_that_are_chosen_are_in_the_way(tmp_path: Path) -> None:
    keys = [b"", b"a", b"a/1", b"d/link", b"elsewhere", b"\xc2\xf2", b"x,\n\"'"]
    with opened(tmp_path, ITEMS) as rows:
        assert list(rows.taken(keys)) == [b"a/1", b"\xc2\xf2"]
    with opened(tmp_path / "other", ITEMS, "a") as rows:
        assert list(rows.taken(keys)) == [b"a/1"]
