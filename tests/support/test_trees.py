"""The comparison of trees finds every kind of difference, and only differences."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.trees import (
    compare_trees,
    copy_tree,
    make_hostile_tree,
    make_special_files,
    make_tree,
    read_tree,
)


def test_a_copied_hostile_tree_is_equal(tmp_path: Path) -> None:
    make_hostile_tree(tmp_path / "a", has_large=False)
    copy_tree(tmp_path / "a", tmp_path / "b")
    assert compare_trees(tmp_path / "a", tmp_path / "b") == []


def test_two_builders_make_the_same_content(tmp_path: Path) -> None:
    make_hostile_tree(tmp_path / "a", has_large=False)
    make_hostile_tree(tmp_path / "b", has_large=False)
    assert compare_trees(tmp_path / "a", tmp_path / "b") == []


def test_special_files_are_told_apart(tmp_path: Path) -> None:
    made = make_special_files(tmp_path)
    assert {b"fifo", b"socket"} <= made
    assert {entry.kind for entry in read_tree(tmp_path).values()} == {"special file"}


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


CHANGES: dict[str, Callable[[Path], object]] = {
    "is only in": lambda path: path.unlink(),
    "mode": lambda path: path.chmod(0o711),
    "modified": lambda path: os.utime(path, ns=(5, 5)),
    "differs from byte 2": lambda path: path.write_bytes(b"abX"),
    "4 bytes here, 3 there": lambda path: path.write_bytes(b"abcd"),
    "a link here, a file there": replace_by_link,
}


@pytest.mark.parametrize("expected", CHANGES)
def test_every_kind_of_difference_is_found(tmp_path: Path, expected: str) -> None:
    for name in ("a", "b"):
        make_tree(tmp_path / name, {"folder/file": b"abc"})
    copy_tree(tmp_path / "a", tmp_path / "c")
    CHANGES[expected](tmp_path / "a/folder/file")
    differences = compare_trees(tmp_path / "a", tmp_path / "c")
    assert any(expected in text and "folder/file" in text for text in differences)


def test_a_link_that_leads_elsewhere_is_found(tmp_path: Path) -> None:
    for name, target in (("a", "x"), ("b", "y")):
        make_tree(tmp_path / name, {})
        (tmp_path / name).mkdir()
        (tmp_path / name / "link").symlink_to(target)
        os.utime(tmp_path / name / "link", ns=(1, 1), follow_symlinks=False)
    (difference,) = compare_trees(tmp_path / "a", tmp_path / "b")
    assert "leads to b'x' here" in difference
