"""What lands is whole, stays below its folder, and replaces only what was there before."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine.landing import TEMPORARY, Found, Landing
from core.errors import ConflictError, StoreError
from core.plan.restore import Inode, Target

MODIFIED = 1_600_000_000_987_654_321


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return tmp_path / "top"


@pytest.fixture
def landing(top: Path) -> Iterator[Landing]:
    landing = Landing(top)
    yield landing
    landing.close()


def target(path: bytes, replaces: Inode | None = None, mode: int | None = 0o640) -> Target:
    return Target(row=0, path=path, modified=MODIFIED, mode=mode, replaces=replaces)


def inode(path: Path) -> Inode:
    status = path.lstat()
    return Inode(device=status.st_dev, number=status.st_ino)


def temporaries(top: Path) -> list[Path]:
    return [path for path in top.rglob("*") if path.name.startswith(TEMPORARY.decode())]


def test_a_file_lands_with_content_mode_and_time(landing: Landing, top: Path) -> None:
    landing.write_file(target(b"a/b/file"), b"content")
    status = (top / "a/b/file").stat()
    assert (top / "a/b/file").read_bytes() == b"content"
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert status.st_mtime_ns == MODIFIED
    assert temporaries(top) == []


def test_an_empty_file_lands(landing: Landing, top: Path) -> None:
    landing.write_file(target(b"file"), b"")
    assert (top / "file").read_bytes() == b""


def test_a_file_without_a_mode_gets_the_users(landing: Landing, top: Path) -> None:
    landing.write_file(target(b"file", mode=None), b"")
    (top / "other").write_bytes(b"")
    assert (top / "file").stat().st_mode == (top / "other").stat().st_mode


def test_any_name_lands(landing: Landing, top: Path) -> None:
    for name in (b"\xff\xfe", b"new\nline", b"-rf", b"x" * 255, "日本語".encode()):
        landing.write_file(target(name), name)
        assert (top / os.fsdecode(name)).read_bytes() == name


def test_pieces_land_in_any_order_and_only_when_finished(landing: Landing, top: Path) -> None:
    growing = landing.begin_file(target(b"a/file"))
    landing.write_piece(growing, memoryview(b"world"), 6)
    landing.write_piece(growing, b"hello ", 0)
    assert not (top / "a/file").exists()
    assert len(temporaries(top)) == 1
    assert stat.S_IMODE(temporaries(top)[0].stat().st_mode) == 0o600
    landing.finish_file(growing)
    assert (top / "a/file").read_bytes() == b"hello world"
    assert (top / "a/file").stat().st_mtime_ns == MODIFIED
    assert temporaries(top) == []


def test_what_is_unfinished_leaves_nothing(landing: Landing, top: Path) -> None:
    first, second = landing.begin_file(target(b"a/one")), landing.begin_file(target(b"two"))
    landing.abandon_file(first)
    landing.abandon_file(first)
    assert len(temporaries(top)) == 1
    landing.write_piece(second, b"x", 0)
    landing.close()
    assert temporaries(top) == []
    assert not (top / "two").exists()


def test_an_unfinished_file_whose_folder_has_gone_is_let_go(landing: Landing, top: Path) -> None:
    landing.begin_file(target(b"a/one"))
    temporaries(top)[0].unlink()
    (top / "a").rmdir()
    landing.close()


def test_very_many_files_grow_at_once(landing: Landing, top: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    growing = [landing.begin_file(target(b"%d/file" % number)) for number in range(1_500)]
    assert len(os.listdir("/proc/self/fd")) - before < 200
    for number, file in enumerate(growing):
        landing.write_piece(file, b"%d" % number, 0)
        landing.finish_file(file)
    assert all((top / f"{number}/file").read_text() == str(number) for number in range(1_500))


def test_a_file_never_replaces_what_was_not_found_before(landing: Landing, top: Path) -> None:
    (top / "file").write_bytes(b"mine")
    with pytest.raises(ConflictError, match="something of this name"):
        landing.write_file(target(b"file"), b"theirs")
    growing = landing.begin_file(target(b"file"))
    with pytest.raises(ConflictError, match="something of this name"):
        landing.finish_file(growing)
    assert (top / "file").read_bytes() == b"mine"
    assert temporaries(top) == []


def test_a_file_replaces_what_was_found_whole(landing: Landing, top: Path) -> None:
    (top / "file").write_bytes(b"old")
    found = landing.look(b"file")
    assert found == Found(inode=inode(top / "file"), is_folder=False)
    with (top / "file").open("rb") as reader:
        landing.write_file(target(b"file", replaces=inode(top / "file")), b"new")
        assert reader.read() == b"old"
    assert (top / "file").read_bytes() == b"new"
    assert temporaries(top) == []


def test_a_second_item_of_the_same_name_does_not_replace_the_first(
    landing: Landing, top: Path
) -> None:
    """On a file system that ignores case, both have found the same old file."""
    (top / "file").write_bytes(b"old")
    old = inode(top / "file")
    landing.write_file(target(b"file", replaces=old), b"first")
    with pytest.raises(ConflictError, match="something of this name"):
        landing.write_file(target(b"file", replaces=old), b"second")
    with pytest.raises(ConflictError, match="something of this name"):
        landing.make_link(b"file", b"second", MODIFIED, old)
    assert (top / "file").read_bytes() == b"first"
    assert temporaries(top) == []


def test_of_many_items_of_one_name_one_lands(landing: Landing, top: Path) -> None:
    (top / "file").write_bytes(b"old")
    old = inode(top / "file")
    landed: list[int] = []

    def land(number: int) -> None:
        try:
            landing.write_file(target(b"file", replaces=old), b"%d" % number)
        except ConflictError:
            return
        landed.append(number)

    threads = [threading.Thread(target=land, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [int((top / "file").read_bytes())] == landed


def test_hard_links_are_replaced_one_by_one(landing: Landing, top: Path) -> None:
    (top / "one").write_bytes(b"old")
    os.link(top / "one", top / "two")
    old = inode(top / "one")
    landing.write_file(target(b"one", replaces=old), b"1")
    landing.write_file(target(b"two", replaces=old), b"2")
    assert ((top / "one").read_bytes(), (top / "two").read_bytes()) == (b"1", b"2")


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(
    landing: Landing, top: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_bytes(b"untouched")
    (top / "file").symlink_to("../outside")
    landing.write_file(target(b"file", replaces=inode(top / "file")), b"new")
    assert not (top / "file").is_symlink()
    assert (tmp_path / "outside").read_bytes() == b"untouched"


def test_what_was_found_and_has_gone_meanwhile_is_no_conflict(landing: Landing, top: Path) -> None:
    (top / "file").write_bytes(b"old")
    old = inode(top / "file")
    (top / "file").unlink()
    landing.write_file(target(b"file", replaces=old), b"new")
    assert (top / "file").read_bytes() == b"new"


def test_a_file_does_not_replace_a_folder(landing: Landing, top: Path) -> None:
    (top / "x").mkdir()
    with pytest.raises(StoreError):
        landing.write_file(target(b"x", replaces=inode(top / "x")), b"new")
    with pytest.raises(ConflictError):
        landing.write_file(target(b"x"), b"new")
    assert list(top.iterdir()) == [top / "x"]


def test_nothing_lands_through_a_link(landing: Landing, top: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (top / "way").symlink_to("../outside")
    with pytest.raises(ConflictError, match="stands where a folder"):
        landing.write_file(target(b"way/file"), b"x")
    with pytest.raises(ConflictError, match="stands where a folder"):
        landing.make_folder(b"way/folder")
    with pytest.raises(ConflictError, match="stands where a folder"):
        landing.make_link(b"way/link", b"x", MODIFIED, None)
    with pytest.raises(ConflictError, match="stands where a folder"):
        landing.finish_folder(b"way", 0o777, MODIFIED)
    with pytest.raises(ConflictError, match="stands where a folder"):
        landing.look(b"way/file")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_lands_with_its_time_and_any_target(landing: Landing, top: Path) -> None:
    for name, link_target in (
        (b"out", b"../../etc/passwd"),
        (b"odd", b"\xff\n"),
        (b"self", b"self"),
    ):
        landing.make_link(name, link_target, MODIFIED, None)
        path = top / os.fsdecode(name)
        assert os.readlink(os.fsencode(path)) == link_target
        assert path.lstat().st_mtime_ns == MODIFIED


def test_a_link_does_not_replace_what_was_not_found_before(landing: Landing, top: Path) -> None:
    (top / "x").write_bytes(b"mine")
    with pytest.raises(ConflictError, match="something of this name"):
        landing.make_link(b"x", b"target", MODIFIED, None)
    assert (top / "x").read_bytes() == b"mine"


def test_a_link_replaces_what_was_found(landing: Landing, top: Path) -> None:
    (top / "x").write_bytes(b"old")
    landing.make_link(b"x", b"target", MODIFIED, inode(top / "x"))
    assert os.readlink(top / "x") == "target"
    assert temporaries(top) == []


def test_a_link_that_cannot_be_made_leaves_nothing(landing: Landing, top: Path) -> None:
    (top / "x").write_bytes(b"old")
    with pytest.raises(StoreError, match="cannot make the link"):
        landing.make_link(b"x", b"y" * 5_000, MODIFIED, inode(top / "x"))
    assert (top / "x").read_bytes() == b"old"
    assert temporaries(top) == []


def test_a_new_folder_is_private_until_it_is_finished(landing: Landing, top: Path) -> None:
    landing.make_folder(b"a")
    landing.make_folder(b"a/b")
    assert stat.S_IMODE((top / "a").stat().st_mode) == 0o700
    landing.write_file(target(b"a/b/file"), b"x")
    landing.finish_folder(b"a/b", 0o1555, MODIFIED)
    landing.finish_folder(b"a", None, MODIFIED)
    (top / "other").mkdir()
    assert stat.S_IMODE((top / "a/b").stat().st_mode) == 0o1555
    assert (top / "a").stat().st_mode == (top / "other").stat().st_mode
    assert (top / "a").stat().st_mtime_ns == (top / "a/b").stat().st_mtime_ns == MODIFIED


def test_a_folder_that_is_there_is_not_made_again(landing: Landing, top: Path) -> None:
    (top / "a").mkdir()
    with pytest.raises(ConflictError, match="something of this name"):
        landing.make_folder(b"a")
    assert landing.look(b"a") == Found(inode=inode(top / "a"), is_folder=True)


def test_a_folder_that_is_there_is_opened_up_for_its_owner(landing: Landing, top: Path) -> None:
    (top / "a").mkdir()
    (top / "a").chmod(0o555)
    landing.open_up_folder(b"a")
    assert stat.S_IMODE((top / "a").stat().st_mode) == 0o755
    (top / "b").mkdir(0o770)
    before = (top / "b").stat().st_mode
    landing.open_up_folder(b"b")
    assert (top / "b").stat().st_mode == before


def test_nothing_is_found_where_nothing_is(landing: Landing, top: Path) -> None:
    assert landing.is_empty()
    assert landing.look(b"a") is None
    assert landing.look(b"a/b/c") is None
    (top / ".hidden").write_bytes(b"")
    assert not landing.is_empty()


def test_a_link_is_found_as_a_link(landing: Landing, top: Path) -> None:
    (top / "folder").mkdir()
    (top / "link").symlink_to("folder")
    assert landing.look(b"link") == Found(inode=inode(top / "link"), is_folder=False)


@pytest.mark.parametrize("modified", [0, -1, -86_400_000_000_001, 4_102_444_800_999_999_999])
def test_unusual_times_land(landing: Landing, top: Path, modified: int) -> None:
    made = Target(row=0, path=b"x", modified=modified, mode=0o600, replaces=None)
    landing.write_file(made, b"")
    landing.make_link(b"l", b"x", modified, None)
    assert (top / "x").stat().st_mtime_ns == (top / "l").lstat().st_mtime_ns == modified


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission_refuses_one_item(landing: Landing, top: Path) -> None:
    (top / "a").mkdir(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        landing.write_file(target(b"a/file"), b"x")
