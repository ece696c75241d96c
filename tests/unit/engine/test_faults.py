"""What goes wrong is kept whole, however much it is and whatever it says."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catalog.workspace import Workspace
from core.engine.faults import FaultLog
from core.errors import IntegrityError, StoreError
from core.ids import BlobId
from core.limits import MIB
from core.plan.restore import Piece, Target


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB, threads=1) as workspace:
        yield workspace


def piece(row: int, ordinal: int = 0) -> Piece:
    target = Target(row=row, path=b"x", modified=0, mode=None, replaces=None)
    return Piece(
        target=target, ordinal=ordinal, offset=0, length=7, blob=BlobId(b"\xff" * 32), place=None
    )


def test_nothing_has_failed_at_first(workspace: Workspace) -> None:
    with FaultLog(workspace) as log:
        assert list(workspace.rows(f"select * from {log.failed_sql()}")) == []
        assert list(workspace.rows(f"select * from {log.retried_sql()}")) == []


@pytest.mark.parametrize("reason", ["", "plain", "new\nline, 'quoted' \"text\"", "Grüße\0\udcff"])
def test_any_reason_is_kept(workspace: Workspace, reason: str) -> None:
    with FaultLog(workspace) as log:
        log.fail(3, "store", reason)
        log.retry(piece(4, 5), IntegrityError(reason))
        kept = reason.replace("\udcff", "\\udcff")
        assert list(workspace.rows(f"select * from {log.failed_sql()}")) == [(3, "store", kept)]
        assert list(workspace.rows(f"select * from {log.retried_sql()}")) == [
            (4, 5, b"\xff" * 32, 7, "integrity", kept)
        ]


def test_an_item_fails_once_for_its_first_reason(workspace: Workspace) -> None:
    with FaultLog(workspace) as log:
        log.fail_with(2, StoreError("first"))
        log.fail_with(1, IntegrityError("other"))
        log.fail_with(2, IntegrityError("second"))
        rows = workspace.rows(f"select * from {log.failed_sql()} order by row_no")
        assert list(rows) == [(1, "integrity", "other"), (2, "store", "first")]


def test_pieces_to_retry_are_forgotten_and_new_ones_kept(workspace: Workspace) -> None:
    with FaultLog(workspace) as log:
        for row in range(100):
            log.retry(piece(row), StoreError("a long reason that leaves bytes behind"))
        assert workspace.row(f"select count(*) from {log.retried_sql()}") == (100,)
        log.forget_retried()
        assert workspace.row(f"select count(*) from {log.retried_sql()}") == (0,)
        log.retry(piece(7), StoreError("x"))
        assert list(workspace.rows(f"select row_no from {log.retried_sql()}")) == [(7,)]


def test_threads_write_together(workspace: Workspace, tmp_path: Path) -> None:
    with FaultLog(workspace) as log:

        def write(start: int) -> None:
            for row in range(start, start + 500):
                log.fail(row, "store", str(row))
                log.retry(piece(row), StoreError(str(row)))

        threads = [threading.Thread(target=write, args=(500 * n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (wrong,) = workspace.row(
            f"select count(*) filter (reason <> row_no::VARCHAR) from {log.failed_sql()}"
        )
        (count,) = workspace.row(f"select count(*) from {log.retried_sql()}")
        assert (wrong, count) == (0, 4_000)
