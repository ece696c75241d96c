"""Folders are opened and made below the root, and known to be the ones at their paths."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import StoreError
from core.stores.folder_tree import OPEN_FOLDERS_MAX, Folder, FolderTree, refuse_link
from tests.support.meanwhile import after_missing


@pytest.fixture
def tree(tmp_path: Path) -> FolderTree:
    return FolderTree(tmp_path, create=False)


def test_folder_is_made_with_those_above_it(tree: FolderTree, tmp_path: Path) -> None:
    folder = tree.made("a/b/c")
    assert (tmp_path / "a/b/c").is_dir()
    assert folder.is_at(str(tmp_path / "a/b/c"))
    assert tree.find("a/b/c") is folder is tree.made("a/b/c")


def test_missing_folder_is_none_and_not_made(tree: FolderTree, tmp_path: Path) -> None:
    assert tree.find("a/b") is None
    assert os.listdir(tmp_path) == []


def test_removed_folder_is_gone_and_made_anew(tree: FolderTree, tmp_path: Path) -> None:
    before = tree.made("a/b")
    (tmp_path / "a/b").rmdir()
    assert tree.find("a/b") is None
    after = tree.made("a/b")
    assert after is not before
    assert after.is_at(str(tmp_path / "a/b"))
    assert not before.is_at(str(tmp_path / "a/b"))


def test_moved_folder_is_not_taken_for_the_one_at_its_old_path(
    tree: FolderTree, tmp_path: Path
) -> None:
    tree.made("a")
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").mkdir()
    found = tree.find("a")
    assert found is not None
    assert found.is_at(str(tmp_path / "a"))


def test_remove_empty_stops_at_the_first_that_is_not(tree: FolderTree, tmp_path: Path) -> None:
    tree.made("a/b/c")
    tree.made("a/d")
    tree.remove_empty("a/b/c")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["a", "a/d"]
    tree.remove_empty("a")
    tree.remove_empty("missing/x")
    assert (tmp_path / "a/d").is_dir()
    tree.remove_empty("a/d")
    assert os.listdir(tmp_path) == []
    assert tmp_path.is_dir()


def test_file_in_the_way_is_an_error(tree: FolderTree, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert tree.find("a") is None
    with pytest.raises(StoreError, match=r"make the folder .*/a: Not a directory"):
        tree.made("a/b")


def test_folders_come_and_go_under_many_threads(tmp_path: Path) -> None:
    trees = [FolderTree(tmp_path, create=False) for _ in range(2)]

    def work(number: int) -> None:
        tree = trees[number % 2]
        for _ in range(200):
            assert tree.made("a/b/c").is_durable
            tree.remove_empty("a/b/c")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_all_trees_of_a_process_together_keep_few_folders_open(tmp_path: Path) -> None:
    trees = [FolderTree(tmp_path / f"{number}", create=True) for number in range(3)]
    before = len(os.listdir("/proc/self/fd"))
    for tree in trees:
        for number in range(256):
            tree.made(f"blobs/{number:02x}")
        assert len(os.listdir("/proc/self/fd")) - before <= OPEN_FOLDERS_MAX
    assert all(tree.find("blobs/07") for tree in trees)


class Dying(dict[str, Folder]):
    """Folders among which is what uses others as it ends."""

    def __init__(self, end: Callable[[], object]) -> None:
        super().__init__()
        self._end = end

    def __len__(self) -> int:
        return OPEN_FOLDERS_MAX

    def clear(self) -> None:
        super().clear()
        self._end()


def test_what_ends_as_folders_are_closed_may_open_others(tmp_path: Path) -> None:
    ending, other = (FolderTree(tmp_path / name, create=True) for name in "ab")
    ends: list[object] = []

    def end() -> None:
        if not ends:
            ends.append(None)
            ends.append(other.made("x"))

    ending._open = Dying(end)
    making = threading.Thread(target=ending.made, args=("x",), daemon=True)
    making.start()
    making.join(30)
    assert not making.is_alive()
    assert len(ends) == 2


def test_a_root_made_by_another_thread_meanwhile_was_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    tree = FolderTree(root, create=True)
    monkeypatch.setattr(os, "open", after_missing(root, lambda: tree.made("")))
    assert tree.find("") is None
    assert tree.find("") is not None


def test_what_is_left_where_a_disk_was_is_not_the_root(tmp_path: Path) -> None:
    mounted, root = tmp_path / "mounted", tmp_path / "root"
    mounted.mkdir()
    root.symlink_to(mounted)
    tree = FolderTree(root, create=True)
    tree.made("a")
    root.unlink()
    root.symlink_to("/proc")
    for act in (tree.find, tree.made):
        with pytest.raises(StoreError, match="in another file system than before"):
            act("a")
    root.unlink()
    root.symlink_to(mounted)
    assert tree.find("a") is not None


def test_refuse_link_refuses_links_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to("nowhere")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        refuse_link("file", descriptor, "file")
        refuse_link("missing", descriptor, "missing")
        with pytest.raises(StoreError, match="root/link is a symbolic link"):
            refuse_link("link", descriptor, "root/link")
    finally:
        os.close(descriptor)
