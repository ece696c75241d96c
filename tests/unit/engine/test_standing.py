"""What a job did last and left open, as the target alone tells it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import ids
from core.engine.history import abandon_session, resume_session, stop_session
from core.engine.jobs import enable_job
from core.engine.plan import run_plan
from core.engine.run import begin_session, run_session
from core.engine.runner import Runner
from core.engine.session import system_clock
from core.engine.standing import NEVER, last_begun, last_claimed, last_moved, open_sessions
from core.ids import JobId
from core.model import SessionStatus
from core.stores.store import ObjectHead
from tests.support.copies import JOB, Pair, back_up, make_pair, through
from tests.support.stores import Wrapping
from tests.support.waiting import wait_until


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1", b"b": b"2"})
    return pair


def let_pass(moment: datetime, folder: Path) -> None:
    """Wait until the store's clock, which may tick a hundred times a second, is past a moment."""
    file = folder / "clock"

    def is_past() -> bool:
        file.touch()
        return datetime.fromtimestamp(file.stat().st_mtime, UTC) > moment

    wait_until(is_past)


def test_what_was_never_created_never_ran(pair: Pair) -> None:
    assert last_begun(pair.target, JobId("other")) == NEVER
    assert last_claimed(pair.target, JobId("other")) is None


def test_a_job_that_was_created_has_missed_nothing_before(pair: Pair) -> None:
    created = last_begun(pair.target, JOB)
    assert timedelta(0) <= datetime.now(UTC) - created < timedelta(minutes=1)
    assert last_claimed(pair.target, JOB) is None


def test_a_claim_and_a_changed_definition_are_begins(pair: Pair, tmp_path: Path) -> None:
    created = last_begun(pair.target, JOB)
    let_pass(created, tmp_path)
    pair.session()
    claimed = last_begun(pair.target, JOB)
    assert claimed > created
    assert last_claimed(pair.target, JOB) == claimed
    let_pass(claimed, tmp_path)
    enable_job(pair.target, JOB, is_enabled=True)
    assert last_begun(pair.target, JOB) > claimed
    assert last_claimed(pair.target, JOB) == claimed


def test_whatever_is_written_for_a_session_moves_it(pair: Pair, tmp_path: Path) -> None:
    claim = pair.session().claim
    claimed = last_moved(pair.target, claim)
    assert timedelta(0) <= datetime.now(UTC) - claimed < timedelta(minutes=1)
    let_pass(claimed, tmp_path)
    stop_session(pair.target, claim)
    assert last_moved(pair.target, claim) > claimed
    later = ids.format_time(datetime.now(UTC) + timedelta(days=1))
    assert last_moved(pair.target, replace(claim, claimed=later)) == ids.parse_time(later)


def test_a_claimed_session_is_open_until_it_is_published(pair: Pair) -> None:
    session = pair.session()
    (found,) = open_sessions(pair.target, pair.definition)
    assert (found.claim, found.is_stopped, found.was_left) == (session.claim, False, False)
    run_session(session, Runner(workers=1))
    assert open_sessions(pair.target, pair.definition) == []


def test_a_session_that_was_given_up_is_not_open(pair: Pair) -> None:
    abandon_session(pair.target, pair.session().claim, "no longer wanted")
    assert open_sessions(pair.target, pair.definition) == []


def test_an_older_one_than_what_was_published_is_left_to_its_operator(pair: Pair) -> None:
    pair.session()
    back_up(pair.source, {b"c": b"3"})
    assert pair.copy() is not None
    assert open_sessions(pair.target, pair.definition) == []


def test_every_write_changes_the_trace_and_a_stopped_run_leaves_its_session(pair: Pair) -> None:
    session = pair.session()
    (claimed,) = open_sessions(pair.target, pair.definition)
    (again,) = open_sessions(pair.target, pair.definition)
    assert claimed.trace == again.trace
    outcome = run_session(session, Runner(workers=1, stop=lambda: True))
    assert outcome.status is SessionStatus.STOPPED
    (left,) = open_sessions(pair.target, pair.definition)
    assert left.was_left
    assert left.trace != claimed.trace


class OneSecond(Wrapping):
    """A store that dates all objects to one second, as a store of whole seconds may."""

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        return (replace(head, modified=moment) for head in super().list(prefix))


def test_a_run_that_stops_in_the_second_of_its_last_write_leaves_its_session(pair: Pair) -> None:
    session = pair.session()
    assert run_plan(session) is not None
    run_session(session, Runner(workers=1, stop=lambda: True))
    target = through(pair.target, OneSecond(pair.target.store))
    (left,) = open_sessions(target, pair.definition)
    assert left.was_left


def test_an_order_to_stop_is_seen_until_it_is_lifted(pair: Pair) -> None:
    claim = pair.session().claim
    stop_session(pair.target, claim)
    assert [each.is_stopped for each in open_sessions(pair.target, pair.definition)] == [True]
    resume_session(pair.target, claim)
    assert [each.is_stopped for each in open_sessions(pair.target, pair.definition)] == [False]


def test_who_begins_a_session_knows_whether_it_is_its_own(pair: Pair) -> None:
    first = begin_session(pair.target, pair.source, pair.definition, system_clock)
    second = begin_session(pair.target, pair.source, pair.definition, system_clock)
    assert first is not None
    assert second is not None
    assert (first.is_own, second.is_own) == (True, False)
    assert first.session.claim == second.session.claim
