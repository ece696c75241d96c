"""A session's plan: made once, from whatever earlier runs left, the same for everybody."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core import limits
from core.catalog.workspace import Workspace, quote_all
from core.engine import state
from core.engine.batches import read_plan, require_plan
from core.engine.plan import read_base, run_plan
from core.engine.session import CopySession
from core.engine.state import Plan
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.format import names
from core.ids import new_session_id
from core.limits import KIB, MIB
from tests.support.copies import Pair, back_up, make_pair, names_below, pin_batches, through
from tests.support.damaged_stores import LastByteFlipped, Missing, Swapped
from tests.support.stores import Hooked, Kind, Recording, below

COUNT = 40
SIZE = 5_000


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Give a point of 40 blobs that is planned in several ranges and batches."""
    pin_batches(monkeypatch, 50 * KIB)
    monkeypatch.setattr(limits, "RANGE_BLOBS_TARGET", 15)
    pair = make_pair(tmp_path, is_encrypted=True)
    chance = random.Random(3)
    files = {b"%02d" % number: chance.randbytes(SIZE) for number in range(COUNT)}
    back_up(pair.source, files | {b"twin": files[b"07"], b"empty": b""})
    return pair


@pytest.fixture
def session(pair: Pair) -> CopySession:
    return pair.session()


def planned(session: CopySession) -> Plan:
    plan = run_plan(session)
    assert plan is not None
    return plan


def batch_rows(session: CopySession, plan: Plan) -> list[list[tuple[int, bytes, bytes, int]]]:
    """Return ordinal, id, source id and length of each batch's rows."""
    with Workspace(64 * MIB, threads=1) as workspace:
        tables = Tables(session.target, workspace)
        return [
            list(
                workspace.rows(
                    "select ordinal, id, source_id, length from "
                    f"read_parquet({quote_all([tables.fetch(batch.table.name, batch.table)])}) "
                    "order by ordinal"
                )
            )
            for batch in plan.batches
        ]


def test_every_new_blob_is_in_one_batch_in_the_order_of_the_paths(
    session: CopySession, pair: Pair
) -> None:
    plan = planned(session)
    assert (plan.new_blob_count, plan.new_content_size) == (COUNT, COUNT * SIZE)
    assert len(plan.ranges) == 3
    assert len(plan.batches) > 3
    batches = batch_rows(session, plan)
    for rows, batch in zip(batches, plan.batches, strict=True):
        assert [row[0] for row in rows] == list(range(batch.blob_count))
        assert sum(row[3] for row in rows) == batch.content_size <= 50 * KIB
    content = [pair.source.read_blob(row[2]) for rows in batches for row in rows]
    chance = random.Random(3)
    assert content == [chance.randbytes(SIZE) for _ in range(COUNT)]


def test_a_plan_is_made_once(session: CopySession) -> None:
    plan = planned(session)
    recording = Recording(session.target.store)
    again = replace(session, target=through(session.target, recording))
    assert run_plan(again) == plan
    assert recording.write_count == 0


def test_calls_that_are_all_late_still_end_with_the_plan(session: CopySession) -> None:
    calls = 0
    while (plan := run_plan(session, deadline=0)) is None:
        calls += 1
        assert calls < 10
    assert calls >= 1
    assert plan == read_plan(session.target, session.id)


def steps(session: CopySession) -> Iterator[str]:
    """Yield the names that a plan writes, in order."""
    recording = Recording(session.target.store)
    planned(replace(session, target=through(session.target, recording)))
    yield from recording.names("put")


def test_it_writes_what_it_stands_on_first_and_the_plan_last(session: CopySession) -> None:
    written = list(steps(session))
    kinds = [name.removeprefix(names.session(session.id, "")).split("/")[0] for name in written]
    assert kinds[:3] == ["base.json", "delta-0.parquet", "delta.json"]
    assert kinds[3:-1] == sorted(kinds[3:-1], reverse=True)
    assert kinds[-1] == "plan.json"


def overtaking(session: CopySession, name: str, plans: list[Plan]) -> Callable[[Kind, str], None]:
    """Return what plans the same session just before somebody else writes ``name``."""

    def overtake(kind: Kind, at: str) -> None:
        if kind == "put" and at == name and not plans:
            plans.append(planned(session))

    return overtake


def test_a_caller_that_stops_ends_it_at_once(session: CopySession) -> None:
    assert run_plan(session, stop=lambda: True) is None
    assert read_plan(session.target, session.id) is None


def test_two_that_plan_at_once_have_one_plan(session: CopySession, pair: Pair) -> None:
    """I3: whatever one has written the other takes over, wherever they overtake each other."""
    written = list(steps(replace(session, claim=pair.session().claim)))
    for overtaken in written:
        other = pair.session()
        fresh = replace(other, claim=replace(other.claim, session_id=new_session_id()))
        name = overtaken.replace(session.id, fresh.id)
        plans: list[Plan] = []
        overtake = overtaking(fresh, name, plans)
        hooked = Hooked(pair.target.store, overtake)
        plans.append(planned(replace(fresh, target=through(pair.target, hooked))))
        assert plans[-1] == plans[0]


