"""What a plan stands on: the parent, and which packs count."""

from dataclasses import replace
from pathlib import Path

import pytest

from core import limits
from core.catalog.layers import NO_FLOOR
from core.catalog.workspace import Workspace
from core.engine.base import find_base
from core.engine.plan import read_base, run_plan
from core.engine.repack import Call, run_repack
from core.engine.session import CopySession, void_session
from core.engine.state import Base, Report
from core.engine.tables import Tables
from core.format import names
from core.ids import new_session_id
from core.limits import MIB
from core.model import RetentionType
from tests.support.copies import (
    Pair,
    back_up,
    make_pair,
    names_below,
    packs_of,
    record_name,
    through,
)
from tests.support.stores import Hooked, Kind

WHY = Report(reasons=("because",))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path)


def look(session: CopySession) -> Base:
    with Workspace(256 * MIB, threads=1) as workspace:
        return find_base(session, Tables(session.target, workspace))


def copy(pair: Pair, path: bytes, content: bytes) -> str:
    """Back one file up and copy the point; return the name of the copy's record."""
    back_up(pair.source, {path: content})
    return record_name(pair.copied())


def test_the_first_point_stands_on_nothing(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    base = look(pair.session())
    assert (base.parent, base.index, base.parts, base.excluded) == ("", (), (), ())
    assert (base.shared_layers, base.floor) == (0, NO_FLOOR)


def test_the_parent_is_the_newest_copied_point_before_this_one(pair: Pair) -> None:
    copy(pair, b"a", b"1")
    second = copy(pair, b"b", b"2")
    later = back_up(pair.source, {b"c": b"3"}, 8)
    back_up(pair.source, {b"d": b"4"}, 9)
    pair.copied()
    assert look(pair.session(later.id)).parent == second


def test_points_that_are_condemned_or_void_are_no_parents(pair: Pair) -> None:
    first = copy(pair, b"a", b"1")
    condemned = copy(pair, b"b", b"2")
    pair.target.store.put(names.condemned("run", condemned), b"")
    back_up(pair.source, {b"c": b"3"})
    void_session(pair.target, pair.session().claim, WHY)
    assert look(pair.session()).parent == first


def test_layers_count_as_shared_only_behind_the_parent(pair: Pair) -> None:
    root = back_up(pair.source, {b"%d" % n: b"x" for n in range(9)}, 1)
    back_up(pair.source, {b"a": b"1"}, 2)
    pair.copied()
    back_up(pair.source, {b"b": b"2"}, 3)
    assert look(pair.session()).shared_layers == 1
    # Another line of backups begins at the root and knows nothing of the copied point.
    back_up(pair.source, {b"c": b"3"}, 4, parent=root)
    assert look(pair.session()).shared_layers == 0


@pytest.mark.parametrize("how", ["damaged", "condemned", "gone", "shorter"])
def test_rows_of_packs_that_cannot_be_used_do_not_count(pair: Pair, how: str) -> None:
    copy(pair, b"a", b"1")
    store = pair.target.store
    (pack,) = packs_of(pair.target)
    if how in {"damaged", "condemned"}:
        mark = names.damaged(pack) if how == "damaged" else names.condemned("run", pack)
        store.put(mark, b"")
    else:
        stored = store.get(pack)
        store.delete([pack])
        if how == "shorter":
            store.put(pack, stored[:-1])
    back_up(pair.source, {b"b": b"2"})
    _, session_id, pack_id = pack.split("/")
    assert look(pair.session()).excluded == ((session_id, pack_id),)


def test_condemned_index_objects_are_not_looked_at(pair: Pair) -> None:
    copy(pair, b"a", b"1")
    (index,) = names_below(pair.target.store, names.INDEX)
    back_up(pair.source, {b"b": b"2"})
    assert look(pair.session()).index == (index,)
    pair.target.store.put(names.condemned("run", index), b"")
    assert look(pair.session()).index == ()


def test_what_is_no_index_object_is_not_looked_at(pair: Pair) -> None:
    copy(pair, b"a", b"1")
    (index,) = names_below(pair.target.store, names.INDEX)
    for stray in (f"{names.INDEX}.DS_Store", f"{index}.old"):
        pair.target.store.put(stray, b"somebody else's")
    back_up(pair.source, {b"b": b"2"})
    assert look(pair.session()).index == (index,)


def repacked(pair: Pair) -> CopySession:
    """Take a session as far as its packs."""
    session = pair.session()
    assert run_plan(session) is not None
    run_repack(session, 0, Call())
    return session


@pytest.mark.parametrize("is_void", [True, False], ids=["void", "open"])
def test_packs_of_sessions_that_did_not_publish_are_found_by_their_parts(
    pair: Pair, *, is_void: bool
) -> None:
    """I8: an index object of such a session is in no metadata pack, so nobody may rely on it."""
    back_up(pair.source, {b"a": b"1"})
    session = repacked(pair)
    pair.target.store.put(names.index(session.id, 0), b"whatever is in it")
    if is_void:
        void_session(pair.target, session.claim, WHY)
    back_up(pair.source, {b"b": b"2"})
    base = look(pair.session())
    assert base.parts == (names.part(session.id, 0, 0),)
    assert base.index == ()


def test_parts_of_published_sessions_are_not_needed(pair: Pair) -> None:
    copy(pair, b"a", b"1")
    back_up(pair.source, {b"b": b"2"})
    base = look(pair.session())
    assert base.parts == ()
    assert len(base.index) == 1


@pytest.mark.parametrize("moment", [names.RECORDS, names.PACKS, names.INDEX])
def test_a_point_that_is_published_at_this_moment_is_seen_whole_or_not_at_all(
    pair: Pair, moment: str
) -> None:
    """A parent whose packs or index were not seen would be copied a second time."""
    copy(pair, b"a", b"1")
    late = back_up(pair.source, {b"b": b"2"})
    back_up(pair.source, {b"c": b"3"})
    session = pair.session()

    def publish(kind: Kind, prefix: str) -> None:
        if kind == "list" and prefix.startswith(moment):
            hooked.before = lambda _kind, _name: None
            pair.copy(backfill=late.id)

    hooked = Hooked(pair.target.store, publish)
    base = look(replace(session, target=through(pair.target, hooked)))
    parent = pair.target.read_record(base.parent)
    assert {table.name for table in parent.index} <= set(base.index)
    assert parent.session_id not in {session_id for session_id, _ in base.excluded}


def test_index_objects_of_unknown_sessions_count(pair: Pair) -> None:
    """A prune merges index objects under its own name, and has no record."""
    copy(pair, b"a", b"1")
    (index,) = names_below(pair.target.store, names.INDEX)
    merged = names.index(new_session_id(), 0)
    pair.target.store.put(merged, pair.target.store.get(index))
    back_up(pair.source, {b"b": b"2"})
    assert set(look(pair.session()).index) == {index, merged}


def test_both_retention_floors_are_fixed(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, retention_type=RetentionType.ITEM_LEVEL)
    pair.source.store.put(f"{names.RETENTION}7.json", b"")
    pair.target.store.put(f"{names.RETENTION}5.json", b"")
    back_up(pair.source, {b"a": b"1"})
    session = pair.session()
    run_plan(session)
    pair.target.store.put(f"{names.RETENTION}9.json", b"")
    base = read_base(pair.target, session.id)
    assert (base.floor, base.source_floor) == (5, 7)


def test_limits_are_those_that_the_session_was_begun_with(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(pair.source, {b"%d" % number: b"x" * 1000 for number in range(9)})
    session = pair.session()
    monkeypatch.setattr(limits, "BATCH_SIZE_MIN", 1000)
    assert run_plan(session, deadline=0) is None
    monkeypatch.setattr(limits, "BATCH_SIZE_MIN", 100_000)
    plan = run_plan(session)
    assert plan is not None
    assert len(plan.batches) == 1  # All nine have one content.
    assert read_base(pair.target, session.id).limits.batch_size_min == 1000
