"""Folders of a destination are reached without leaving it, whatever stands or moves there."""

import errno
import os
from pathlib import Path

import pytest

from core.engine import destination
from core.engine.destination import DestinationError, Folder, Folders, translated
from core.errors import ConflictError, InputError, StoreError


def names_in(folder: Folder) -> list[str]:
    return sorted(os.listdir(folder.descriptor))


def test_the_top_is_made_with_its_parents(tmp_path: Path) -> None:
    Folders(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()


def test_the_top_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    Folders(tmp_path / "link").make(b"x")
    assert (tmp_path / "real/x").is_dir()


@pytest.mark.parametrize("name", ["file", "file/below", "dangling"])
def test_a_top_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises((InputError, StoreError)):
        Folders(tmp_path / name)
    assert (tmp_path / "file").read_bytes() == b""


def test_a_missing_folder_is_not_found_and_not_made(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    assert folders.find(b"a/b") is None
    with pytest.raises(StoreError, match="vanished"):
        folders.existing(b"a")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_with_all_that_is_missing_on_the_way(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    made = folders.make(b"a/\xff/c")
    (tmp_path / "a" / os.fsdecode(b"\xff") / "c" / "x").write_bytes(b"")
    assert names_in(made) == ["x"]
    assert folders.find(b"a/\xff/c") is made


def test_the_empty_path_is_the_top(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    assert folders.make(b"") is folders.top
    assert folders.find(b"") is folders.top


@pytest.mark.parametrize("kind", ["file", "link", "dangling", "inward"])
def test_nothing_but_a_folder_is_a_way(tmp_path: Path, kind: str) -> None:
    """A link is no way, whether it leads out of the top or stays within it."""
    top, outside = tmp_path / "top", tmp_path / "outside"
    top.mkdir()
    outside.mkdir()
    (top / "inside").mkdir()
    if kind == "file":
        (top / "x").write_bytes(b"content")
    else:
        (top / "x").symlink_to({"link": "../outside", "dangling": "no", "inward": "inside"}[kind])
    folders = Folders(top)
    for path in (b"x", b"x/y"):
        with pytest.raises(ConflictError, match="stands where a folder"):
            folders.find(path)
        with pytest.raises(ConflictError, match="stands where a folder"):
            folders.make(path)
    assert list(outside.iterdir()) == list((top / "inside").iterdir()) == []


def test_a_folder_that_is_swapped_for_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    outside.mkdir()
    folders = Folders(top)
    folders.make(b"a/b")
    (top / "a/b").rmdir()
    (top / "a").rename(top / "gone")
    (top / "a").symlink_to(outside)
    # What is open stays where it was moved to; what is opened anew is refused.
    folders.make(b"a/c")
    assert (top / "gone/c").is_dir()
    folders.close()
    with pytest.raises(ConflictError):
        folders.make(b"a/d")
    assert list(outside.iterdir()) == []


def test_the_number_of_open_folders_is_bounded(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(3 * destination.OPEN_FOLDERS_MAX):
        folders.make(b"%d" % number)
    assert len(os.listdir("/proc/self/fd")) - before <= destination.OPEN_FOLDERS_MAX
    folders.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_folder_in_use_outlives_the_bound(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    first = folders.make(b"first")
    for number in range(2 * destination.OPEN_FOLDERS_MAX):
        folders.make(b"%d" % number)
    assert names_in(first) == []
    assert folders.find(b"first") is not None


def test_a_tree_deeper_than_any_path_may_be_long_is_reached(tmp_path: Path) -> None:
    path = b"/".join([b"x" * 200] * 40)
    folders = Folders(tmp_path)
    folders.make(path)
    folders.close()
    assert folders.find(path) is not None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE])
def test_what_fails_every_item_is_told_apart(number: int) -> None:
    with pytest.raises(DestinationError, match="cannot write") as caught, translated("write"):
        raise OSError(number, os.strerror(number))
    assert "restore again" in caught.value.hint


def test_what_fails_one_item_is_a_store_error() -> None:
    reason = "cannot write: Permission denied"
    with pytest.raises(StoreError, match=reason) as caught, translated("write"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    assert not isinstance(caught.value, DestinationError)
