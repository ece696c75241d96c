"""The private folder: emptied when it closes, and by the next one when its process died."""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import duckdb
import pytest

from core.catalog import workspace as workspaces
from core.catalog.workspace import Workspace, quote, quote_all, spooled
from core.errors import StoreError
from core.limits import MIB
from tests.architecture.tree import ROOT

DIES = """
import os, signal
from core.catalog.workspace import Workspace
workspace = Workspace(1 << 26)
workspace.new_path("secret").write_bytes(b"plain")
print(workspace.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def private_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_nothing_is_left_when_it_is_closed(tmp_path: Path) -> None:
    with Workspace(64 * MIB) as workspace:
        workspace.run("create table t as select 1 as a")
        workspace.new_path("file").write_bytes(b"plain")
        assert workspace.folder.stat().st_mode & 0o077 == 0
    workspace.close()
    assert os.listdir(tmp_path) == []


def test_a_killed_process_is_cleaned_up_after(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", DIES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    left = Path(run.stdout.strip())
    assert left.parent == tmp_path
    assert left.is_dir()
    with Workspace(64 * MIB) as workspace:
        assert os.listdir(tmp_path) == [workspace.folder.name]


def test_living_workspaces_are_left_alone() -> None:
    with Workspace(64 * MIB) as first, Workspace(64 * MIB) as second:
        assert first.folder.is_dir()
        assert second.row("select 1") == (1,)


def test_one_that_is_being_made_is_never_taken_for_a_dead_one(tmp_path: Path) -> None:
    is_done = threading.Event()

    def clean() -> None:
        while not is_done.is_set():
            workspaces._empty_dead_workspaces()

    cleaner = threading.Thread(target=clean)
    cleaner.start()
    try:
        for number in range(500):
            folder = tmp_path / f"coldhaul-workspace-{number}"
            folder.mkdir()
            handle = workspaces._lock(folder)
            assert folder.is_dir()
            os.close(handle)
    finally:
        is_done.set()
        cleaner.join()


def test_foreign_folders_of_that_name_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "coldhaul-workspace-x").mkdir()
    (tmp_path / "coldhaul-workspace-y").write_bytes(b"")
    Workspace(64 * MIB).close()
    assert len(os.listdir(tmp_path)) == 2


def test_queries_may_run_inside_each_other() -> None:
    with Workspace(64 * MIB) as workspace:
        workspace.run("create table t as select range as a from range(10)")
        outer = workspace.rows("select a from t order by a", at_once=3)
        sums = [workspace.row("select sum(a) from t where a <= ?", [a])[0] for (a,) in outer]
    assert sums == [0, 1, 3, 6, 10, 15, 21, 28, 36, 45]


def test_paths_are_quoted() -> None:
    path = Path("/srv/it's")
    with Workspace(64 * MIB) as workspace:
        assert workspace.row(f"select {quote(path)}") == (str(path),)
        assert workspace.row(f"select {quote_all([path, path])}") == ([str(path), str(path)],)


def test_our_own_mistakes_stay_our_own() -> None:
    with Workspace(64 * MIB) as workspace, pytest.raises(duckdb.Error):
        workspace.run("select nothing from nowhere")


def test_a_temporary_folder_that_fails_is_a_stores_failure() -> None:
    with Workspace(64 * MIB) as workspace:
        gone = workspace.folder / "gone" / "file.parquet"
        with pytest.raises(StoreError, match="temporary") as caught:
            workspace.run(f"copy (select 1) to {quote(gone)} (format parquet)")
        assert "TMPDIR" in caught.value.hint
        with pytest.raises(StoreError, match="temporary"), spooled(gone):
            pass
