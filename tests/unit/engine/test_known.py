"""What is stored already, read from few tables at a time, is what is read from all at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from core import limits
from core.catalog.workspace import Workspace
from core.engine import known
from core.engine.known import close_known, each_known, open_known, write_known_ids
from core.engine.plan import read_base, run_plan
from core.engine.repack import Call, run_repack
from core.engine.session import CopySession
from core.engine.tables import Tables
from core.ids import PackId, SessionId
from core.limits import KIB
from tests.support.copies import Pair, back_up, make_pair, pin_batches

SIZE = 30 * KIB


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Give a target with the index of three sessions and the parts of a fourth."""
    pin_batches(monkeypatch, 40 * KIB)
    monkeypatch.setattr(limits, "TABLES_KEPT_SHARE", 1 << 80)
    monkeypatch.setattr(known, "_INDEX_AT_ONCE", 2)
    monkeypatch.setattr(known, "_PARTS_AT_ONCE", 1)
    pair = make_pair(tmp_path)
    files: dict[bytes, bytes] = {}
    for point in range(3):
        files |= {b"%d-%d" % (point, number): bytes([point, number]) * SIZE for number in range(2)}
        back_up(pair.source, files)
        pair.copied()
    back_up(pair.source, files | {b"new": b"n" * 2 * SIZE, b"newer": b"m" * 2 * SIZE})
    session = pair.session()
    plan = run_plan(session)
    assert plan is not None
    for number in range(len(plan.batches)):
        assert run_repack(session, number, Call()).is_done
    back_up(pair.source, files | {b"last": b"l" * SIZE})
    return pair


@pytest.fixture
def session(pair: Pair) -> CopySession:
    session = pair.session()
    assert run_plan(session) is not None
    return session


def rows(workspace: Workspace, query: str) -> list[tuple[object, ...]]:
    return sorted(workspace.rows(query))


def test_a_few_tables_after_the_other_are_all_of_them(
    session: CopySession, workspace: Workspace
) -> None:
    base, tables = read_base(session.target, session.id), Tables(session.target, workspace)
    assert len(base.index) == 3
    assert len(base.parts) >= 2
    open_known(tables, base)
    whole = rows(workspace, "select id, pack, origin from known")
    close_known(tables, base)
    assert len({origin for _, _, origin in whole}) == 2
    found, most = [], 0
    for _ in each_known(tables, base.index, base.parts):
        found += rows(workspace, "select id, pack, origin from known")
        most = max(most, len(list(workspace.folder.glob("table-*"))))
    assert sorted(found) == whole
    assert most == 2
    assert not list(workspace.folder.glob("table-*"))


def test_ids_are_those_of_packs_that_count(session: CopySession, workspace: Workspace) -> None:
    base, tables = read_base(session.target, session.id), Tables(session.target, workspace)
    open_known(tables, base)
    whole = rows(workspace, "select id, session, pack from known")
    close_known(tables, base)
    lost = whole[0][1:]
    excluded = (SessionId(str(lost[0])), PackId(str(lost[1])))
    for path in write_known_ids(tables, replace(base, excluded=(excluded,))):
        assert path.exists()
    expected = [(blob,) for blob, *place in whole if tuple(place) != lost]
    assert rows(workspace, "from known_ids") == expected
    assert 0 < len(expected) < len(whole)


def test_a_target_without_blobs_knows_none(session: CopySession, workspace: Workspace) -> None:
    base = replace(read_base(session.target, session.id), index=(), parts=())
    tables = Tables(session.target, workspace)
    assert list(each_known(tables, (), ())) == []
    assert write_known_ids(tables, base) == []
    assert rows(workspace, "from known_ids") == []
    open_known(tables, base)
    assert rows(workspace, "from known") == []
