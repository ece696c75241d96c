"""A session's standing: claims, orders and voids, all of it derived from what exists."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.engine import session as sessions
from core.engine.session import (
    claim_name,
    claim_point,
    is_stopped,
    keep_attempt,
    open_session,
    read_claim,
    read_claims,
    read_report,
    record_size,
    refuse_stopped,
    system_clock,
    void_session,
)
from core.engine.state import Attempt, DamagedItem, Report, Transfer, attempts_prefix, report_name
from core.errors import IntegrityError, NotReadyError
from core.format import names
from core.model import Claim
from core.stores.folder_bucket import FolderBucket
from tests.support.bucket_copies import make_bucket_pair
from tests.support.copies import JOB, Pair, back_up, make_pair, names_below, through
from tests.support.damaged_stores import Swapped
from tests.support.stores import Hooked, Kind, LostAnswer

WHY = Report(reasons=("because",))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1"})
    return pair


def open_markers(pair: Pair) -> list[str]:
    return names_below(pair.target.store, names.OPEN_SESSIONS)


def claim(pair: Pair) -> Claim:
    return pair.session().claim


def test_everybody_who_runs_a_job_joins_the_same_session(pair: Pair) -> None:
    first = claim(pair)
    assert claim(pair) == first
    assert first.ordinal == 0
    assert open_markers(pair) == [names.open_session(first.session_id)]


def test_a_claim_fixes_everything_that_its_session_needs(pair: Pair) -> None:
    point = back_up(pair.source, {b"a": b"2"}).id
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    made = claim_point(pair.target, pair.definition, point, lambda: moment)
    time = point.split("-")[0]
    assert made.record_name == names.record(pair.source.identity.id, time, made.session_id)
    assert (made.source_point, made.job_version) == (point, 1)
    assert made.claimed == "20260301T000000000000Z"


def test_a_joiner_makes_the_marker_that_a_killed_run_has_not_made(pair: Pair) -> None:
    first = claim(pair)
    pair.target.store.delete([names.open_session(first.session_id)])
    assert claim(pair) == first
    assert open_markers(pair) == [names.open_session(first.session_id)]


def test_a_marker_that_goes_at_this_moment_is_no_error(pair: Pair) -> None:
    """Another run publishes the same session's point just now."""
    made = claim(pair)
    marker = names.open_session(made.session_id)

    def remove(kind: Kind, name: str) -> None:
        if kind == "get" and name == marker:
            pair.target.store.delete([marker])

    open_session(through(pair.target, Hooked(pair.target.store, remove)), made)


def test_only_a_void_makes_room_for_another_session(pair: Pair) -> None:
    first = claim(pair)
    assert void_session(pair.target, first, WHY)
    assert record_size(pair.target.store, first.record_name) == 0
    assert open_markers(pair) == []
    second = claim(pair)
    assert second.ordinal == 1
    assert second.session_id != first.session_id
    assert read_claims(pair.target, JOB) == [first, second]


def test_a_session_is_void_however_often_that_is_said(pair: Pair) -> None:
    made = claim(pair)
    assert void_session(pair.target, made, WHY)
    assert void_session(pair.target, made, Report(reasons=("another",)))


def test_all_who_tried_to_fail_a_session_are_heard(pair: Pair) -> None:
    """Somebody gave it up and was killed halfway; then it failed by what was wrong with it."""
    made = claim(pair)
    item = DamagedItem(path="ff", reason="a blob of it is missing")
    assert read_report(pair.target, made.session_id) is None
    pair.target.write_value(report_name(made.session_id, 0), WHY)
    assert void_session(pair.target, made, Report(reasons=("damage",), items=(item,)))
    assert read_report(pair.target, made.session_id) == Report(
        reasons=("because", "damage"), items=(item,)
    )


def test_a_published_point_cannot_be_made_void(pair: Pair) -> None:
    """I3: the create-only put of the record's name is the sole arbiter."""
    made = claim(pair)
    pair.copied()
    assert not void_session(pair.target, made, WHY)
    assert record_size(pair.target.store, made.record_name)


def test_a_void_whose_answer_was_lost_is_a_void(pair: Pair) -> None:
    made = claim(pair)
    losing = through(pair.target, LostAnswer(pair.target.store))
    assert void_session(losing, made, WHY)


def test_orders_to_stop_and_to_go_on_take_turns(pair: Pair) -> None:
    store, session_id = pair.target.store, claim(pair).session_id
    states = [is_stopped(store, session_id)]
    for order in (sessions.stop, sessions.stop, sessions.resume, sessions.resume, sessions.stop):
        order(store, session_id)
        states.append(is_stopped(store, session_id))
    assert states == [False, True, True, False, False, True]


def test_a_claim_under_another_name_is_refused(pair: Pair) -> None:
    first = claim(pair)
    other = back_up(pair.source, {b"a": b"2"}).id
    second = claim_point(pair.target, pair.definition, other, system_clock)
    stored = {names.claim(JOB, first.source_point, 0): names.claim(JOB, second.source_point, 0)}
    swapped = through(pair.target, Swapped(pair.target.store, stored))
    with pytest.raises(IntegrityError, match=first.source_point):
        claim_point(swapped, pair.definition, first.source_point, system_clock)
    with pytest.raises(IntegrityError, match=first.source_point):
        read_claims(swapped, JOB)


def test_a_session_knows_the_name_of_its_claim(pair: Pair, tmp_path: Path) -> None:
    session = pair.session()
    assert read_claim(pair.target, claim_name(session)) == session.claim
    objects = tmp_path / "objects"
    objects.mkdir()
    bucket = make_bucket_pair(tmp_path / "other", FolderBucket.open(objects.as_uri()))
    run = bucket.session()
    assert read_claim(bucket.target, claim_name(run)) == run.claim


def test_nobody_goes_on_while_an_order_to_stop_stands(pair: Pair) -> None:
    session = pair.session()
    refuse_stopped(session)
    sessions.stop(pair.target.store, session.id)
    with pytest.raises(NotReadyError, match="has been stopped") as caught:
        refuse_stopped(session)
    assert f"session resume {session.id}" in caught.value.hint
    sessions.resume(pair.target.store, session.id)
    refuse_stopped(session)


def test_reports_of_runs_that_ended_together_are_all_kept(pair: Pair) -> None:
    session, moment = pair.session(), "20260301T000000000000Z"
    attempt = Attempt(
        runner="local", runner_reason="why", started=moment, ended=moment, seconds=1.0,
        outcome="Stopped", transfer=Transfer(), log=(),
    )  # fmt: skip
    keep_attempt(session, attempt)
    keep_attempt(session, attempt)
    assert len(names_below(pair.target.store, attempts_prefix(session.id))) == 2
