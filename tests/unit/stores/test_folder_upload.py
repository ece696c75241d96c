"""An upload is a temporary file until it is complete, and nothing after any failure."""

import os
import time
from pathlib import Path

import pytest

from core.errors import ConflictError, StoreError
from core.stores.folder_tree import Folder, FolderTree
from core.stores.folder_upload import (
    TEMPORARY,
    TEMPORARY_SECONDS_MAX,
    WRITE_BACK_SIZE,
    FolderUpload,
    head_of,
    sweep,
)


@pytest.fixture
def tree(tmp_path: Path) -> FolderTree:
    return FolderTree(tmp_path, create=False)


@pytest.fixture
def temporary(tree: FolderTree) -> Folder:
    return tree.made(TEMPORARY)


def begun(tree: FolderTree, name: str, *pieces: bytes) -> FolderUpload:
    upload = FolderUpload(tree, name, tree.made(TEMPORARY))
    for piece in pieces:
        upload.write(piece)
    return upload


def test_pieces_around_the_write_back_size_arrive_whole(tree: FolderTree, tmp_path: Path) -> None:
    pieces = [bytes([number]) * (WRITE_BACK_SIZE + number - 2) for number in range(5)]
    head = begun(tree, "a", *pieces).complete()
    assert (tmp_path / "a").read_bytes() == b"".join(pieces)
    assert head == head_of("a", (tmp_path / "a").stat())


def test_bytes_are_in_the_temporary_file_only_until_complete(
    tree: FolderTree, tmp_path: Path
) -> None:
    upload = begun(tree, "a/b", b"123")
    assert [path.read_bytes() for path in (tmp_path / TEMPORARY).iterdir()] == [b"123"]
    assert os.listdir(tmp_path) == [TEMPORARY]
    upload.complete()
    assert os.listdir(tmp_path / TEMPORARY) == []
    assert (tmp_path / "a/b").stat().st_nlink == 1


def test_failed_complete_ends_the_upload(tree: FolderTree, tmp_path: Path) -> None:
    begun(tree, "a", b"1").complete()
    upload = begun(tree, "a", b"2")
    with pytest.raises(ConflictError):
        upload.complete()
    assert os.listdir(tmp_path / TEMPORARY) == []
    with pytest.raises(AssertionError):
        upload.complete()
    with pytest.raises(AssertionError):
        upload.write(b"")
    upload.abort()


def test_folder_removed_before_complete_is_made_again(tree: FolderTree, tmp_path: Path) -> None:
    begun(tree, "a/b/1", b"").complete()
    upload = begun(tree, "a/b/2", b"x")
    (tmp_path / "a/b/1").unlink()
    (tmp_path / "a/b").rmdir()
    (tmp_path / "a").rmdir()
    upload.complete()
    assert (tmp_path / "a/b/2").read_bytes() == b"x"


def test_temporary_file_that_was_swept_is_a_store_error(tree: FolderTree, tmp_path: Path) -> None:
    upload = begun(tree, "a", b"x")
    for path in (tmp_path / TEMPORARY).iterdir():
        path.unlink()
    with pytest.raises(StoreError, match="vanishes"):
        upload.complete()
    upload.abort()


def test_sweep_takes_old_files_only(temporary: Folder, tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("old", TEMPORARY_SECONDS_MAX + 60), ("young", TEMPORARY_SECONDS_MAX - 60)):
        (tmp_path / TEMPORARY / name).write_bytes(b"")
        os.utime(tmp_path / TEMPORARY / name, (now - age, now - age))
    sweep(temporary)
    assert os.listdir(tmp_path / TEMPORARY) == ["young"]
