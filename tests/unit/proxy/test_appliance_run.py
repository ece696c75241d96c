"""A session in an appliance: begun once, watched, left, ended; its target says how."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.engine import session as sessions
from core.engine.history import view_session
from core.engine.run import run_session
from core.engine.runner import Runner
from core.engine.session import CopySession, claim_name, is_stopped, void_session
from core.engine.state import Report
from core.errors import InputError, NotReadyError, StoreError
from core.model import SessionStatus
from proxy.appliance_aws import AwsAppliance
from proxy.appliance_run import (
    LostSightError,
    Watch,
    begin_execution,
    find_running,
    run_by_appliance,
    watch_execution,
)
from tests.emulators.fault_proxy import FaultProxy
from tests.emulators.faults import Refusal, Rule, refusal
from tests.emulators.services import S3Service
from tests.support.appliances import SUCCEEDS, WAITS_FOREVER, Heard, Stack, deploy, fails, waits
from tests.support.copies import Pair, back_up, make_pair

pytestmark = pytest.mark.xdist_group("appliances")
WHY = "the target's appliance serves it"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1" * 1000, b"b": b"2"})
    return pair


@pytest.fixture(scope="module")
def waiting(localstack: S3Service) -> Stack:
    return deploy(localstack, WAITS_FOREVER, {})


def client(stack: Stack) -> AwsAppliance:
    return AwsAppliance(stack.name, stack.region, stack.service.settings)


def machine(service: S3Service, definition: Mapping[str, Any]) -> AwsAppliance:
    return client(deploy(service, definition, {}))


@contextmanager
def reached_badly(stack: Stack, operation: str, code: str, times: int) -> Iterator[AwsAppliance]:
    """Have Step Functions refuse an operation so often."""
    refused = Refusal(name=code, status=400)
    rule = Rule(fault=refused, operations=frozenset({operation}), count=times)
    with FaultProxy(stack.service.endpoint, "aws", [rule]) as proxy:
        settings = replace(stack.service.settings, endpoint=proxy.endpoint)
        yield AwsAppliance(stack.name, stack.region, settings)
        assert rule.count == 0


@contextmanager
def worked_on(session: CopySession) -> Iterator[None]:
    """Have the engine work at a session meanwhile, as the appliance's functions would."""
    thread = threading.Thread(target=run_session, args=(session, Runner(name="aws", workers=1)))
    thread.start()
    yield
    thread.join()


def test_a_session_is_watched_to_its_end_and_told_like_a_local_one(
    pair: Pair, localstack: S3Service
) -> None:
    appliance, session, heard = machine(localstack, waits(6)), pair.session(), Heard()
    with worked_on(session):
        outcome = run_by_appliance(session, appliance, WHY, Watch(progress=heard))
    assert outcome is not None
    assert (outcome.session_id, outcome.status) == (session.id, SessionStatus.SUCCESS)
    assert outcome.record is not None
    assert outcome.plan is not None
    moved = outcome.transfer
    assert (moved.pack_count, moved.blob_count, moved.content_size) == (1, 2, 1001)
    assert outcome.seconds >= 5
    assert [phase[0] for phase in heard.phases] == ["Planning", "Repacking", "Publishing"]
    left = heard.phases[1][1:]
    assert left in {(1001, 2), (0, 0)}
    assert heard.done["Repacking"] == left
    assert f"runner: aws, because {WHY}" in heard.notes
    assert any(note.startswith("planned: 2 rows, 2 new blobs") for note in heard.notes)


def test_whoever_leaves_and_comes_back_starts_nothing_twice(pair: Pair, waiting: Stack) -> None:
    appliance, session = client(waiting), pair.session()
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


def test_an_execution_that_has_to_end_is_stopped_and_reported(pair: Pair, waiting: Stack) -> None:
    appliance, session, heard = client(waiting), pair.session(), Heard()
    watch = Watch(progress=heard, end=lambda: "its window has closed")
    outcome = run_by_appliance(session, appliance, WHY, watch)
    assert outcome is not None
    assert outcome.status is SessionStatus.STOPPED
    assert not is_stopped(pair.target.store, session.id)
    (attempt,) = view_session(pair.target, session.claim).attempts
    assert (attempt.runner, attempt.runner_reason, attempt.outcome) == ("aws", WHY, "Stopped")
    assert "its window has closed" in attempt.log[0]
    assert find_running(session.id, appliance) is None
    assert run_by_appliance(session, appliance, WHY, watch) is not None
    assert [order["attempt"] for order in waiting.orders()[:2]] == [2, 1]


def test_one_that_was_stopped_from_outside_says_how_to_go_on(pair: Pair, waiting: Stack) -> None:
    appliance, session = client(waiting), pair.session()
    assert (
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard(), leave=lambda: True))
        is None
    )
    appliance.stop(session.id, 1, "by hand")
    with pytest.raises(NotReadyError, match="stopped from outside") as caught:
        watch_execution(session, appliance, 1, Watch(progress=Heard(), go_on="coldhaul x"))
    assert "coldhaul x" in caught.value.hint


