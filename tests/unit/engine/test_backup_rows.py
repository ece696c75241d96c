"""What a backup found against what the point before holds, row by row."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.catalog.layers import NO_FLOOR
from core.catalog.tables import read_items, write_items
from core.catalog.workspace import Workspace
from core.engine import backup_rows as rows
from core.engine.skipped import SkippedItem
from core.errors import IntegrityError, StoreError
from core.ids import BlobId
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import Item, ItemKind

BLOB = BlobId(b"b" * 32)
OTHER_BLOB = BlobId(b"c" * 32)
# A file as the scan finds it, without blobs, and as a point holds it.
FOUND = Item(
    path=b"file",
    kind=ItemKind.FILE,
    size=5,
    modified=50,
    metadata='{"changed":1000,"mode":420}',
)
HELD = replace(FOUND, blobs=(BLOB,))
FOLDER = Item(path=b"folder", kind=ItemKind.FOLDER, modified=7, metadata='{"mode":493}')


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB) as made:
        yield made


def prepare(
    workspace: Workspace,
    parent: Iterable[Item],
    scanned: Iterable[Item],
    changed_before: int = 2_000,
    damaged: Iterable[bytes] = (),
) -> None:
    write_items(workspace, parent, "held")
    rows.create_parent(workspace, "held")
    rows.create_scanned(workspace, scanned, NO_FLOOR)
    rows.create_kept(workspace, changed_before, damaged)


def unread(workspace: Workspace) -> list[bytes]:
    return list(rows.unread_paths(workspace))


def changed(workspace: Workspace) -> list[Item]:
    return list(read_items(workspace, "changed_rows", "order by path"))


def test_an_unchanged_file_keeps_its_blobs_and_is_not_read(workspace: Workspace) -> None:
    prepare(workspace, [HELD], [FOUND])
    assert unread(workspace) == []
    counts = rows.create_changed(workspace, [], NO_FLOOR)
    assert changed(workspace) == []
    assert (counts.item_count, counts.content_size) == (1, 5)
    assert list(read_items(workspace, "current_rows")) == [HELD]


DIFFERENT = {
    "size": replace(FOUND, size=6),
    "modified": replace(FOUND, modified=51),
    "changed": replace(FOUND, metadata='{"changed":1001,"mode":420}'),
    "mode": replace(FOUND, metadata='{"changed":1000,"mode":384}'),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_file_that_differs_in_anything_is_read(workspace: Workspace, what: str) -> None:
    prepare(workspace, [HELD], [DIFFERENT[what]])
    assert unread(workspace) == [b"file"]


@pytest.mark.parametrize(("changed_before", "is_read"), [(1_001, False), (1_000, True), (0, True)])
def test_a_file_that_changed_too_close_to_the_last_backup_is_read(
    workspace: Workspace, changed_before: int, is_read: bool
) -> None:
    prepare(workspace, [HELD], [FOUND], changed_before)
    assert unread(workspace) == ([b"file"] if is_read else [])


@pytest.mark.parametrize("metadata", ["{}", '{"mode":420}', '{"changed":"x"}', ""])
def test_a_file_whose_ctime_is_not_known_is_read(workspace: Workspace, metadata: str) -> None:
    """Points made by something else carry other metadata."""
    prepare(workspace, [replace(HELD, metadata=metadata)], [replace(FOUND, metadata=metadata)])
    assert unread(workspace) == [b"file"]


def test_a_file_that_the_point_has_as_damaged_is_read(workspace: Workspace) -> None:
    prepare(workspace, [replace(HELD, blobs=(), is_damaged=True)], [FOUND])
    assert unread(workspace) == [b"file"]


def test_a_file_with_a_damaged_blob_is_read(workspace: Workspace) -> None:
    other = replace(HELD, path=b"other", blobs=(OTHER_BLOB,))
    found = [FOUND, replace(FOUND, path=b"other")]
    prepare(workspace, [HELD, other], found, damaged=[OTHER_BLOB])
    assert unread(workspace) == [b"other"]


def test_a_folder_where_a_file_was_is_no_file_to_keep(workspace: Workspace) -> None:
    prepare(workspace, [replace(FOUND, kind=ItemKind.FOLDER)], [FOUND])
    assert unread(workspace) == [b"file"]


def test_without_a_point_before_all_files_are_read_in_the_order_of_their_paths(
    workspace: Workspace,
) -> None:
    rows.create_parent(workspace, None)
    paths = [b"b", b"a/2", b"a/1", b"\xff", b""]
    rows.create_scanned(workspace, [replace(FOUND, path=path) for path in paths], NO_FLOOR)
    rows.create_kept(workspace, NO_FLOOR, ())
    assert unread(workspace) == sorted(paths)
    assert rows.count_unread(workspace) == (5, 25)


def test_changes_are_new_changed_and_gone_rows(workspace: Workspace) -> None:
    gone = replace(HELD, path=b"gone")
    prepare(workspace, [HELD, gone, FOLDER], [replace(FOUND, size=6), replace(FOLDER, modified=8)])
    read = replace(FOUND, size=6, blobs=(OTHER_BLOB,))
    new = replace(read, path=b"new")
    counts = rows.create_changed(workspace, [read, new], NO_FLOOR)
    found = {item.path: item for item in changed(workspace)}
    assert found[b"file"] == read
    assert found[b"new"] == new
    assert found[b"folder"] == replace(FOLDER, modified=8)
    assert found[b"gone"].is_deleted
    assert (counts.added_count, counts.removed_count) == (3, 1)
    assert (counts.item_count, counts.content_size) == (3, 12)


def test_a_file_that_was_read_and_is_the_same_changes_nothing(workspace: Workspace) -> None:
    prepare(workspace, [HELD], [FOUND], changed_before=0)
    rows.create_changed(workspace, [HELD], NO_FLOOR)
    assert changed(workspace) == []


def test_a_file_that_could_not_be_read_is_gone_from_the_point(workspace: Workspace) -> None:
    prepare(workspace, [HELD], [replace(FOUND, size=6)])
    counts = rows.create_changed(workspace, [], NO_FLOOR)
    assert [(item.path, item.is_deleted) for item in changed(workspace)] == [(b"file", True)]
    assert counts.item_count == 0


def test_a_path_that_is_met_twice_counts_once_and_as_a_folder(workspace: Workspace) -> None:
    folder = replace(FOLDER, path=b"file")
    rows.create_parent(workspace, None)
    rows.create_scanned(workspace, [FOUND, folder, FOUND, FOLDER, FOLDER], NO_FLOOR)
    found = list(read_items(workspace, "scanned_rows", "order by path"))
    assert found == [folder, FOLDER]


def test_items_before_the_retention_floor_are_left_out(workspace: Workspace) -> None:
    rows.create_parent(workspace, None)
    old = replace(FOUND, path=b"old", modified=49)
    rows.create_scanned(workspace, [FOUND, old], 50)
    rows.create_kept(workspace, NO_FLOOR, ())
    assert unread(workspace) == [b"file"]
    counts = rows.create_changed(workspace, [replace(HELD, modified=49)], 50)
    assert counts.item_count == 0


def test_items_of_before_1970_are_not_before_any_floor(workspace: Workspace) -> None:
    rows.create_parent(workspace, None)
    rows.create_scanned(workspace, [replace(FOUND, modified=NO_FLOOR)], NO_FLOOR)
    rows.create_kept(workspace, NO_FLOOR, ())
    assert unread(workspace) == [b"file"]


def stored_log(workspace: Workspace, blobs: Iterable[bytes]) -> Path:
    path = workspace.new_path("log", ".csv")
    path.write_text("".join(f"{blob.hex()}\n" for blob in blobs))
    return path


def test_what_was_stored_or_is_in_the_point_before_is_proved(workspace: Workspace) -> None:
    prepare(workspace, [HELD], [FOUND])
    moved = replace(HELD, path=b"moved")
    new = replace(HELD, path=b"new", blobs=(OTHER_BLOB,))
    rows.create_changed(workspace, [moved, new], NO_FLOOR)
    rows.prove(workspace, stored_log(workspace, [OTHER_BLOB]))


def test_a_blob_that_nobody_stored_stops_the_point(workspace: Workspace) -> None:
    """I1."""
    prepare(workspace, [HELD], [FOUND])
    rows.create_changed(workspace, [replace(HELD, path=b"new", blobs=(OTHER_BLOB,))], NO_FLOOR)
    with pytest.raises(IntegrityError, match=r"1 blobs .*nothing was published"):
        rows.prove(workspace, stored_log(workspace, []))


@pytest.mark.parametrize("size", [0, BLOB_SIZE_MAX + 1])
def test_a_size_that_its_blobs_cannot_have_stops_the_point(workspace: Workspace, size: int) -> None:
    prepare(workspace, [], [])
    rows.create_changed(workspace, [replace(HELD, size=size)], NO_FLOOR)
    with pytest.raises(IntegrityError, match="1 items have another size"):
        rows.prove(workspace, stored_log(workspace, [BLOB]))


def test_skipped_items_are_counted_with_what_they_take_along(workspace: Workspace) -> None:
    paths = [b"a", b"a/1", b"a/2/3", b"a-", b"a0", b"b", b"c"]
    prepare(workspace, [replace(HELD, path=path) for path in paths], [])
    rows.create_changed(workspace, [replace(HELD, path=b"c")], NO_FLOOR)
    reasons = {b"b": "why 0", b"a": "why 1", b"x": "why 2"}
    skipped = [SkippedItem(path=path, reason=reason) for path, reason in reasons.items()]
    assert rows.count_left_out(workspace, skipped) == (
        SkippedItem(path=b"a", reason="why 1", left_out_count=3),
        SkippedItem(path=b"b", reason="why 0", left_out_count=1),
        SkippedItem(path=b"x", reason="why 2", left_out_count=0),
    )


def test_a_full_temporary_folder_is_said() -> None:
    with pytest.raises(StoreError, match="No space left") as raised, rows.temporary_files():
        raise OSError(28, "No space left on device")
    assert "TMPDIR" in raised.value.hint
