"""A session in an appliance: begun once, watched, left, ended; its target says how."""

from itertools import pairwise
from pathlib import Path

import pytest

from core.engine import session as sessions
from core.engine.history import view_session
from core.engine.session import claim_name, is_stopped, void_session
from core.engine.state import Report
from core.errors import InputError, NotReadyError, StoreError
from core.ids import SessionId
from core.limits import WATCH_SECONDS, WATCH_SECONDS_MAX
from core.model import SessionStatus
from proxy.appliance import Execution
from proxy.appliance_run import (
    LostSightError,
    Watch,
    begin_execution,
    find_running,
    refuse_doubled,
    run_by_appliance,
    watch_execution,
)
from tests.support.appliance_clouds import Cloud, Deployed, Functions, wait_for_end
from tests.support.appliances import ENDS_WHEN_TOLD, SUCCEEDS, WAITS_FOREVER, Heard, fails
from tests.support.copies import Pair, back_up, make_pair

pytestmark = pytest.mark.xdist_group("appliances")
WHY = "the target's appliance serves it"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1" * 1000, b"b": b"2"})
    return pair


@pytest.fixture(scope="module")
def waiting(cloud: Cloud) -> Deployed:
    return cloud.deploy(WAITS_FOREVER)


def test_a_session_is_watched_to_its_end_and_told_like_a_local_one(
    pair: Pair, cloud: Cloud
) -> None:
    deployed, session, heard = cloud.deploy(ENDS_WHEN_TOLD), pair.session(), Heard()
    source, definition = session.source, session.definition
    with Functions(deployed, pair.target, source, definition, seconds=2):
        outcome = run_by_appliance(session, deployed.client(), WHY, Watch(progress=heard))
    assert outcome is not None
    assert (outcome.session_id, outcome.status) == (session.id, SessionStatus.SUCCESS)
    assert outcome.record is not None
    assert outcome.plan is not None
    moved = outcome.transfer
    assert (moved.pack_count, moved.blob_count, moved.content_size) == (1, 2, 1001)
    assert outcome.seconds > 0.5
    assert [phase[0] for phase in heard.phases] == ["Planning", "Repacking", "Publishing"]
    left = heard.phases[1][1:]
    assert left in {(1001, 2), (0, 0)}
    assert heard.done["Repacking"] == left
    assert f"runner: {cloud.kind}, because {WHY}" in heard.notes
    assert any(note.startswith("planned: 2 rows, 2 new blobs") for note in heard.notes)


def test_whoever_leaves_and_comes_back_starts_nothing_twice(pair: Pair, waiting: Deployed) -> None:
    appliance, session = waiting.client(), pair.session()
    before = len(waiting.executions())
    for words in ("started as execution", "watches execution"):
        heard = Heard()
        watch = Watch(progress=heard, leave=lambda: True)
        assert run_by_appliance(session, appliance, WHY, watch) is None
        assert any(note.startswith(f"{words} {session.id}-1 of") for note in heard.notes)
    assert len(waiting.executions()) == before + 1
    assert waiting.orders()[0]["claim"] == claim_name(session)
    assert waiting.orders()[0]["reason"] == WHY
    assert find_running(session.id, appliance) == 1
    appliance.stop(session.id, 1, "the test is over")


def test_one_that_runs_for_long_is_asked_for_less_and_less_often(
    pair: Pair, waiting: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time costs money, and nobody needs to know at once that a night's work is over."""
    appliance, session, now = waiting.client(), pair.session(), [0.0]
    asked: list[float] = []
    find = appliance.find

    def find_noted(session_id: SessionId, attempt: int) -> Execution | None:
        asked.append(now[0])
        return find(session_id, attempt)

    monkeypatch.setattr(appliance, "find", find_noted)
    watch = Watch(
        progress=Heard(),
        leave=lambda: now[0] >= 900,
        clock=lambda: now[0],
        sleep=lambda _: now.__setitem__(0, now[0] + 1.0),
    )
    assert run_by_appliance(session, appliance, WHY, watch) is None
    # Some look before they begin one as well, all at once.
    waits = [after - before for before, after in pairwise(sorted(set(asked)))]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (WATCH_SECONDS, WATCH_SECONDS_MAX)
    appliance.stop(session.id, 1, "the test is over")


def test_an_execution_that_has_to_end_is_stopped_and_reported(
    pair: Pair, waiting: Deployed
) -> None:
    appliance, session, heard = waiting.client(), pair.session(), Heard()
    watch = Watch(progress=heard, end=lambda: "its window has closed")
    outcome = run_by_appliance(session, appliance, WHY, watch)
    assert outcome is not None
    assert outcome.status is SessionStatus.STOPPED
    assert not is_stopped(pair.target.store, session.id)
    (attempt,) = view_session(pair.target, session.claim).attempts
    assert (attempt.runner, attempt.runner_reason, attempt.outcome) == (
        waiting.kind,
        WHY,
        "Stopped",
    )
    assert "its window has closed" in attempt.log[0]
    assert find_running(session.id, appliance) is None
    assert run_by_appliance(session, appliance, WHY, watch) is not None
    assert [order["attempt"] for order in waiting.orders()[:2]] == [2, 1]


def test_one_that_was_stopped_from_outside_says_how_to_go_on(pair: Pair, waiting: Deployed) -> None:
    appliance, session = waiting.client(), pair.session()
    assert (
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard(), leave=lambda: True))
        is None
    )
    appliance.stop(session.id, 1, "by hand")
    with pytest.raises(NotReadyError, match="stopped from outside") as caught:
        watch_execution(session, appliance, 1, Watch(progress=Heard(), go_on="coldhaul x"))
    assert "coldhaul x" in caught.value.hint


