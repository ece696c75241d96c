"""A tree as items: everything that is there, nothing from outside, whatever happens meanwhile."""

import json
import os
import shutil
from pathlib import Path

import pytest

from core.catalog.layers import NO_FLOOR
from core.engine.scan import Tree, scan_tree
from core.engine.skipped import REPLACED, VANISHED, SkipList, UnreadableError
from core.errors import InputError, NotReadyError
from core.limits import PATH_SIZE_MAX
from core.model import Item, ItemKind
from tests.support.trees import Entry, make_hostile_tree, make_special_files, make_tree, read_tree
from tests.support.users import ordinary_folder, ordinary_user


def scan(root: Path) -> tuple[dict[bytes, Item], dict[bytes, str]]:
    skips = SkipList()
    items = list(scan_tree(Tree(root), skips))
    found = {item.path: item for item in items}
    assert len(found) == len(items), "a path comes once"
    return found, {item.path: item.reason for item in skips.items}


def entry_of(item: Item) -> Entry:
    metadata = json.loads(item.metadata)
    target = bytes.fromhex(metadata.get("target", ""))
    return Entry(item.kind.value, metadata["mode"], item.modified, target)


def test_everything_is_found_with_modes_times_and_targets(tmp_path: Path) -> None:
    make_hostile_tree(tmp_path / "tree", has_large=False)
    items, skipped = scan(tmp_path / "tree")
    expected = read_tree(tmp_path / "tree")
    assert {path: entry_of(item) for path, item in items.items()} == {
        path: Entry(entry.kind, entry.mode, entry.modified, entry.target)
        for path, entry in expected.items()
    }
    sizes = {path: item.size for path, item in items.items()}
    assert sizes == {path: len(entry.content) for path, entry in expected.items()}
    assert skipped == {}


def test_a_file_carries_the_time_that_no_program_can_set(tmp_path: Path) -> None:
    make_tree(tmp_path, {"file": b"content"})
    items, _ = scan(tmp_path)
    assert json.loads(items[b"file"].metadata)["changed"] == os.stat(tmp_path / "file").st_ctime_ns


def test_only_what_a_new_link_or_a_new_file_changes_is_in_a_folders_item(tmp_path: Path) -> None:
    """A folder's or a link's ctime would make a row of it at every rename beside it."""
    make_tree(tmp_path, {"folder/file": b""})
    (tmp_path / "link").symlink_to("x")
    items, _ = scan(tmp_path)
    assert "changed" not in items[b"folder"].metadata + items[b"link"].metadata


def test_the_root_is_no_item_and_an_empty_tree_has_none(tmp_path: Path) -> None:
    assert scan(tmp_path) == ({}, {})


def test_special_files_are_skipped_and_named(tmp_path: Path) -> None:
    made = make_special_files(tmp_path / "tree/special")
    items, skipped = scan(tmp_path / "tree")
    assert set(items) == {b"special"}
    kinds = {path: path.rsplit(b"/", 1)[1].decode() for path in skipped}
    assert skipped == {path: f"is a {kind}" for path, kind in kinds.items()}
    assert set(skipped) == {b"special/" + name for name in made}


def test_links_are_not_followed(tmp_path: Path) -> None:
    make_tree(tmp_path, {"outside/secret": b"", "tree/inside/file": b""})
    (tmp_path / "tree/out").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/loop").symlink_to(".")
    items, _ = scan(tmp_path / "tree")
    assert set(items) == {b"inside", b"inside/file", b"out", b"loop"}
    assert items[b"out"].kind is ItemKind.LINK


def test_a_root_that_is_a_link_is_the_folder_it_leads_to(tmp_path: Path) -> None:
    make_tree(tmp_path, {"tree/file": b""})
    (tmp_path / "link").symlink_to("tree")
    items, _ = scan(tmp_path / "link")
    assert set(items) == {b"file"}
    assert Tree(tmp_path / "link").location == os.fsencode(tmp_path.resolve() / "tree")


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_root_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    make_tree(tmp_path, {"file": b""})
    with pytest.raises(InputError, match=f"cannot back up .*{name}"):
        Tree(tmp_path / name)


def test_a_root_that_may_not_be_read_is_refused() -> None:
    with ordinary_folder() as folder:
        (folder / "closed").mkdir(mode=0o000)
        with ordinary_user(), pytest.raises(InputError, match="Permission denied"):
            Tree(folder / "closed")


def test_a_folder_that_may_not_be_listed_is_there_and_listed_as_skipped() -> None:
    with ordinary_folder() as folder:
        make_tree(folder, {"closed/file": b"", "open/file": b""})
        (folder / "closed").chmod(0o000)
        with ordinary_user():
            items, skipped = scan(folder)
        assert set(items) == {b"closed", b"open", b"open/file"}
        assert skipped == {b"closed": "cannot be read: Permission denied"}


