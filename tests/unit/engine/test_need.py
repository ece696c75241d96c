"""What a delta asks for is sorted into ranges, each blob once, and goes with its range."""

from pathlib import Path

import pytest

from core import limits
from core.catalog.index import range_bounds
from core.catalog.workspace import Workspace, quote_all
from core.engine import state
from core.engine.need import Need
from core.engine.plan import run_plan
from core.engine.session import CopySession
from core.engine.state import Delta
from core.engine.tables import Tables
from core.errors import IntegrityError
from tests.support.copies import Pair, back_up, make_pair

COUNT = 60
RANGE = 20


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Give a point whose blobs are planned in three ranges, one of them needed twice."""
    monkeypatch.setattr(limits, "RANGE_BLOBS_TARGET", RANGE)
    pair = make_pair(tmp_path, is_encrypted=True)
    files = {b"%02d" % number: b"content %d" % number for number in range(COUNT - 1)}
    back_up(pair.source, files | {b"twin": files[b"07"]})
    return pair


@pytest.fixture
def session(pair: Pair) -> CopySession:
    session = pair.session()
    assert run_plan(session) is not None
    return session


def delta_of(session: CopySession) -> Delta:
    return session.target.read_value(Delta, state.delta_name(session.id))


def open_all(need: Need, delta: Delta) -> None:
    for number in range(delta.range_count):
        need.open_range(number)


def asked(workspace: Workspace) -> list[tuple[bytes, int, int]]:
    return list(workspace.rows("select id, length, position from asked order by id"))


def test_each_blob_is_in_the_range_of_its_id_once(
    session: CopySession, workspace: Workspace
) -> None:
    delta = delta_of(session)
    assert delta.range_count == 3
    need = Need(session, Tables(session.target, workspace), delta, 0)
    found = []
    for number in range(delta.range_count):
        need.open_range(number)
        low, high = range_bounds(number, delta.range_count)
        rows = asked(workspace)
        assert rows
        assert all(low <= blob and (high is None or blob < high) for blob, _, _ in rows)
        found += rows
    assert len({blob for blob, _, _ in found}) == len(found) == COUNT - 1
    # A blob is packed where it is needed first: the twin's place is nobody's.
    assert len({position for _, _, position in found}) == COUNT - 1


def test_what_was_looked_at_takes_no_room(session: CopySession, workspace: Workspace) -> None:
    delta = delta_of(session)
    need = Need(session, Tables(session.target, workspace), delta, 1)
    waiting = set(workspace.folder.glob("range-*/*/*"))
    assert {path.parent.name for path in waiting} == {"range_number=1", "range_number=2"}
    need.open_range(1)
    need.open_range(2)
    assert not set(workspace.folder.glob("range-*/*/*"))


def test_an_empty_range_asks_for_nothing(session: CopySession, workspace: Workspace) -> None:
    need = Need(session, Tables(session.target, workspace), delta_of(session), 3)
    need.open_range(2)
    assert asked(workspace) == []


def test_a_blob_of_two_lengths_is_damage(session: CopySession, workspace: Workspace) -> None:
    """The lengths follow from the sizes of the items that need it."""
    delta = delta_of(session)
    tables = Tables(session.target, workspace)
    files = quote_all(tables.fetch_all(delta.objects))
    changed = workspace.new_path("changed")
    workspace.run(
        f"""copy (select * replace (case when path = encode('twin') then size + 1 else size end
            as size) from read_parquet({files})) to '{changed}'"""
    )
    tables.keep(delta.objects[0].name, changed)
    need = Need(session, tables, delta, 0)
    with pytest.raises(IntegrityError, match="1 blobs have two lengths"):
        open_all(need, delta)