def test_blobs_that_are_known_are_reused(pair: Pair) -> None:
    pair.copied()
    chance = random.Random(3)
    old = [chance.randbytes(SIZE) for _ in range(5)]
    back_up(pair.source, {b"new %d" % number: content for number, content in enumerate(old)})
    plan = planned(pair.session())
    assert (plan.reused_blob_count, plan.new_blob_count, plan.batches) == (5, 0, ())


def test_only_what_is_read_is_stored_with_its_id_in_the_source(pair: Pair) -> None:
    pair.copied()
    back_up(pair.source, {b"old": random.Random(3).randbytes(SIZE), b"new": b"content"})
    session = pair.session()
    plan = planned(session)
    with Workspace(64 * MIB) as workspace:
        files = quote_all(Tables(pair.target, workspace).fetch_all(plan.ranges))
        found = dict(workspace.rows(f"select origin, source_id from read_parquet({files})"))
    ((_, _, source_id, _),) = batch_rows(session, plan)[0]
    assert found == {"": source_id, "index": b""}


def test_a_batch_stored_with_other_rows_is_refused(session: CopySession, pair: Pair) -> None:
    """It could only come from other limits: the blobs between the two cuts would be lost."""
    assert run_plan(session, deadline=0) is None
    other = pair.session()
    elsewhere = replace(other, claim=replace(other.claim, session_id=new_session_id()))
    plan = planned(elsewhere)
    with Workspace(64 * MIB) as workspace:
        table = Tables(pair.target, workspace).fetch(plan.batches[0].table.name)
        cut = workspace.new_path("cut")
        workspace.run(f"copy (from read_parquet('{table}') limit 3) to '{cut}'")
        pair.target.put_table(names.batch(session.id, 1, 0), cut, 3)
    with pytest.raises(IntegrityError, match=names.batch(session.id, 1, 0)):
        run_plan(session)


WORK = ["base.json", "delta.json", "delta-0.parquet", "ranges/00001.parquet"]


@pytest.mark.parametrize("name", WORK)
def test_damage_of_an_earlier_runs_work_is_named(
    session: CopySession, pair: Pair, name: str
) -> None:
    """I4."""
    planned(session)
    pair.target.store.delete([state.plan_name(session.id)])
    # The rows of a delta are read only for ranges that are not stored yet.
    pair.target.store.delete([state.range_name(session.id, 2)])
    full = names.session(session.id, name)
    broken = LastByteFlipped(pair.target.store, below(full))
    with pytest.raises(IntegrityError, match=full):
        run_plan(replace(session, target=through(pair.target, broken)))


@pytest.mark.parametrize("prefix", [names.LAYERS, names.RECORDS])
@pytest.mark.parametrize("kind", [LastByteFlipped, Missing])
def test_damage_of_what_the_parent_needs_is_named(
    pair: Pair, prefix: str, kind: type[LastByteFlipped | Missing]
) -> None:
    pair.copied()
    back_up(pair.source, {b"%02d" % number: b"changed" for number in range(30)})
    session = pair.session()
    assert run_plan(session, deadline=0) is None
    pair.target.store.delete(names_below(pair.target.store, names.session(session.id, "delta")))
    (name,) = names_below(pair.target.store, prefix)
    broken = kind(pair.target.store, below(name))
    with pytest.raises(IntegrityError, match=name):
        run_plan(replace(session, target=through(pair.target, broken)))


@pytest.mark.parametrize("kind", [LastByteFlipped, Missing])
def test_damage_of_the_index_is_named(pair: Pair, kind: type[LastByteFlipped | Missing]) -> None:
    pair.copied()
    back_up(pair.source, {b"new": b"x"})
    session = pair.session()
    assert run_plan(session, deadline=0) is None
    (name,) = names_below(pair.target.store, names.INDEX)
    with pytest.raises(IntegrityError, match=name):
        run_plan(
            replace(session, target=through(pair.target, kind(pair.target.store, below(name))))
        )


def test_an_index_that_is_a_table_of_another_kind_is_named(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1"})
    pair.copied()
    back_up(pair.source, {b"b": b"2"})
    (index,) = names_below(pair.target.store, names.INDEX)
    (layer,) = names_below(pair.target.store, names.LAYERS)
    swapped = through(pair.target, Swapped(pair.target.store, {index: layer}))
    with pytest.raises(IntegrityError, match=index):
        run_plan(replace(pair.session(), target=swapped))


def test_steps_that_need_the_plan_say_that_it_is_missing(session: CopySession) -> None:
    assert read_plan(session.target, session.id) is None
    with pytest.raises(IntegrityError, match=state.plan_name(session.id)):
        require_plan(session.target, session.id)
    with pytest.raises(IntegrityError, match=state.base_name(session.id)):
        read_base(session.target, session.id)
