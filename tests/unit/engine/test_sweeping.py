"""What ended sessions have left is deleted in time, and nothing that others still need."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.engine.plan import read_base, run_plan
from core.engine.publish import run_publish
from core.engine.repack import Call, run_repack
from core.engine.run import run_session
from core.engine.runner import Runner
from core.engine.session import open_session, void_session
from core.engine.state import Report, base_name
from core.engine.sweeping import sweep_sessions
from core.errors import IntegrityError
from core.format import names
from tests.support.copies import Pair, back_up, done, files, make_pair, names_below
from tests.support.invariants import check_copies
from tests.support.stores import Hooked, Kind

HERE = Runner(workers=1)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path)


def in_thirty_days() -> datetime:
    return datetime.now(UTC) + timedelta(days=30, hours=1)


@pytest.mark.parametrize(("days", "is_kept"), [(29, True), (31, False)])
def test_working_objects_go_thirty_days_after_the_session(
    pair: Pair, days: int, *, is_kept: bool
) -> None:
    back_up(pair.source, {b"a": b"1"})
    ended = done(pair.copy()).session_id
    back_up(pair.source, {b"a": b"2"})
    running = pair.session().id
    sweep_sessions(pair.target, lambda: datetime.now(UTC) + timedelta(days=days))
    assert bool(names_below(pair.target.store, names.session(ended, ""))) is is_kept
    assert names_below(pair.target.store, names.open_session(running))
    check_copies(pair.target)


@pytest.mark.parametrize("is_published", [True, False])
def test_parts_that_the_plan_of_an_open_session_stands_on_are_kept(
    pair: Pair, *, is_published: bool
) -> None:
    back_up(pair.source, files(5))
    other = pair.session()
    assert run_plan(other) is not None
    assert run_repack(other, 0, Call()).is_done
    back_up(pair.source, {b"05": b"more"})
    session = pair.session()
    assert run_plan(session, deadline=0) is None
    assert read_base(pair.target, session.id).parts
    if is_published:
        assert run_publish(other).record is not None
    else:
        void_session(pair.target, other.claim, Report(reasons=("because",)))
    sweep_sessions(pair.target, in_thirty_days)
    record = run_session(session, HERE).record
    assert record is not None
    assert (record.new_blob_count, record.reused_blob_count) == (1, 5)
    sweep_sessions(pair.target, in_thirty_days)
    assert names_below(pair.target.store, names.SESSIONS) == []
    check_copies(pair.target)


def test_a_session_that_is_only_looking_for_parts_finds_those_that_it_has_seen(pair: Pair) -> None:
    back_up(pair.source, files(5))
    failed = pair.session()
    assert run_plan(failed) is not None
    assert run_repack(failed, 0, Call()).is_done
    void_session(pair.target, failed.claim, Report(reasons=("because",)))
    back_up(pair.source, {b"05": b"more"})
    session = pair.session()
    open_session(pair.target, session.claim)

    def sweep_meanwhile(kind: Kind, name: str) -> None:
        if (kind, name) == ("put", base_name(session.id)):
            sweep_sessions(pair.target, in_thirty_days)

    seen = pair.seen(target=Hooked(pair.target.store, sweep_meanwhile))
    assert run_plan(replace(session, target=seen.target), deadline=0) is None
    record = run_session(session, HERE).record
    assert record is not None
    assert (record.new_blob_count, record.reused_blob_count) == (1, 5)
    assert not names_below(pair.target.store, names.batch(failed.id, 1, 0))
    sweep_sessions(pair.target, in_thirty_days)
    assert names_below(pair.target.store, names.SESSIONS) == []
    check_copies(pair.target)


def test_parts_are_kept_while_it_cannot_be_read_who_stands_on_them(pair: Pair) -> None:
    back_up(pair.source, files(5))
    failed = pair.session()
    assert run_plan(failed) is not None
    assert run_repack(failed, 0, Call()).is_done
    void_session(pair.target, failed.claim, Report(reasons=("because",)))
    back_up(pair.source, {b"05": b"more"})
    session = pair.session()
    open_session(pair.target, session.claim)
    pair.target.store.put(base_name(session.id), b"damaged")
    sweep_sessions(pair.target, in_thirty_days)
    assert names_below(pair.target.store, names.session(failed.id, "parts/"))
    with pytest.raises(IntegrityError):
        run_plan(session)


def test_a_marker_that_outlived_its_session_is_swept(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    marker = names.open_session(done(pair.copy()).session_id)
    pair.target.store.put(marker, b"left behind")
    assert pair.copy() is None
    assert names_below(pair.target.store, names.OPEN_SESSIONS) == []
