"""A restore that is killed, or has no room, leaves whole files, and another one finishes it."""

import random
import time
from pathlib import Path

import pytest

from core.engine.landing import TEMPORARY
from core.engine.progress import Silent
from core.engine.restore import restore_point
from core.limits import BLOB_SIZE_MAX, KIB
from core.stores.folder import FolderStore
from tests.support import restoring
from tests.support.copies import make_repository
from tests.support.points import Point
from tests.support.users import ordinary_folder, ordinary_user


def new_point(tmp_path: Path, *, is_packed: bool) -> Point:
    store = FolderStore(tmp_path / "repository", create=True)
    return Point(make_repository(store), is_packed=is_packed)


def finished(to: Path) -> dict[str, bytes]:
    """Return the content of the files that have their names."""
    return {
        str(path.relative_to(to)): path.read_bytes()
        for path in to.rglob("*")
        if path.is_file() and not path.name.startswith(TEMPORARY.decode())
    }


@pytest.mark.parametrize("is_packed", [False, True], ids=["loose", "packed"])
def test_a_killed_restore_leaves_whole_files_and_is_finished_by_another(
    tmp_path: Path, is_packed: bool
) -> None:
    point = new_point(tmp_path, is_packed=is_packed)
    chance = random.Random(1)
    contents = {f"d{n % 9}/{n}": chance.randbytes(n % 3_000) for n in range(300)}
    contents |= {f"large{n}": chance.randbytes(BLOB_SIZE_MAX + n) for n in range(4)}
    for path, content in contents.items():
        point.file(path.encode(), content)
    point.write()
    killed_count = 0
    for number in range(3):
        to = tmp_path / f"to{number}"
        child = restoring.start(tmp_path / "repository", to)
        # Once it has begun to write, a moment later each time.
        while child.poll() is None and not (to / "d0").exists():
            time.sleep(0.001)
        time.sleep(0.03 * number)
        child.kill()
        killed_count += child.wait() < 0
        child.communicate()
        assert finished(to).items() <= contents.items()
    assert killed_count
    child = restoring.start(tmp_path / "repository", tmp_path / "to0")
    child.communicate()
    assert child.returncode == 0
    assert finished(tmp_path / "to0") == contents


@pytest.mark.parametrize("is_packed", [False, True], ids=["loose", "packed"])
def test_a_full_disk_ends_the_restore_at_once_and_leaves_only_whole_files(
    tmp_path: Path, is_packed: bool
) -> None:
    point = new_point(tmp_path, is_packed=is_packed)
    chance = random.Random(1)
    for number in range(60):
        point.file(b"%02d" % number, chance.randbytes(50 * KIB))
    point.file(b"large", chance.randbytes(BLOB_SIZE_MAX + 1))
    point.write()
    (tmp_path / "to").mkdir()
    answer = restoring.mounted(
        'mount -t tmpfs -o size=1m none "$0"', tmp_path / "repository", tmp_path / "to"
    )
    if answer is None:
        pytest.skip("this user may not mount")
    assert answer["error"] == "DestinationError"
    assert "No space left" in str(answer["message"])
    assert "Make room" in str(answer["hint"])
    files = answer["files"]
    assert isinstance(files, dict)
    assert set(files.values()) <= {50 * KIB}
    assert not any(TEMPORARY.decode() in name for name in files)


def test_a_read_only_disk_ends_the_restore_at_once(tmp_path: Path) -> None:
    point = new_point(tmp_path, is_packed=False)
    point.file(b"x", b"x")
    point.write()
    (tmp_path / "to").mkdir()
    answer = restoring.mounted(
        'mount -t tmpfs -o ro none "$0"', tmp_path / "repository", tmp_path / "to"
    )
    if answer is None:
        pytest.skip("this user may not mount")
    assert answer["error"] == "DestinationError"
    assert "Read-only" in str(answer["message"])


def test_folders_that_are_one_in_the_destination_are_listed(tmp_path: Path) -> None:
    """As on a file system that ignores case; here two names lead to one mounted folder."""
    point = new_point(tmp_path, is_packed=False)
    point.folder(b"a")
    point.folder(b"b")
    point.file(b"a/x", b"1")
    point.file(b"b/x", b"2")
    point.write()
    for name in ("a", "b"):
        (tmp_path / "to" / name).mkdir(parents=True)
    (tmp_path / "to/a/x").write_bytes(b"old")
    answer = restoring.mounted(
        'mount --bind "$0/a" "$0/b"', tmp_path / "repository", tmp_path / "to"
    )
    if answer is None:
        pytest.skip("this user may not mount")
    failed = answer["failed"]
    assert isinstance(failed, list)
    # Of the two files that are one, one is there and the other is told.
    assert ["b'b'", "it is the same folder here as another item's"] in failed
    assert len([path for path, _ in failed if path.endswith("/x'")]) == 1
    assert (tmp_path / "to/a/x").read_bytes() in {b"1", b"2"}


def test_a_folder_that_refuses_fails_its_items_and_no_others() -> None:
    with ordinary_folder() as folder, ordinary_user():
        point = new_point(folder, is_packed=False)
        point.file(b"closed/x", b"x")
        point.file(b"open/y", b"y")
        record = point.write()
        (folder / "to/closed").mkdir(parents=True)
        (folder / "to/closed").chmod(0o500)
        outcome = restore_point(
            point.repository,
            record,
            folder / "to",
            include=(),
            overwrite=True,
            progress=Silent(),
            stop=lambda: False,
        )
        (failed,) = outcome.failed
        assert (failed.path, failed.category) == (b"closed/x", "store")
        assert "Permission denied" in failed.reason
        assert (folder / "to/open/y").read_bytes() == b"y"
