"""A restore brings every item back, leaves nothing half done, and never leaves its folder."""

import hashlib
import itertools
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.engine.landing import TEMPORARY
from core.engine.progress import Silent
from core.engine.restore import list_items, restore_point
from core.engine.restoring import FailedItem, RestoreOutcome
from core.errors import ConflictError, InputError, IntegrityError, NotFoundError, NotReadyError
from core.format import names
from core.limits import BLOB_SIZE_MAX
from core.model import Item, ItemKind, Record
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from tests.support.copies import make_repository
from tests.support.points import Point, file_item, folder_item, link_item, write_point


@pytest.fixture(params=["loose", "packed", "sealed loose", "sealed packed"])
def point(request: pytest.FixtureRequest, tmp_path: Path) -> Point:
    """Return a point to be filled, in each kind of repository."""
    return new_point(tmp_path, request.param)


def new_point(tmp_path: Path, kind: str = "loose") -> Point:
    store = FolderStore(tmp_path / "repository", create=True)
    repository = make_repository(store, is_encrypted="sealed" in kind)
    return Point(repository, is_packed="packed" in kind)


def restore(
    point: Point | Repository,
    record: Record,
    folder: Path,
    *,
    include: Sequence[str] = (),
    overwrite: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> RestoreOutcome:
    return restore_point(
        point.repository if isinstance(point, Point) else point,
        record,
        folder,
        include=include,
        overwrite=overwrite,
        progress=Silent(),
        stop=stop,
    )


def told_after(asked_max: int) -> Callable[[], bool]:
    """Return a stop that says yes once it has said no so often."""
    asked = itertools.count()
    return lambda: next(asked) >= asked_max


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """Return what is below a folder: content of files, targets of links, None for folders."""
    found: dict[str, bytes | str | None] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def reasons(outcome: RestoreOutcome) -> dict[bytes, str]:
    return {item.path: item.reason for item in outcome.failed}


def test_files_folders_and_links_come_back(point: Point, tmp_path: Path) -> None:
    large = hashlib.sha256(b"seed").digest() * (2 * BLOB_SIZE_MAX // 32) + b"tail"
    point.folder(b"a", 0o555)
    point.file(b"a/file", b"content", 0o640)
    point.file(b"a/twin", b"content")
    point.file(b"empty", b"")
    point.file(b"large", large)
    point.file(b"exact", large[:BLOB_SIZE_MAX])
    point.folder(b"void", 0o700)
    point.link(b"link", b"a/file")
    point.link(b"out", b"../../etc")
    record = point.write()
    outcome = restore(point, record, tmp_path / "to")
    assert outcome.failed == ()
    assert (outcome.item_count, outcome.failed_count, outcome.problems) == (9, 0, ())
    assert outcome.content_size == 14 + len(large) + BLOB_SIZE_MAX
    assert tree(tmp_path / "to") == {
        "a": None,
        "a/file": b"content",
        "a/twin": b"content",
        "empty": b"",
        "large": large,
        "exact": large[:BLOB_SIZE_MAX],
        "void": None,
        "link": "a/file",
        "out": "../../etc",
    }
    for item in point.items:
        status = (tmp_path / "to" / os.fsdecode(item.path)).lstat()
        assert status.st_mtime_ns == item.modified, item.path
    modes = {"a": 0o555, "a/file": 0o640, "a/twin": 0o644, "void": 0o700}
    for name, mode in modes.items():
        assert stat.S_IMODE((tmp_path / "to" / name).stat().st_mode) == mode


def test_an_empty_point_makes_an_empty_folder(point: Point, tmp_path: Path) -> None:
    outcome = restore(point, point.write(), tmp_path / "to")
    assert outcome.item_count == outcome.failed_count == 0
    assert tree(tmp_path / "to") == {}


def test_no_rights_are_lent_by_set_user_id(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    point.file(b"tool", b"x", 0o6755)
    point.folder(b"shared", 0o3777)
    restore(point, point.write(), tmp_path / "to")
    assert stat.S_IMODE((tmp_path / "to/tool").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "to/shared").stat().st_mode) == 0o1777


def test_a_path_that_leads_elsewhere_is_listed_and_the_rest_restored(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    hostile = [b"../evil", b"/evil", b"a/../../evil", b"a//b", b"a/./b", b"nul\0", b"x" * 256]
    point.file(b"good", b"good")
    for path in hostile:
        point.file(path, b"evil")
    point.items.append(folder_item(b"../folder"))
    point.items.append(link_item(b"../link", b"x"))
    outcome = restore(point, point.write(), tmp_path / "below/to")
    assert reasons(outcome).keys() == {*hostile, b"../folder", b"../link"}
    assert {item.category for item in outcome.failed} == {"input"}
    assert [item.path for item in outcome.failed] == sorted(item.path for item in outcome.failed)
    assert tree(tmp_path / "below") == {"to": None, "to/good": b"good"}


def test_no_item_goes_through_a_restored_link(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    (tmp_path / "outside").mkdir()
    point.link(b"way", os.fsencode(tmp_path / "outside"))
    point.file(b"way/file", b"evil")
    outcome = restore(point, point.write(), tmp_path / "to")
    assert tree(tmp_path / "outside") == {}
    assert tree(tmp_path / "to") == {"way": None, "way/file": b"evil"}
    assert reasons(outcome).keys() == {b"way"}
    # Nor through one that an earlier restore has left there.
    (tmp_path / "to/way/file").unlink()
    (tmp_path / "to/way").rmdir()
    (tmp_path / "to/way").symlink_to(tmp_path / "outside")
    outcome = restore(
        point, write_point(point.repository, point.items), tmp_path / "to", overwrite=True
    )
    assert reasons(outcome).keys() == {b"way/file"}
    assert tree(tmp_path / "outside") == {}


def test_whatever_is_in_the_way_is_told_at_once_and_nothing_written(
    point: Point, tmp_path: Path
) -> None:
    to = tmp_path / "to"
    (to / "folder-there").mkdir(parents=True)
    (to / "file").write_bytes(b"mine")
    (to / "link").symlink_to("mine")
    (to / "way").write_bytes(b"mine")
    (to / "instead").write_bytes(b"mine")
    before = tree(to)
    point.file(b"file", b"theirs")
    point.file(b"new", b"theirs")
    point.link(b"link", b"theirs")
    point.file(b"way/below", b"theirs")
    point.folder(b"instead")
    point.file(b"folder-there", b"theirs")
    with pytest.raises(ConflictError, match="5 items") as caught:
        restore(point, point.write(), to)
    assert sorted(problem.split(":")[0] for problem in caught.value.items) == [
        "file",
        "folder-there",
        "instead",
        "link",
        "way/below",
    ]
    assert tree(to) == before


def test_a_conflict_is_shown_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    (tmp_path / "to").mkdir()
    (tmp_path / "to/\x1b[31m").write_bytes(b"")
    point.file(b"\x1b[31m", b"x")
    with pytest.raises(ConflictError) as caught:
        restore(point, point.write(), tmp_path / "to")
    assert caught.value.items == ("\\x1b[31m: it is there already",)


def test_overwriting_replaces_files_and_links_and_nothing_else(
    point: Point, tmp_path: Path
) -> None:
    to = tmp_path / "to"
    (to / "folder").mkdir(parents=True)
    (to / "folder").chmod(0o700)
    (to / "folder/mine").write_bytes(b"mine")
    (to / "file").write_bytes(b"old")
    (to / "link").write_bytes(b"old")
    (to / "linked").symlink_to("folder/mine")
    (to / "in-the-way").mkdir()
    (to / "no-folder").write_bytes(b"old")
    point.folder(b"folder", 0o755)
    point.file(b"file", b"new")
    point.link(b"link", b"new")
    point.file(b"linked", b"new")
    point.file(b"in-the-way", b"new")
    point.folder(b"no-folder")
    point.file(b"no-folder/below", b"new")
    outcome = restore(point, point.write(), to, overwrite=True)
    assert outcome.failed == (
        FailedItem(path=b"in-the-way", category="conflict", reason="a folder is in its place"),
        FailedItem(
            path=b"no-folder", category="conflict", reason="a file or a link is in its place"
        ),
        FailedItem(
            path=b"no-folder/below",
            category="conflict",
            reason="a file or a link stands where a folder on the way has to be",
        ),
    )
    assert tree(to) == {
        "folder": None,
        "folder/mine": b"mine",
        "file": b"new",
        "link": "new",
        "linked": b"new",
        "in-the-way": None,
        "no-folder": b"old",
    }
    assert stat.S_IMODE((to / "folder").stat().st_mode) == 0o755
    assert outcome.item_count == 4


def test_a_folder_that_is_there_keeps_mode_and_time_without_overwrite(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    (tmp_path / "to/a").mkdir(parents=True)
    (tmp_path / "to/a").chmod(0o750)
    point.folder(b"a", 0o555)
    point.file(b"a/x", b"x")
    assert restore(point, point.write(), tmp_path / "to").failed == ()
    assert stat.S_IMODE((tmp_path / "to/a").stat().st_mode) == 0o750


def test_restoring_twice_over_the_same_folder_gives_the_same(point: Point, tmp_path: Path) -> None:
    point.folder(b"a", 0o500)
    point.file(b"a/x", b"x", 0o400)
    point.link(b"l", b"a")
    record = point.write()
    restore(point, record, tmp_path / "to")
    before = tree(tmp_path / "to")
    outcome = restore(point, record, tmp_path / "to", overwrite=True)
    assert (outcome.item_count, outcome.failed) == (3, ())
    assert tree(tmp_path / "to") == before
    assert stat.S_IMODE((tmp_path / "to/a").stat().st_mode) == 0o500


def test_two_items_of_one_path_are_never_one_over_the_other(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    point.file(b"x", b"first")
    point.file(b"x", b"second")
    point.file(b"y", b"file")
    point.file(b"y/below", b"file")
    record = point.write()
    outcome = restore(point, record, tmp_path / "to")
    assert [item.category for item in outcome.failed] == ["conflict", "conflict"]
    assert (tmp_path / "to/x").read_bytes() in {b"first", b"second"}
    before = tree(tmp_path / "to")
    outcome = restore(point, record, tmp_path / "to", overwrite=True)
    assert outcome.failed_count == 2
    assert tree(tmp_path / "to").keys() == before.keys()


def test_items_that_differ_by_case_only_are_different_items(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    for name in (b"name", b"Name", b"NAME", "\u00e9".encode(), "e\u0301".encode()):
        point.file(name, name)
    assert restore(point, point.write(), tmp_path / "to").failed == ()
    assert len(tree(tmp_path / "to")) == 5


def test_include_takes_items_folders_whole_and_the_way_to_them(
    point: Point, tmp_path: Path
) -> None:
    point.folder(b"a", 0o711)
    point.folder(b"a/b", 0o750)
    point.file(b"a/b/x.txt", b"x")
    point.file(b"a/b/y.dat", b"y")
    point.folder(b"c")
    point.file(b"c/z.txt", b"z")
    point.folder(b"d")
    point.file(b"d/w", b"w")
    record = point.write()
    outcome = restore(point, record, tmp_path / "to", include=["**/x.txt", "c/"])
    assert outcome.item_count == 3
    assert tree(tmp_path / "to") == {
        "a": None,
        "a/b": None,
        "a/b/x.txt": b"x",
        "c": None,
        "c/z.txt": b"z",
    }
    assert stat.S_IMODE((tmp_path / "to/a").stat().st_mode) == 0o711
    assert (tmp_path / "to/a").stat().st_mtime_ns == point.items[0].modified
    # Another part of the same folder is no conflict with the first.
    restore(point, record, tmp_path / "to", include=["a/b/y.dat"])
    assert (tmp_path / "to/a/b/y.dat").read_bytes() == b"y"
    listed = [item.path for item in list_items(point.repository, record, ["a/*", "d"])]
    assert listed == [b"a/b", b"a/b/x.txt", b"a/b/y.dat", b"d", b"d/w"]


def test_folders_on_the_way_that_are_there_are_left_as_they_are(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    point.folder(b"a", 0o711)
    point.file(b"a/x", b"x")
    (tmp_path / "to/a").mkdir(parents=True)
    (tmp_path / "to/a").chmod(0o755)
    outcome = restore(point, point.write(), tmp_path / "to", include=["a/x"], overwrite=True)
    assert outcome.item_count == 1
    assert stat.S_IMODE((tmp_path / "to/a").stat().st_mode) == 0o755


def test_a_pattern_that_fits_nothing_is_told_before_anything_is_written(
    point: Point, tmp_path: Path
) -> None:
    point.file(b"a", b"a")
    record = point.write()
    with pytest.raises(NotFoundError, match="'nothing\\*'"):
        restore(point, record, tmp_path / "to", include=["a", "nothing*"])
    assert not (tmp_path / "to").exists()
    with pytest.raises(NotFoundError, match="'nothing'"):
        list(list_items(point.repository, record, ["nothing"]))


def test_items_are_listed_in_the_order_of_their_paths(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    paths = [b"\xff", b"a/b", b"a", b"a-b", b"B", b"a\nb"]
    for path in paths:
        point.folder(path)
    items = list(list_items(point.repository, point.write(), ()))
    assert [item.path for item in items] == sorted(paths)
    assert {item.kind for item in items} == {ItemKind.FOLDER}


def test_an_item_damaged_in_the_source_is_listed(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    point.file(b"good", b"good")
    point.items.append(
        Item(path=b"bad", kind=ItemKind.FILE, size=5, metadata='{"mode":420}', is_damaged=True)
    )
    outcome = restore(point, point.write(), tmp_path / "to")
    assert outcome.failed == (
        FailedItem(
            path=b"bad",
            category="integrity",
            reason="it was damaged in the source when it was copied",
        ),
    )
    assert tree(tmp_path / "to") == {"good": b"good"}


def test_rows_that_contradict_themselves_are_listed(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    blob, _ = point.repository.put_blob(b"12345")
    point.items += [
        file_item(b"too-few", 5, []),
        file_item(b"too-many", 5, [blob, blob]),
        file_item(b"negative", -1, []),
        file_item(b"longer", 6, [blob]),
        file_item(b"short-id", 5, [b"x"]),
        Item(path=b"no-json", kind=ItemKind.FILE, metadata="?"),
        Item(path=b"no-target", kind=ItemKind.LINK, metadata="{}"),
        Item(path=b"folder-with-blobs", kind=ItemKind.FOLDER, blobs=(blob,)),
        file_item(b"right", 5, [blob]),
    ]
    outcome = restore(point, point.write(), tmp_path / "to")
    assert tree(tmp_path / "to") == {"right": b"12345"}
    assert outcome.failed_count == 8
    assert {item.category for item in outcome.failed} == {"integrity"}
    assert reasons(outcome)[b"longer"].endswith("has another length")


def test_a_stopped_restore_leaves_only_whole_files_and_is_finished_by_another(
    point: Point, tmp_path: Path
) -> None:
    for number in range(300):
        point.file(b"d%d/%d" % (number % 7, number), b"%d" % number * 100)
    point.file(b"large", b"x" * (BLOB_SIZE_MAX + 1))
    record = point.write()
    expected = {os.fsdecode(item.path): item.size for item in point.items}
    stopped_count = 0
    for asked_max in (0, 1, 3, 9, 27, 81, 1_000):
        try:
            restore(point, record, tmp_path / "to", overwrite=True, stop=told_after(asked_max))
        except NotReadyError:
            stopped_count += 1
        found = {name: len(data) for name, data in tree(tmp_path / "to").items() if data}
        assert found.items() <= expected.items()
    assert stopped_count >= 3
    assert found == expected


def test_leftovers_of_a_killed_restore_are_no_conflict(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    point.file(b"x", b"x")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / f"{TEMPORARY.decode()}0011-0").write_bytes(b"half")
    assert restore(point, point.write(), tmp_path / "to").failed == ()


def test_the_repository_itself_is_no_place_to_restore_into(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    point.file(b"x", b"x")
    record = point.write()
    (tmp_path / "alias").symlink_to("repository")
    for folder in ("repository", "repository/below", "alias/below", "repository/../alias"):
        with pytest.raises(InputError, match="within the repository"):
            restore(point, record, tmp_path / folder, overwrite=True)


def test_a_destination_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(InputError, match="is not a folder"):
        restore(point, point.write(), tmp_path / "file", overwrite=True)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_missing_layer_is_told_and_nothing_written(tmp_path: Path) -> None:
    point = new_point(tmp_path)
    point.file(b"x", b"x")
    record = point.write()
    store = point.repository.store
    store.delete([head.name for head in store.list(names.LAYERS)])
    with pytest.raises(IntegrityError, match="missing"):
        restore(point, record, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_restoring_leaves_no_thread_and_no_open_file(point: Point, tmp_path: Path) -> None:
    for number in range(50):
        point.file(b"%d/x" % number, b"%d" % number)
    record = point.write()
    restore(point, record, tmp_path / "first")
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    restore(point, record, tmp_path / "second")
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) <= files


def test_nothing_is_written_to_the_repository(point: Point, tmp_path: Path) -> None:
    point.file(b"x", b"x")
    record = point.write()
    before = [(head.name, head.etag) for head in point.repository.store.list()]
    restore(point, record, tmp_path / "to")
    assert [(head.name, head.etag) for head in point.repository.store.list()] == before
