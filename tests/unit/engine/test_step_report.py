"""The report of an execution: written once, about what this execution did."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.engine.history import view_session
from core.engine.packed import mark_packed
from core.engine.publish import PublishOutcome
from core.engine.session import CopySession
from core.engine.state import Transfer
from core.engine.step_documents import PublishCall, read_call
from core.engine.step_report import ORDERED_HERE, Reporter, keep_report
from core.format import names
from core.model import SessionStatus
from tests.support.copies import JOB, back_up, make_pair

NOW = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)
PACKED = Transfer(pack_count=1, blob_count=2, content_size=30, stored_size=10)
STOPPED = PublishOutcome(is_done=False, status=SessionStatus.STOPPED)
AWS = Reporter("aws", lambda: NOW)


@pytest.fixture
def session(tmp_path: Path) -> CopySession:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1"})
    return pair.session()


def call(session: CopySession, **others: object) -> PublishCall:
    claim = names.claim(JOB, session.claim.source_point, 0)
    given = {"session": session.id, "claim": claim, "end": "stopped", **others}
    return read_call(PublishCall, given)


def test_it_says_who_when_why_and_how_it_ended(session: CopySession) -> None:
    started = (NOW - timedelta(minutes=5)).isoformat()
    attempt = keep_report(AWS, session, call(session, started=started, reason="here"), STOPPED)
    assert (attempt.runner, attempt.runner_reason, attempt.outcome) == ("aws", "here", "Stopped")
    assert (attempt.started, attempt.ended) == ("20310504T025701000000Z", "20310504T030201000000Z")
    assert attempt.seconds == 300
    assert [line.split(" ", 1)[1] for line in attempt.log] == [
        f"session {session.id} copies {session.claim.source_point}",
        "runner: aws, because here",
        "ended: stopped",
    ]
    assert view_session(session.target, session.claim).attempts == (attempt,)


def test_only_what_came_since_it_started_is_its_own(session: CopySession) -> None:
    mark_packed(session.target.store, session.id, (0, 0), PACKED)
    (head,) = session.target.store.list(names.packed_of(session.id))
    before = keep_report(AWS, session, call(session, started=head.modified.isoformat()), STOPPED)
    assert before.transfer == PACKED
    later = (head.modified + timedelta(seconds=2)).isoformat()
    assert keep_report(AWS, session, call(session, started=later), STOPPED).transfer == Transfer()


def test_without_a_start_it_counts_from_the_claim(session: CopySession) -> None:
    mark_packed(session.target.store, session.id, (0, 0), PACKED)
    attempt = keep_report(AWS, session, call(session), STOPPED)
    assert (attempt.started, attempt.transfer) == (session.claim.claimed, PACKED)
    assert attempt.runner_reason == ORDERED_HERE


def test_an_execution_has_one_report_and_each_has_its_own(session: CopySession) -> None:
    started = NOW.isoformat()
    first = keep_report(AWS, session, call(session, started=started), STOPPED)
    open_yet = PublishOutcome(is_done=False)
    again = call(session, started=started, end="failed", error={"Error": "StoreError", "Cause": ""})
    assert (
        keep_report(Reporter("aws", lambda: NOW + timedelta(hours=1)), session, again, open_yet)
        == first
    )
    other = keep_report(AWS, session, call(session, started=started, attempt=2), STOPPED)
    assert view_session(session.target, session.claim).attempts == (first, other)


def test_a_clock_that_went_back_gives_no_negative_time(session: CopySession) -> None:
    started = (NOW + timedelta(minutes=5)).isoformat()
    assert keep_report(AWS, session, call(session, started=started), STOPPED).seconds == 0