def test_a_failure_is_told_with_what_the_functions_said(pair: Pair, cloud: Cloud) -> None:
    appliance = cloud.deploy(fails("InputError", '{"errorMessage": "the key is wrong"}')).client()
    session = pair.session()
    with pytest.raises(InputError, match="failed: the key is wrong") as caught:
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard(), go_on="coldhaul x"))
    assert "coldhaul x" in caught.value.hint
    with pytest.raises(InputError):
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    assert appliance.find(session.id, 2) is not None


def test_how_a_session_ended_is_read_from_its_target(pair: Pair, cloud: Cloud) -> None:
    appliance, session = cloud.deploy(SUCCEEDS).client(), pair.session()
    with pytest.raises(StoreError, match="without publishing"):
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    void_session(pair.target, session.claim, Report(reasons=("a pack is gone",)))
    outcome = run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    assert outcome is not None
    assert outcome.status is SessionStatus.FAILED
    assert outcome.report is not None
    assert outcome.report.reasons == ("a pack is gone",)


def test_an_order_to_stop_is_seen_before_anything_is_started(pair: Pair, waiting: Deployed) -> None:
    session, before = pair.session(), len(waiting.executions())
    sessions.stop(pair.target.store, session.id)
    with pytest.raises(NotReadyError, match="has been stopped"):
        run_by_appliance(session, waiting.client(), WHY, Watch(progress=Heard()))
    assert len(waiting.executions()) == before


def test_a_session_that_was_ordered_to_stop_ends_as_stopped(pair: Pair, cloud: Cloud) -> None:
    deployed, session = cloud.deploy(ENDS_WHEN_TOLD), pair.session()
    appliance = deployed.client()
    watch = Watch(progress=Heard(), leave=lambda: True)
    assert run_by_appliance(session, appliance, WHY, watch) is None
    sessions.stop(pair.target.store, session.id)
    deployed.succeed()
    outcome = watch_execution(session, appliance, 1, Watch(progress=Heard()))
    assert outcome is not None
    assert outcome.status is SessionStatus.STOPPED


def test_who_loses_sight_is_told_that_it_goes_on(pair: Pair, waiting: Deployed) -> None:
    session, watch = pair.session(), Watch(progress=Heard(), again="coldhaul watch it")
    appliance = waiting.client()
    assert begin_execution(session, appliance, WHY, Heard()) == 1
    with (
        waiting.troubled("look", "denied") as blind,
        pytest.raises(LostSightError, match="the appliance goes on with the session") as lost,
    ):
        watch_execution(session, blind, 1, watch)
    assert "cannot look at" in lost.value.message
    assert "coldhaul watch it" in lost.value.hint
    assert find_running(session.id, appliance) == 1
    appliance.stop(session.id, 1, "the test is over")


def test_one_that_has_to_end_before_it_is_known_everywhere_ends_all_the_same(
    pair: Pair, waiting: Deployed
) -> None:
    session, heard = pair.session(), Heard()
    watch = Watch(progress=heard, end=lambda: "its window has closed")
    with waiting.troubled("stop", "not there", 2) as appliance:
        outcome = run_by_appliance(session, appliance, WHY, watch)
    assert outcome is not None
    assert outcome.status is SessionStatus.STOPPED
    assert heard.notes.count("ends the execution: its window has closed") == 1
    assert find_running(session.id, waiting.client()) is None


def test_whatever_takes_the_sight_away_is_no_reason_to_run_it_here(
    pair: Pair, waiting: Deployed
) -> None:
    session, appliance = pair.session(), waiting.client()
    assert begin_execution(session, appliance, WHY, Heard()) == 1
    with (
        waiting.troubled("look", "conflict", 1) as blind,
        pytest.raises(LostSightError, match="goes on with"),
    ):
        watch_execution(session, blind, 1, Watch(progress=Heard()))
    appliance.stop(session.id, 1, "the test is over")


def test_an_appliance_that_never_comes_to_an_end_is_an_error_that_people_are_told(
    pair: Pair, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.appliance_run.EXECUTION_ATTEMPTS_MAX", 1)
    appliance, session = cloud.deploy(SUCCEEDS).client(), pair.session()
    with pytest.raises(StoreError, match="without publishing"):
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    with pytest.raises(StoreError, match=r"has begun the session .* 1 times") as caught:
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    assert f"session abandon {session.id}" in caught.value.hint


def test_the_next_attempt_follows_the_newest_whoever_began_it(
    pair: Pair, waiting: Deployed
) -> None:
    appliance, session = waiting.client(), pair.session()
    for attempt in (1, 2, 3):
        assert begin_execution(session, appliance, WHY, Heard()) == attempt
        assert begin_execution(session, appliance, WHY, Heard()) == attempt
        latest = appliance.find_latest(session.id)
        assert latest is not None
        assert latest.attempt == attempt
        appliance.stop(session.id, attempt, "by hand")
        wait_for_end(waiting, f"{session.id}-{attempt}")
    assert find_running(session.id, appliance) is None
    assert [order["attempt"] for order in waiting.orders()[:3]] == [3, 2, 1]


def test_what_an_event_has_begun_is_not_begun_once_more(pair: Pair, waiting: Deployed) -> None:
    appliance, session = waiting.client(), pair.session()
    refuse_doubled(session, appliance)
    name = waiting.begin_by_event(str(session.claim.job_id))
    with pytest.raises(NotReadyError, match=f"has started the execution {name}"):
        refuse_doubled(session, appliance)
    waiting.end_ordered(name)
    refuse_doubled(session, appliance)
