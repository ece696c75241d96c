"""Parts of whole batches, and the objects that they tell to have changed."""

from pathlib import Path

import pytest

from core.catalog.tables import PartRow, write_part
from core.catalog.workspace import Workspace
from core.engine.batches import require_plan
from core.engine.parts import all_files, batches_of, fetch_parts, find_unresolved
from core.engine.plan import run_plan
from core.engine.repack import Call, run_repack
from core.engine.session import CopySession
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.format import names
from tests.support.bucket_copies import make_bucket_pair
from tests.support.buckets import fill
from tests.support.copies import MEMORY_SIZE, pin_batches

FILES = {f"{number:02}": b"x" * 1000 for number in range(20)}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CopySession:
    pin_batches(monkeypatch, 8_000)
    session = make_bucket_pair(tmp_path, fill(tmp_path / "bucket", FILES)).session()
    assert run_plan(session) is not None
    return session


def test_a_batch_that_is_not_repacked_has_no_parts_yet(session: CopySession) -> None:
    batches = batches_of(require_plan(session.target, session.id))
    assert len(batches) > 1
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        tables = Tables(session.target, workspace)
        for number in batches:
            assert fetch_parts(tables, session.id, batches) is None
            assert run_repack(session, number, Call()).is_done
        files = fetch_parts(tables, session.id, batches)
        assert files is not None
        assert set(files) == set(batches)
        assert len(all_files(files)) >= len(batches)
        assert find_unresolved(tables, batches, files) == 0


def test_changed_and_vanished_objects_are_found(session: CopySession, tmp_path: Path) -> None:
    (tmp_path / "bucket" / "03").write_bytes(b"changed")
    (tmp_path / "bucket" / "17").unlink()
    batches = batches_of(require_plan(session.target, session.id))
    for number in batches:
        assert run_repack(session, number, Call()).is_done
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        tables = Tables(session.target, workspace)
        files = fetch_parts(tables, session.id, batches)
        assert files is not None
        assert find_unresolved(tables, batches, files) == 2
        rows = list(workspace.rows("select n, path, fault from unresolved order by n"))
    assert rows == [(0, b"03", "changed"), (1, b"17", "vanished")]


def test_parts_that_overlap_are_damage(session: CopySession) -> None:
    batches = batches_of(require_plan(session.target, session.id))
    with Workspace(MEMORY_SIZE, threads=1) as workspace:
        rows: list[PartRow] = [(0, "changed", b"x" * 32, "")]
        for number in range(2):
            path = workspace.new_path("part")
            write_part(workspace, path, None, rows, has_properties=True)
            session.target.put_table(names.part(session.id, 0, number), path, 1)
        with pytest.raises(IntegrityError, match="overlap") as caught:
            fetch_parts(Tables(session.target, workspace), session.id, batches)
    assert f"session abandon {session.id}" in caught.value.hint
