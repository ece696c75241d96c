"""What the folder store says is done, a power cut does not undo."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import ConflictError
from core.stores.folder import FolderStore
from tests.conformance.power import Disk


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def lay_unsynced(path: Path, data: bytes) -> None:
    """Create a file as a writer that has come to linking it, but not to syncing its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = f"{path.parent}/unfinished"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, data)
    os.fsync(descriptor)
    os.close(descriptor)
    os.link(temporary, path)
    os.unlink(temporary)


def test_model_loses_what_was_not_synced(disk: Disk, tmp_path: Path) -> None:
    lay_unsynced(tmp_path / "root/a/b", b"x")
    assert disk.after_power_cut() == {}
    for folder in (tmp_path, tmp_path / "root", tmp_path / "root/a"):
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    assert disk.after_power_cut() == {"root/a/b": 1}


def test_model_sees_a_name_that_comes_before_its_bytes(disk: Disk, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"x")
    os.link(tmp_path / "a", tmp_path / "b")
    os.close(descriptor)
    assert disk.faults == ["b has a name before its bytes are durable"]


@pytest.mark.parametrize("name", ["a", "a/b", "packs/1/2/3"])
def test_put_is_durable_with_every_folder_to_it(disk: Disk, tmp_path: Path, name: str) -> None:
    FolderStore(tmp_path / "made/for/it", create=True).put(name, b"123")
    assert disk.after_power_cut() == {f"made/for/it/{name}": 3}
    assert disk.faults == []


def test_upload_is_durable_when_complete_returns_and_not_named_before(
    disk: Disk, tmp_path: Path
) -> None:
    upload = FolderStore(tmp_path / "root", create=True).upload("packs/s/p")
    for _ in range(3):
        upload.write(bytes(9 << 20))
        assert "root/packs/s/p" not in disk.after_power_cut()
    upload.complete()
    assert disk.after_power_cut() == {"root/packs/s/p": 27 << 20}
    assert disk.faults == []


def test_folder_that_another_writer_made_is_synced_too(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "root/a/b").mkdir(parents=True)
    FolderStore(tmp_path / "root", create=True).put("a/b/c", b"1")
    assert disk.after_power_cut() == {"root/a/b/c": 1}


def test_folder_that_was_removed_and_made_again_is_synced_again(disk: Disk, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "root", create=True)
    other = FolderStore(tmp_path / "root")
    for _ in range(3):
        store.put("a/b", b"1")
        other.delete(["a/b"])
        (tmp_path / "root/a").mkdir()
        store.put("a/c", b"22")
        assert disk.after_power_cut() == {"root/a/c": 2}
        other.delete(["a/c"])
        assert disk.after_power_cut() == {}


def test_conflict_reports_only_what_is_durable(disk: Disk, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "root", create=True)
    store.put("a/before", b"")
    lay_unsynced(tmp_path / "root/a/b", b"theirs")
    assert disk.after_power_cut() == {"root/a/before": 0}
    with pytest.raises(ConflictError):
        store.put("a/b", b"ours")
    assert disk.after_power_cut() == {"root/a/before": 0, "root/a/b": 6}


def test_delete_is_durable(disk: Disk, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "root", create=True)
    names = ["a/1", "a/2", "b/1", "c"]
    for name in names:
        store.put(name, b"")
    store.delete(["a/1", "b/1", "c"])
    assert disk.after_power_cut() == {"root/a/2": 0}


def test_every_thread_s_write_is_durable_when_it_returns(disk: Disk, tmp_path: Path) -> None:
    stores = [FolderStore(tmp_path / "root", create=True) for _ in range(2)]
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        for turn in range(20):
            # All come to a new folder at once; who made it is left to chance.
            barrier.wait()
            stores[number % 2].put(f"{turn}/x/{number}", b"1")
            assert f"root/{turn}/x/{number}" in disk.after_power_cut()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert len(disk.after_power_cut()) == 160
    assert disk.faults == []
