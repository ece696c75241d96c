"""What the service knows of a job, step by step; time is given."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import limits
from core.engine.run import SessionOutcome
from core.engine.standing import NEVER
from core.engine.state import DamagedItem, Report, Transfer
from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.ids import PointId, SessionId
from core.model import SessionStatus
from proxy.invocation import Invocation
from proxy.schedule import parse_schedule
from proxy.service.decision import Decision, Step, Terms
from proxy.service.job_runner import JobRunner, Look, Run
from proxy.service.job_state import Doing, JobState
from proxy.window import parse_window

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BEGIN = Decision(step=Step.BEGIN, why="it is due")
WAIT = Decision(step=Step.WAIT, why="nothing is due")


def job(schedule: str = "daily 10:00", *windows: str, is_shared: bool = False) -> JobState:
    spans = [parse_window(window) for window in windows]
    terms = Terms(schedule=parse_schedule(schedule), windows=spans, zone=UTC)
    invocation = Invocation(config_path=Path("none.toml"), is_json=False)
    runner = JobRunner(invocation, "nightly", terms, lambda: NOW, is_shared=is_shared)
    return JobState(runner=runner, receivers=(), look_seconds=60, is_shared=is_shared)


def look(decision: Decision, last: datetime = NOW - HOUR, *, is_enabled: bool = True) -> Look:
    return Look(decision=decision, last=last, is_enabled=is_enabled)


def ended(status: SessionStatus, *, damaged: bool = False) -> Run:
    items = (DamagedItem(path="61", reason="gone"),) if damaged else ()
    report = Report(reasons=("it is so",), items=items)
    outcome = SessionOutcome(
        session_id=SessionId("a" * 32),
        source_point=PointId("p"),
        status=status,
        record=None,
        report=report if status is SessionStatus.FAILED else None,
        plan=None,
        transfer=Transfer(),
        seconds=1.0,
    )
    return Run(began=NOW, outcome=outcome)


def test_a_new_job_is_looked_at_at_once() -> None:
    assert job().is_time(0.0, NOW)
    assert job().next_run(NOW) == NOW
    assert job().lag_seconds(NOW) == 0


def test_a_job_that_is_not_due_sleeps_until_it_is() -> None:
    state = job()
    state.take_look(look(WAIT), 100.0, NOW)
    assert (state.doing, state.look_at, state.run_at) == (Doing.IDLE, math.inf, NOW + 22 * HOUR)
    assert not state.is_time(1e9, NOW)
    assert state.is_time(100.0, NOW + 22 * HOUR)
    assert state.next_run(NOW) == NOW + 22 * HOUR


@pytest.mark.parametrize("state", [job("immediate"), job(is_shared=True)])
def test_one_that_cannot_know_looks_again_soon(state: JobState) -> None:
    state.take_look(look(WAIT), 100.0, NOW)
    assert state.look_at == 160


def test_a_disabled_job_is_looked_at_and_has_no_next_run() -> None:
    state = job()
    state.take_look(look(WAIT, is_enabled=False), 100.0, NOW)
    assert (state.look_at, state.next_run(NOW)) == (160, None)


def test_a_due_job_waits_for_its_turn_and_is_not_looked_at_meanwhile() -> None:
    state = job()
    state.take_look(look(BEGIN, NEVER), 100.0, NOW)
    assert (state.doing, state.decision) == (Doing.WAITING, BEGIN)
    assert not state.is_time(1e9, NOW + 100 * HOUR)


def test_what_ran_is_not_due_again() -> None:
    state = job()
    state.take_look(look(BEGIN, NEVER), 100.0, NOW)
    state.take_run(ended(SessionStatus.SUCCESS), 200.0, NOW)
    assert (state.last, state.own_last, state.decision) == (NOW, NOW, None)
    assert state.run_at == NOW + 22 * HOUR


def test_nothing_to_copy_is_a_run_too_and_a_run_that_came_too_late_is_none() -> None:
    state = job()
    state.take_run(Run(began=NOW, outcome=None, why="nothing to copy"), 200.0, NOW)
    assert state.last == NOW
    late = job()
    late.take_run(Run(began=NOW, outcome=None, why="late", is_counted=False), 200.0, NOW)
    assert late.last == NEVER


def test_an_immediate_job_looks_for_the_next_point_at_once() -> None:
    state = job("immediate")
    state.take_run(ended(SessionStatus.WARNING), 200.0, NOW)
    assert state.look_at == 200


def test_a_stopped_run_goes_on_when_its_window_opens() -> None:
    state = job("daily 10:00", "20:00-06:00")
    state.take_run(ended(SessionStatus.STOPPED), 200.0, NOW)
    assert (state.last, state.run_at, state.look_at) == (NEVER, NOW + 8 * HOUR, math.inf)
    without = job()
    without.take_run(ended(SessionStatus.STOPPED), 200.0, NOW)
    assert without.look_at == 260


def test_a_point_that_failed_by_damage_is_skipped_until_another_succeeds() -> None:
    state = job("immediate")
    state.take_run(ended(SessionStatus.FAILED, damaged=True), 200.0, NOW)
    assert state.skipped == PointId("p")
    assert "it is so" in state.problems[0]
    state.take_look(look(BEGIN), 300.0, NOW)
    state.take_run(Run(began=NOW, outcome=None, why="still the next"), 300.0, NOW)
    assert (state.skipped, len(state.problems)) == (PointId("p"), 2)
    state.take_run(ended(SessionStatus.SUCCESS), 400.0, NOW)
    assert [state.skipped, *state.problems] == [None]


def test_a_session_that_failed_otherwise_is_followed_by_another() -> None:
    state = job("immediate")
    state.take_run(ended(SessionStatus.FAILED), 200.0, NOW)
    assert (state.skipped, state.look_at, len(state.problems)) == (None, 260, 1)


def test_an_error_is_retried_later_and_later() -> None:
    state, waits = job(), []
    for steady in (0.0, 1000.0, 2000.0, 9000.0):
        assert state.take_error(StoreError("away"), steady) is (steady == 0.0)
        waits.append(state.look_at - steady)
        assert (state.doing, state.run_at, state.problems) == (Doing.IDLE, None, ["away"])
    assert waits == [60, 120, 240, 480]
    for _ in range(40):
        state.take_error(ConflictError("taken"), 0.0)
    assert state.look_at == limits.RETRY_SECONDS_MAX
    state.take_look(look(WAIT), 100.0, NOW)
    assert (state.problems, state.failures) == ([], 0)


@pytest.mark.parametrize("error", [InputError("x", problems=["y"]), NotFoundError("x")])
def test_what_a_human_mends_is_looked_at_as_often_as_ever(error: ColdhaulError) -> None:
    state = job()
    for steady in (0.0, 100.0, 200.0):
        state.take_error(error, steady)
        assert state.look_at == steady + 60
    assert state.problems == [error.message, *error.problems]


def test_what_is_not_ready_is_no_problem() -> None:
    state = job()
    assert not state.take_error(NotReadyError("stopped by order"), 0.0)
    assert (state.problems, state.waits_for) == ([], "stopped by order")


def test_what_is_not_what_was_written_holds_the_job() -> None:
    state = job()
    state.take_error(StoreError("away"), 0.0)
    assert state.take_error(IntegrityError("damaged"), 0.0)
    assert state.doing is Doing.HELD
    assert not state.is_time(1e9, NOW + 1000 * HOUR)
    assert state.next_run(NOW) is None
    assert "SIGHUP" in state.problems[-1]


def test_a_configuration_read_again_frees_it_and_keeps_what_is_known() -> None:
    earlier, fresh = job(), job("immediate")
    earlier.take_run(ended(SessionStatus.FAILED, damaged=True), 0.0, NOW)
    earlier.runner.own.add(SessionId("b" * 32))
    earlier.hold("a bug")
    fresh.inherit(earlier)
    assert (fresh.doing, fresh.skipped, fresh.problems) == (Doing.IDLE, None, [])
    assert (fresh.last, fresh.own_last) == (NOW, NOW)
    assert fresh.runner.own == {"b" * 32}
    assert fresh.is_time(0.0, NOW)


def test_a_session_that_begins_after_the_configuration_was_read_again_is_known_as_own() -> None:
    earlier, fresh = job(is_shared=True), job(is_shared=True)
    fresh.inherit(earlier)
    earlier.runner.own.add(SessionId("b" * 32))
    assert fresh.runner.own == {"b" * 32}


def test_the_lag_is_nothing_while_it_runs() -> None:
    state = job()
    state.last = NOW - 3 * HOUR
    assert state.lag_seconds(NOW) == 2 * 3600
    state.doing = Doing.RUNNING
    assert state.lag_seconds(NOW) == 0


def test_an_error_after_what_is_not_ready_is_told_once() -> None:
    state = job()
    assert not state.take_error(NotReadyError("stopped by order"), 0.0)
    assert state.take_error(StoreError("away"), 100.0)
    assert not state.take_error(NotReadyError("stopped by order"), 200.0)
    assert not state.take_error(InputError("wrong"), 300.0)
    state.take_look(look(WAIT), 400.0, NOW)
    assert state.take_error(StoreError("away"), 500.0)
    state.take_run(ended(SessionStatus.SUCCESS), 600.0, NOW)
    assert state.take_error(StoreError("away"), 700.0)