def test_a_folder_whose_entries_may_not_be_looked_at_lists_each() -> None:
    with ordinary_folder() as folder:
        make_tree(folder, {"names-only/one": b"", "names-only/two": b""})
        (folder / "names-only").chmod(0o444)
        with ordinary_user():
            items, skipped = scan(folder)
        assert set(items) == {b"names-only"}
        assert set(skipped) == {b"names-only/one", b"names-only/two"}


def test_files_that_vanish_after_the_folder_was_read_are_skipped(tmp_path: Path) -> None:
    names = {f"file-{number}" for number in range(20)}
    make_tree(tmp_path, dict.fromkeys(names, b""))
    skips = SkipList()
    items = scan_tree(Tree(tmp_path), skips)
    first = next(items).path
    for name in names - {first.decode()}:
        (tmp_path / name).unlink()
    assert list(items) == []
    assert {item.path for item in skips.items} == {os.fsencode(name) for name in names} - {first}
    assert {item.reason for item in skips.items} == {VANISHED}


def test_a_folder_that_vanishes_before_it_is_read_is_skipped(tmp_path: Path) -> None:
    make_tree(tmp_path, {"folder/file": b""})
    skips = SkipList()
    items = scan_tree(Tree(tmp_path), skips)
    assert next(items).path == b"folder"
    shutil.rmtree(tmp_path / "folder")
    assert list(items) == []
    assert [(item.path, item.reason) for item in skips.items] == [(b"folder", VANISHED)]


def test_a_folder_that_becomes_a_link_leads_nowhere(tmp_path: Path) -> None:
    make_tree(tmp_path, {"outside/secret": b"", "tree/folder/file": b""})
    skips = SkipList()
    items = scan_tree(Tree(tmp_path / "tree"), skips)
    assert next(items).path == b"folder"
    (tmp_path / "tree/folder").rename(tmp_path / "elsewhere")
    (tmp_path / "tree/folder").symlink_to(tmp_path / "outside")
    assert list(items) == []
    assert [(item.path, item.reason) for item in skips.items] == [(b"folder", REPLACED)]


def test_a_link_on_the_way_to_a_folder_leads_nowhere(tmp_path: Path) -> None:
    make_tree(tmp_path, {"tree/a/b/file": b"", "outside/b/secret": b""})
    tree = Tree(tmp_path / "tree")
    (tmp_path / "tree/a").rename(tmp_path / "moved")
    (tmp_path / "tree/a").symlink_to(tmp_path / "outside")
    with pytest.raises(UnreadableError, match=REPLACED):
        tree.open_folder(b"a/b")


def test_a_tree_deeper_than_a_path_may_be_is_cut_and_listed(tmp_path: Path) -> None:
    name = b"d" * 255
    depth = PATH_SIZE_MAX // 256 + 4
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    try:
        items, skipped = scan(tmp_path)
    finally:
        shutil.rmtree(tmp_path / name.decode())
    assert len(items) == PATH_SIZE_MAX // 256
    assert list(skipped.values()) == [f"has a path of more than {PATH_SIZE_MAX} bytes"]


def test_many_nested_folders_need_no_recursion_and_few_descriptors(tmp_path: Path) -> None:
    depth = 3_000
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    try:
        items, skipped = scan(tmp_path)
    finally:
        _remove_chain(tmp_path)
    assert (len(items), skipped) == (depth, {})


def _remove_chain(top: Path) -> None:
    """Remove nested folders ``d`` without recursion: move each one up and remove it there."""
    while (top / "d").exists():
        if (top / "d/d").exists():
            (top / "d/d").rename(top / "next")
        (top / "d").rmdir()
        if (top / "next").exists():
            (top / "next").rename(top / "d")


def test_an_excluded_folder_is_passed_over(tmp_path: Path) -> None:
    make_tree(tmp_path, {"ours/file": b"", "theirs/file": b""})
    status = os.stat(tmp_path / "ours")
    skips = SkipList()
    items = scan_tree(Tree(tmp_path), skips, frozenset({(status.st_dev, status.st_ino)}))
    assert {item.path for item in items} == {b"theirs", b"theirs/file"}
    assert skips.count == 0


@pytest.mark.parametrize(("written", "stored"), [(1 << 63, (1 << 63) - 1), (-(1 << 63), NO_FLOOR)])
def test_a_time_beyond_64_bits_is_kept_as_the_nearest(
    tmp_path: Path, written: int, stored: int
) -> None:
    make_tree(tmp_path, {"file": b""})
    os.utime(tmp_path / "file", ns=(written, written))
    on_disk = os.stat(tmp_path / "file").st_mtime_ns
    items, _ = scan(tmp_path)
    # File systems have bounds of their own, some narrower.
    assert items[b"file"].modified == (stored if on_disk == written else on_disk)


def test_a_root_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    make_tree(tmp_path, {"tree/file": b""})
    tree = Tree(tmp_path / "tree")
    tree.check_in_place()
    (tmp_path / "tree").rename(tmp_path / "moved")
    with pytest.raises(NotReadyError, match="moved, replaced or unmounted"):
        tree.check_in_place()
    (tmp_path / "tree").mkdir()
    with pytest.raises(NotReadyError, match="nothing was published"):
        tree.check_in_place()
