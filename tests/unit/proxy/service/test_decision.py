"""What a job does now: begin, go on, or wait."""

from datetime import UTC, datetime, timedelta

import pytest

from core import limits
from core.engine.standing import NEVER, OpenSession
from core.ids import JobId, PointId, RepositoryId, SessionId
from core.model import Claim, SessionKind
from proxy.schedule import parse_schedule
from proxy.service.decision import SeenSession, Step, Terms, decide, pack_seconds, plan_look
from proxy.window import parse_window

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def terms(schedule: str = "daily 10:00", *windows: str) -> Terms:
    spans = [parse_window(window) for window in windows]
    return Terms(schedule=parse_schedule(schedule), windows=spans, zone=UTC)


def seen(
    *,
    is_own: bool = False,
    idle: float = 0,
    is_stopped: bool = False,
    was_left: bool = False,
    letter: str = "a",
) -> SeenSession:
    claim = Claim(
        session_id=SessionId(letter * 32),
        kind=SessionKind.COPY,
        job_id=JobId("nightly"),
        job_version=1,
        source_id=RepositoryId("c" * 32),
        source_point=PointId("p"),
        record_name="r",
        ordinal=0,
        claimed="",
    )
    session = OpenSession(claim=claim, is_stopped=is_stopped, was_left=was_left, trace="")
    return SeenSession(session=session, is_own=is_own, idle_seconds=idle)


def test_what_is_due_begins_and_what_is_not_waits() -> None:
    due = decide(terms(), [], NOW - 3 * HOUR, NOW)
    assert (due.step, due.claim) == (Step.BEGIN, None)
    assert decide(terms(), [], NOW - HOUR, NOW).step is Step.WAIT
    assert (
        decide(terms("immediate"), [], NOW, NOW, join_after=limits.POOL_JOIN_AFTER_SECONDS).step
        is Step.BEGIN
    )


def test_nothing_happens_while_no_window_is_open() -> None:
    nights = terms("daily 10:00", "20:00-06:00")
    for sessions in ([], [seen(is_own=True)]):
        decision = decide(nights, sessions, NEVER, NOW)
        assert (decision.step, decision.why) == (Step.WAIT, "no window is open")


def test_a_proxy_of_its_own_goes_on_with_what_was_interrupted() -> None:
    # Whether it is due or not: the run began when it was.
    decision = decide(terms(), [seen()], NOW, NOW)
    assert decision.step is Step.RESUME
    assert decision.claim == seen().session.claim


def test_the_newest_of_several_is_gone_on_with() -> None:
    decision = decide(terms(), [seen(letter="a"), seen(letter="b")], NOW, NOW)
    assert decision.claim == seen(letter="b").session.claim


@pytest.mark.parametrize(
    ("session", "step", "why"),
    [
        (seen(), Step.WAIT, "somebody else works on it"),
        (seen(idle=limits.POOL_JOIN_AFTER_SECONDS - 1), Step.WAIT, "somebody else works on it"),
        (seen(idle=limits.POOL_JOIN_AFTER_SECONDS), Step.RESUME, "nothing was written"),
        (seen(was_left=True), Step.RESUME, "has left it"),
        (seen(is_own=True), Step.RESUME, "was interrupted"),
    ],
)
def test_a_member_of_a_pool_joins_only_what_nobody_works_on(
    session: SeenSession, step: Step, why: str
) -> None:
    # Due or not: a second session of the job does not begin beside the first.
    for last in (NEVER, NOW):
        decision = decide(terms(), [session], last, NOW, join_after=limits.POOL_JOIN_AFTER_SECONDS)
        assert decision.step is step
        assert why in decision.why


@pytest.mark.parametrize(
    ("read", "write", "seconds"),
    [
        (0, 0, 0),
        # A pack of 512 MiB at 0.9 MB/s takes as long as a member waits where there is no limit.
        (0, 900_000, 596.5),
        (0, 100_000, 5_368.7),
        (10_000_000, 0, 429.5),
        (10_000_000, 900_000, 1_026.0),
    ],
)
def test_a_pack_takes_what_the_limits_of_bandwidth_make_of_it(
    read: int, write: int, seconds: float
) -> None:
    assert pack_seconds(limits.PACK_SIZE_MAX, read, write) == pytest.approx(seconds, abs=0.1)


def test_a_member_of_a_pool_waits_longer_where_packs_take_longer() -> None:
    join_after = limits.POOL_JOIN_AFTER_SECONDS + pack_seconds(512 << 20, 0, 100_000)
    assert join_after > 5_900
    for idle, step in ((5_900, Step.WAIT), (join_after, Step.RESUME)):
        assert decide(terms(), [seen(idle=idle)], NOW, NOW, join_after=join_after).step is step


def test_a_session_that_was_ordered_to_stop_is_left_alone() -> None:
    stopped = [seen(is_stopped=True)]
    assert decide(terms(), stopped, NOW, NOW).step is Step.WAIT
    assert decide(terms(), stopped, NEVER, NOW).step is Step.BEGIN


def test_the_lag_is_counted_from_the_first_moment_that_was_missed() -> None:
    assert terms().lag_seconds(NOW - HOUR, NOW) == 0
    assert terms().lag_seconds(NOW - 3 * HOUR, NOW) == 2 * 3600
    assert terms().lag_seconds(NOW - 51 * HOUR, NOW) == 50 * 3600
    assert terms("immediate").lag_seconds(NEVER, NOW) == 0
    assert terms().lag_seconds(NEVER, NOW) > 360 * 86400


@pytest.mark.parametrize(
    ("given", "last", "looks_often", "at", "after"),
    [
        (terms(), NOW, False, NOW + 22 * HOUR, None),
        (terms(), NOW, True, NOW + 22 * HOUR, 60),
        # Due, and yet it waits: for another member.
        (terms(), NEVER, False, NOW + 22 * HOUR, 60),
        (terms("immediate"), NOW, False, None, 60),
        (terms("immediate", "20:00-06:00"), NOW, True, NOW + 8 * HOUR, None),
        (terms("daily 10:00", "20:00-06:00"), NOW, True, NOW + 8 * HOUR, None),
    ],
)
def test_the_next_look_is_when_something_can_happen(
    given: Terms, last: datetime, looks_often: bool, at: datetime | None, after: float | None
) -> None:
    plan = plan_look(given, last, NOW, 60, looks_often=looks_often)
    assert (plan.at, plan.after_seconds) == (at, after)