def test_a_failure_is_told_with_what_the_functions_said(pair: Pair, localstack: S3Service) -> None:
    appliance = machine(localstack, fails("InputError", '{"errorMessage": "the key is wrong"}'))
    session = pair.session()
    with pytest.raises(InputError, match="failed: the key is wrong") as caught:
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard(), go_on="coldhaul x"))
    assert "coldhaul x" in caught.value.hint
    with pytest.raises(InputError):
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    assert appliance.find(session.id, 2) is not None


def test_how_a_session_ended_is_read_from_its_target(pair: Pair, localstack: S3Service) -> None:
    appliance, session = machine(localstack, SUCCEEDS), pair.session()
    with pytest.raises(StoreError, match="without publishing"):
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    void_session(pair.target, session.claim, Report(reasons=("a pack is gone",)))
    outcome = run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    assert outcome is not None
    assert outcome.status is SessionStatus.FAILED
    assert outcome.report is not None
    assert outcome.report.reasons == ("a pack is gone",)


def test_an_order_to_stop_is_seen_before_anything_is_started(pair: Pair, waiting: Stack) -> None:
    session, before = pair.session(), len(waiting.executions())
    sessions.stop(pair.target.store, session.id)
    with pytest.raises(NotReadyError, match="has been stopped"):
        run_by_appliance(session, client(waiting), WHY, Watch(progress=Heard()))
    assert len(waiting.executions()) == before


def test_a_session_that_was_ordered_to_stop_ends_as_stopped(
    pair: Pair, localstack: S3Service
) -> None:
    appliance, session = machine(localstack, waits(2)), pair.session()
    watch = Watch(progress=Heard(), leave=lambda: True)
    assert run_by_appliance(session, appliance, WHY, watch) is None
    sessions.stop(pair.target.store, session.id)
    outcome = watch_execution(session, appliance, 1, Watch(progress=Heard()))
    assert outcome is not None
    assert outcome.status is SessionStatus.STOPPED


def test_who_loses_sight_is_told_that_it_goes_on(pair: Pair, waiting: Stack) -> None:
    session, watch = pair.session(), Watch(progress=Heard(), again="coldhaul watch it")
    appliance = client(waiting)
    assert begin_execution(session, appliance, WHY, Heard()) == 1
    denied = Rule(
        fault=refusal("aws", "AccessDeniedException"), operations=frozenset({"DescribeExecution"})
    )
    with FaultProxy(waiting.service.endpoint, "aws", [denied]) as proxy:
        settings = replace(waiting.service.settings, endpoint=proxy.endpoint)
        blind = AwsAppliance(waiting.name, waiting.region, settings)
        with pytest.raises(LostSightError, match="the appliance goes on with the session") as lost:
            watch_execution(session, blind, 1, watch)
    assert "states:DescribeExecution" in lost.value.message
    assert "coldhaul watch it" in lost.value.hint
    assert find_running(session.id, appliance) == 1
    appliance.stop(session.id, 1, "the test is over")


def test_one_that_has_to_end_before_it_is_known_everywhere_ends_all_the_same(
    pair: Pair, waiting: Stack
) -> None:
    session, heard = pair.session(), Heard()
    watch = Watch(progress=heard, end=lambda: "its window has closed")
    with reached_badly(waiting, "StopExecution", "ExecutionDoesNotExist", 2) as appliance:
        outcome = run_by_appliance(session, appliance, WHY, watch)
    assert outcome is not None
    assert outcome.status is SessionStatus.STOPPED
    assert heard.notes.count("ends the execution: its window has closed") == 1
    assert find_running(session.id, client(waiting)) is None


def test_whatever_takes_the_sight_away_is_no_reason_to_run_it_here(
    pair: Pair, waiting: Stack
) -> None:
    session, appliance = pair.session(), client(waiting)
    assert begin_execution(session, appliance, WHY, Heard()) == 1
    conflict = (waiting, "DescribeExecution", "ExecutionAlreadyExists", 1)
    with reached_badly(*conflict) as blind, pytest.raises(LostSightError, match="goes on with"):
        watch_execution(session, blind, 1, Watch(progress=Heard()))
    appliance.stop(session.id, 1, "the test is over")


def test_an_appliance_that_never_comes_to_an_end_is_an_error_that_people_are_told(
    pair: Pair, localstack: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.appliance_run.EXECUTION_ATTEMPTS_MAX", 1)
    appliance, session = machine(localstack, SUCCEEDS), pair.session()
    with pytest.raises(StoreError, match="without publishing"):
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    with pytest.raises(StoreError, match=r"has begun the session .* 1 times") as caught:
        run_by_appliance(session, appliance, WHY, Watch(progress=Heard()))
    assert f"session abandon {session.id}" in caught.value.hint
