"""Sessions as people ask for them, and the orders they give."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.engine.history import (
    SessionView,
    abandon_session,
    find_claim,
    list_sessions,
    resume_session,
    stop_session,
    view_session,
)
from core.engine.plan import run_plan
from core.engine.run import run_session
from core.engine.runner import Runner
from core.engine.session import record_size, system_clock
from core.errors import ConflictError, NotFoundError, NotReadyError
from core.format import names
from core.model import Claim, SessionStatus
from core.sources.repository import Repository
from tests.support.copies import (
    JOB,
    Pair,
    back_up,
    claims_of,
    make_pair,
    names_below,
    read_state,
    through,
)
from tests.support.damaged_stores import Missing
from tests.support.stores import Hooked, Kind, below


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1", b"b": b"2"})
    return pair


def only(pair: Pair) -> SessionView:
    (view,) = list_sessions(pair.target, JOB)
    return view


def without_a_blob(pair: Pair) -> Pair:
    newest = pair.source.read_record(pair.source.list_records()[-1].name)
    lost = names.blob(read_state(pair.source, newest)[b"a"].blobs[0])
    return pair.seen(source=Missing(pair.source.store, below(lost)))


def test_a_claimed_session_is_running(pair: Pair) -> None:
    claim = pair.session().claim
    view = only(pair)
    assert (view.claim, view.status, view.reasons) == (claim, SessionStatus.RUNNING, ())
    assert (view.planned_blobs, view.record, view.last_seen) == (0, None, claim.claimed)


def test_a_planned_session_tells_how_much_there_is(pair: Pair) -> None:
    run_plan(pair.session())
    assert (only(pair).planned_blobs, only(pair).planned_size) == (2, 2)


def test_a_published_session_tells_what_it_moved(pair: Pair) -> None:
    record = pair.copied()
    view = only(pair)
    assert (view.status, view.record) == (SessionStatus.SUCCESS, record)
    assert (view.transfer.pack_count, view.transfer.blob_count) == (1, 2)
    assert view.seconds > 0
    assert view.last_seen > "20"


def test_a_failed_session_tells_why(pair: Pair) -> None:
    without_a_blob(pair).copy()
    view = only(pair)
    assert view.status is SessionStatus.FAILED
    assert "1 items" in view.reasons[0]
    assert view.report is not None
    assert [item.path for item in view.report.items] == [b"a".hex()]


def test_a_failed_session_whose_report_was_swept_has_failed(pair: Pair) -> None:
    without_a_blob(pair).copy()
    claim = only(pair).claim
    prefix = names.session(claim.session_id, "")
    pair.target.store.delete(names_below(pair.target.store, prefix))
    assert (only(pair).status, only(pair).reasons) == (SessionStatus.FAILED, ())


def test_a_stopped_session_is_resumed_where_it_was(pair: Pair) -> None:
    session = pair.session()
    stop_session(pair.target, session.claim)
    stop_session(pair.target, session.claim)
    assert only(pair).status is SessionStatus.STOPPED
    with pytest.raises(NotReadyError):
        run_session(session, Runner(workers=1))
    resume_session(pair.target, session.claim)
    assert only(pair).status is SessionStatus.RUNNING
    assert run_session(session, Runner(workers=1)).status is SessionStatus.SUCCESS


def test_a_run_that_was_ended_by_its_user_is_shown_as_stopped(pair: Pair) -> None:
    pair.copy(Runner(workers=1, stop=lambda: True))
    assert only(pair).status is SessionStatus.STOPPED
    pair.copied()
    assert only(pair).status is SessionStatus.SUCCESS


def test_an_abandoned_session_has_failed_for_ever(pair: Pair) -> None:
    claim = pair.session().claim
    abandon_session(pair.target, claim, "no longer wanted")
    view = only(pair)
    assert (view.status, view.reasons) == (SessionStatus.FAILED, ("no longer wanted",))
    assert pair.copied().session_id != claim.session_id


ORDERS: list[Callable[[Repository, Claim], None]] = [
    stop_session,
    resume_session,
    lambda target, claim: abandon_session(target, claim, "why"),
]


@pytest.mark.parametrize("order", ORDERS, ids=["stop", "resume", "abandon"])
def test_a_session_that_ended_takes_no_orders(
    pair: Pair, order: Callable[[Repository, Claim], None]
) -> None:
    pair.copied()
    with pytest.raises(ConflictError, match="published its point already"):
        order(pair.target, only(pair).claim)


def test_an_abandonment_that_comes_too_late_says_so(pair: Pair) -> None:
    """I3: abandon and publish race for one name."""
    session = pair.session()

    def overtake(kind: Kind, name: str) -> None:
        if kind == "put" and name == session.claim.record_name:
            hooked.before = lambda _kind, _name: None
            pair.copied()

    hooked = Hooked(pair.target.store, overtake)
    with pytest.raises(ConflictError, match="at this moment"):
        abandon_session(through(pair.target, hooked), session.claim, "why")
    assert only(pair).status is SessionStatus.SUCCESS
    assert record_size(pair.target.store, session.claim.record_name)


def test_sessions_are_listed_as_they_were_claimed(pair: Pair) -> None:
    pair.copied()
    back_up(pair.source, {b"a": b"3"})
    pair.copied()
    views = list_sessions(pair.target, JOB)
    assert [view.claim.claimed for view in views] == sorted(v.claim.claimed for v in views)
    assert len(views) == 2


def test_a_session_is_found_by_the_start_of_its_id(pair: Pair) -> None:
    claim = pair.session().claim
    assert find_claim(pair.target, claim.session_id[:6]) == claim
    with pytest.raises(NotFoundError, match="'zz'"):
        find_claim(pair.target, "zz")
    back_up(pair.source, {b"a": b"3"})
    pair.session()
    with pytest.raises(ConflictError, match="2 sessions") as caught:
        find_claim(pair.target, "")
    assert set(caught.value.problems) == {c.session_id for c in claims_of(pair.target)}


def test_a_view_is_of_this_moment(pair: Pair) -> None:
    claim = pair.session().claim
    before = view_session(pair.target, claim)
    pair.copied()
    assert view_session(pair.target, claim) != before
    assert claim.claimed <= system_clock().strftime("%Y%m%dT%H%M%S%fZ")
