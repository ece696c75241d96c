"""What provides blobs is looked at range by range, and nothing of it stays on disk."""

import random
from pathlib import Path

import pytest

from core import limits
from core.catalog.workspace import Workspace, quote, quote_all
from core.engine.batches import require_plan
from core.engine.plan import read_base, run_plan
from core.engine.provided import EMPTY_IDS, Provided
from core.engine.ranges import RangeFiles
from core.engine.repack import Call, run_repack
from core.engine.session import CopySession
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.format import names
from core.limits import KIB
from tests.support.copies import back_up, make_pair, pin_batches

COUNT = 40


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CopySession:
    """Give a planned session of several ranges and batches, of which few are looked at at once."""
    pin_batches(monkeypatch, 50 * KIB)
    monkeypatch.setattr(limits, "RANGE_BLOBS_TARGET", 15)
    monkeypatch.setattr("core.engine.parts.RANGE_BLOBS_TARGET", 15)
    monkeypatch.setattr(limits, "TABLES_KEPT_SHARE", 1 << 80)
    pair = make_pair(tmp_path, is_encrypted=True)
    chance = random.Random(3)
    back_up(pair.source, {b"%02d" % number: chance.randbytes(5_000) for number in range(COUNT)})
    session = pair.session()
    assert run_plan(session) is not None
    return session


def provided(session: CopySession, workspace: Workspace) -> Provided:
    plan, base = require_plan(session.target, session.id), read_base(session.target, session.id)
    return Provided(session, Tables(session.target, workspace), base, plan, [])


def repack(session: CopySession) -> None:
    for number in range(len(require_plan(session.target, session.id).batches)):
        assert run_repack(session, number, Call()).is_done


def planned_ids(session: CopySession, workspace: Workspace) -> str:
    """Return the query of the ids of all batches."""
    tables = Tables(session.target, workspace)
    batches = require_plan(session.target, session.id).batches
    paths = tables.fetch_all([batch.table for batch in batches])
    return f"select id from read_parquet({quote_all(paths)})"


def needed(session: CopySession, workspace: Workspace, *queries: str) -> RangeFiles:
    ranges = RangeFiles(workspace, len(require_plan(session.target, session.id).ranges), EMPTY_IDS)
    for query in queries:
        ranges.add(query)
    return ranges


def test_batches_that_are_not_repacked_have_no_parts(
    session: CopySession, workspace: Workspace
) -> None:
    assert run_repack(session, 0, Call()).is_done
    assert not provided(session, workspace).open_parts()


def test_every_blob_that_nothing_provides_is_counted(
    session: CopySession, workspace: Workspace
) -> None:
    repack(session)
    opened = provided(session, workspace)
    assert opened.open_parts()
    known = planned_ids(session, workspace)
    others = "select unhex(sha256(i::VARCHAR)) as id from range(9) t(i)"
    # A blob that is needed twice is one.
    assert opened.count_unproved(needed(session, workspace, known, others, others)) == 9


def test_the_index_has_each_blob_once_in_order(session: CopySession, workspace: Workspace) -> None:
    repack(session)
    opened = provided(session, workspace)
    assert opened.open_parts()
    known = planned_ids(session, workspace)
    assert opened.count_unproved(needed(session, workspace, known)) == 0
    assert not list(workspace.folder.glob("range-*/**/*.parquet"))
    (table,) = opened.store_index()
    path = Tables(session.target, workspace).fetch(table.name, table)
    found = list(workspace.rows(f"select id from read_parquet({quote_all([path])})"))
    assert found == list(workspace.rows(f"{known} order by id"))
    assert len(found) == COUNT
    assert not list(workspace.folder.glob("range-*/**/*.parquet"))
    plan = require_plan(session.target, session.id)
    assert opened.own_blobs() == (plan.new_blob_count, plan.new_content_size)


def test_parts_that_are_not_those_of_the_proof_make_no_index(
    session: CopySession, workspace: Workspace, tmp_path: Path
) -> None:
    repack(session)
    opened = provided(session, workspace)
    assert opened.open_parts()
    assert opened.count_unproved(needed(session, workspace)) == 0
    name = names.part(session.id, 0, 0)
    path, changed = Tables(session.target, workspace).fetch(name), workspace.new_path("changed")
    fault = "case when ordinal = 0 then 'missing' else fault end as fault"
    workspace.run(
        f"""copy (select * replace ({fault}) from read_parquet({quote(path)}))
        to {quote(changed)} (format parquet)"""
    )
    (tmp_path / "target" / name).unlink()
    session.target.put_table(name, changed, 1)
    with pytest.raises(IntegrityError, match="proved") as caught:
        opened.store_index()
    assert f"session abandon {session.id}" in caught.value.hint
    assert list(session.target.store.list(names.INDEX)) == []
