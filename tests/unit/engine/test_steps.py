"""Steps of an appliance: what each call answers, whoever else is at work on the session."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.engine.history import stop_session, view_session
from core.engine.jobs import Terms, enable_job
from core.engine.session import CopySession, resume, system_clock, void_session
from core.engine.state import Report
from core.engine.step_report import ORDERED_HERE
from core.engine.steps import Appliance, plan_step, publish_step, repack_step
from core.errors import (
    InputError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.format import names
from core.limits import KIB
from core.model import SessionStatus
from tests.support.copies import (
    JOB,
    Pair,
    back_up,
    check_copied,
    claims_of,
    make_pair,
    names_below,
    packs_of,
    pin_batches,
    read_state,
)
from tests.support.machine import LONG, Document, Machine, make_appliance
from tests.support.stores import Hooked, Kind

FAR = timedelta(days=365)
COUNT = 24
CONTENT = {b"%02d" % number: random.Random(number).randbytes(8 * KIB) for number in range(COUNT)}


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Give a job with a point of three batches of several packs to copy."""
    pin_batches(monkeypatch, 80 * KIB)
    pair = make_pair(tmp_path, is_encrypted=True)
    back_up(pair.source, CONTENT)
    return pair


@pytest.fixture
def appliance(pair: Pair) -> Appliance:
    return make_appliance(pair.target, pair.source)


def later() -> float:
    return time.monotonic() + LONG


def order_for(session: CopySession, **others: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the order of a proxy that has claimed this session."""
    claim = session.claim
    name = names.claim(JOB, claim.source_point, claim.ordinal)
    return {
        "session": claim.session_id,
        "claim": name,
        "attempt": 1,
        "version": "1.2.3",
        "reason": "the source is in this vendor's storage",
        **others,
    }


def is_whole(pair: Pair, answer: Document) -> bool:
    """Check the copy that an execution made of the newest point."""
    record = pair.target.read_record(answer["record"])
    source = pair.source.read_record(pair.source.list_records()[-1].name)
    check_copied(pair, source, record)
    return True


def plan_call(answer: Document) -> dict[str, Any]:
    kept = ("session", "claim", "attempt", "reason", "round", "started")
    return {key: answer[key] for key in kept}


# Whole sessions.


def test_an_ordered_session_is_planned_repacked_and_published(
    pair: Pair, appliance: Appliance
) -> None:
    machine = Machine(appliance)
    ended = machine.execute(order_for(pair.session()))
    assert ended.succeeded
    assert (ended.answer["state"], ended.answer["status"]) == ("done", "Success")
    assert is_whole(pair, ended.answer)
    kinds = [kind for kind, _ in machine.calls]
    assert kinds == ["plan", *["repack"] * 3, "plan", "publish"]


def test_a_plan_says_which_batches_are_to_be_repacked(pair: Pair, appliance: Appliance) -> None:
    session = pair.session()
    answer = plan_step(appliance, order_for(session, round=0), later()).document()
    prefix = f"sessions/{session.id}/batches/1/"
    batches = names_below(pair.target.store, prefix)
    assert answer | {"started": ""} == {
        "state": "repack",
        "session": session.id,
        "claim": names.claim(JOB, session.claim.source_point, 0),
        "attempt": 1,
        "reason": "the source is in this vendor's storage",
        "round": 1,
        "batches": f"vault/{prefix}",
        "batch_count": 3,
        "numbers": ["00000", "00001", "00002"],
        "more": False,
        "started": "",
    }
    assert batches == [f"{prefix}{number}.parquet" for number in answer["numbers"]]
    assert datetime.fromisoformat(answer["started"]).tzinfo is not None


@pytest.mark.parametrize("is_doubled", [False, True])
def test_calls_without_time_come_to_the_same_end(
    pair: Pair, appliance: Appliance, *, is_doubled: bool
) -> None:
    machine = Machine(appliance, seconds=0.0, is_doubled=is_doubled)
    ended = machine.execute({"job": JOB, "execution": "arn:1", "started": "2026-01-01T00:00:00Z"})
    assert ended.succeeded
    assert is_whole(pair, ended.answer)
    assert len(machine.calls) > 6, "no call had time for a batch"


def test_the_report_of_an_execution_tells_who_ran_it_and_what_it_moved(
    pair: Pair, appliance: Appliance
) -> None:
    ended = Machine(appliance).execute(order_for(pair.session()))
    (claim,) = claims_of(pair.target)
    view = view_session(pair.target, claim)
    (attempt,) = view.attempts
    assert (attempt.runner, attempt.outcome) == ("aws", ended.answer["status"])
    assert attempt.runner_reason == "the source is in this vendor's storage"
    assert attempt.transfer.blob_count == COUNT
    assert attempt.transfer.pack_count == len(packs_of(pair.target)) > 3
    assert attempt.transfer.content_size == COUNT * 8 * KIB
    assert attempt.started < attempt.ended
    assert attempt.seconds > 0
    assert view.status is SessionStatus.SUCCESS
    assert any("because the source is in" in line for line in attempt.log)


def test_an_empty_change_has_nothing_to_repack(pair: Pair, appliance: Appliance) -> None:
    Machine(appliance).execute({"job": JOB})
    back_up(pair.source, {b"00": None})
    machine = Machine(appliance)
    ended = machine.execute({"job": JOB})
    assert [kind for kind, _ in machine.calls] == ["plan", "publish"]
    assert is_whole(pair, ended.answer)


# Orders that are not carried out.


def test_another_version_is_refused_before_anything_is_done(
    pair: Pair, appliance: Appliance
) -> None:
    session = pair.session()
    before = names_below(pair.target.store)
    with pytest.raises(InputError, match=r"the proxy has version 1.2.4, the appliance 1.2.3"):
        plan_step(appliance, order_for(session, version="1.2.4", round=0), later())
    assert names_below(pair.target.store) == before


def test_a_claim_is_believed_only_for_its_session_and_source(
    pair: Pair, appliance: Appliance, tmp_path: Path
) -> None:
    session = pair.session()
    with pytest.raises(InputError, match="is not the claim of the session"):
        plan_step(appliance, order_for(session) | {"session": "f" * 32}, later())
    with pytest.raises(NotFoundError):
        plan_step(appliance, order_for(session, claim=f"jobs/{JOB}/claims/x-0.json"), later())
    other = make_pair(tmp_path / "other")
    with pytest.raises(InputError, match="the appliance was deployed for"):
        plan_step(replace(appliance, source=other.source), order_for(session), later())


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        ("elsewhere/sessions/{}/batches/1/00000.parquet", "not in the target"),
        ("vault/sessions/{}/parts/00000-0.parquet", "not the name of a batch"),
        (f"vault/sessions/{'f' * 32}/batches/1/00000.parquet", "not of the session"),
    ],
)
def test_only_batches_of_the_session_are_repacked(
    pair: Pair, appliance: Appliance, batch: str, problem: str
) -> None:
    session = pair.session()
    given = {key: order_for(session)[key] for key in ("session", "claim")}
    with pytest.raises(InputError, match=problem):
        repack_step(appliance, {**given, "batch": batch.format(session.id)}, later())


def test_a_batch_that_nobody_has_planned_is_damage(pair: Pair, appliance: Appliance) -> None:
    session = pair.session()
    plan_step(appliance, order_for(session), later())
    given = {key: order_for(session)[key] for key in ("session", "claim")}
    name = appliance.root + names.batch(session.id, 1, 99)
    with pytest.raises(IntegrityError, match="has no batch 99"):
        repack_step(appliance, {**given, "batch": name}, later())


# Orders by an event or a schedule.


def test_a_job_without_a_new_point_has_nothing_to_do(pair: Pair, appliance: Appliance) -> None:
    assert Machine(appliance).execute({"job": JOB}).answer["status"] == "Success"
    ended = Machine(appliance).execute({"job": JOB})
    assert ended.succeeded
    assert (ended.answer["state"], ended.answer["session"]) == ("nothing", "")
    assert ended.answer["reason"] == f"the job {JOB} has nothing to copy"


@pytest.fixture
def immediate(tmp_path: Path) -> Pair:
    """Give a job that copies each point, and one to copy."""
    pair = make_pair(tmp_path / "immediate", terms=Terms(schedule="immediate"))
    back_up(pair.source, CONTENT)
    return pair


def test_an_execution_copies_what_came_while_its_first_session_ran(immediate: Pair) -> None:
    """The event of the second point finds the session of the first at work, and comes no more."""
    appliance = make_appliance(immediate.target, immediate.source)
    call = {"job": JOB, "execution": "one", "started": "2026-01-01T00:00:00Z"}
    first = plan_step(appliance, call, later())
    back_up(immediate.source, {b"new": b"content"})
    assert Machine(appliance).execute({"job": JOB}).answer["state"] == "busy"
    machine = Machine(appliance)
    ended = machine.execute(call)
    assert is_whole(immediate, ended.answer)
    claims = claims_of(immediate.target)
    assert len({claim.session_id for claim in claims}) == len(claims) == 2
    assert claims[0].session_id == first.session
    for claim in claims:
        (attempt,) = view_session(immediate.target, claim).attempts
        assert (attempt.runner, attempt.outcome) == ("aws", "Success")
    assert [kind for kind, _ in machine.calls][-1] == "plan", "it looked once more"


def test_only_a_job_that_copies_each_point_looks_for_the_next(
    pair: Pair, immediate: Pair, appliance: Appliance
) -> None:
    daily = plan_step(appliance, {"job": JOB}, later())
    each = plan_step(make_appliance(immediate.target, immediate.source), {"job": JOB}, later())
    assert (daily.more, each.more) == (False, True)


def test_a_disabled_job_has_nothing_to_do(pair: Pair, appliance: Appliance) -> None:
    enable_job(pair.target, JOB, is_enabled=False)
    ended = Machine(appliance).execute({"job": JOB})
    assert (ended.succeeded, ended.answer["reason"]) == (True, f"the job {JOB} is disabled")
    assert claims_of(pair.target) == []


def test_a_job_that_is_not_there_fails_the_execution(appliance: Appliance) -> None:
    assert Machine(appliance).execute({"job": "weekly"}).error == "NotFoundError"


def test_a_session_of_somebody_else_is_left_alone_while_it_moves(
    pair: Pair, appliance: Appliance
) -> None:
    session = pair.session()
    ended = Machine(appliance).execute({"job": JOB})
    assert ended.succeeded
    assert (ended.answer["state"], ended.answer["session"]) == ("busy", session.id)
    assert session.id in ended.answer["reason"]


def test_a_session_that_has_not_moved_for_long_is_joined(pair: Pair, appliance: Appliance) -> None:
    session = pair.session()
    slow = replace(appliance, clock=lambda: system_clock() + timedelta(seconds=590))
    assert Machine(slow).execute({"job": JOB}).answer["state"] == "busy"
    later_on = replace(appliance, clock=lambda: system_clock() + timedelta(seconds=610))
    ended = Machine(later_on).execute({"job": JOB})
    assert ended.answer["status"] == "Success"
    assert [claim.session_id for claim in claims_of(pair.target)] == [session.id]
    (attempt,) = view_session(pair.target, session.claim).attempts
    assert attempt.runner_reason == ORDERED_HERE


def test_a_call_that_failed_after_it_joined_is_made_again_and_fails_again(
    pair: Pair, appliance: Appliance
) -> None:
    """What it wrote is no sign of somebody else: that would end the execution well, for ever."""

    def fail(kind: Kind, name: str) -> None:
        if kind in {"put", "complete"} and "plan.json" in name:
            raise StoreError("the bucket is full")

    session = pair.session()
    patient = replace(appliance, clock=lambda: system_clock() + timedelta(seconds=610))
    failing = pair.seen(target=Hooked(pair.target.store, fail)).target
    call = {"job": JOB, "execution": "one", "started": "2026-01-01T00:00:00Z"}
    with pytest.raises(StoreError):
        plan_step(replace(patient, target=failing), call, later())
    with pytest.raises(StoreError):
        plan_step(replace(appliance, target=failing), call, later())
    again = plan_step(appliance, call, later())
    assert (again.state, again.session) == ("repack", session.id)
    other = plan_step(appliance, {**call, "execution": "two"}, later())
    assert other.state == "busy"


def test_a_clock_that_is_behind_the_stores_joins_nothing(pair: Pair, appliance: Appliance) -> None:
    pair.session()
    behind = replace(appliance, clock=lambda: datetime.now(UTC) - FAR)
    assert Machine(behind).execute({"job": JOB}).answer["state"] == "busy"


def test_a_stopped_session_is_left_to_its_operator(pair: Pair, appliance: Appliance) -> None:
    session = pair.session()
    stop_session(pair.target, session.claim)
    patient = replace(appliance, clock=lambda: system_clock() + FAR)
    ended = Machine(patient).execute({"job": JOB})
    assert ended.answer["state"] == "nothing"
    assert ended.answer["reason"] == f"the session {session.id} has been stopped"


def test_a_call_that_was_cut_after_its_claim_knows_it_again(
    pair: Pair, appliance: Appliance
) -> None:
    call = {"job": JOB, "execution": "arn:1", "started": "2026-01-01T00:00:00Z"}
    first = plan_step(appliance, call, later())
    again = plan_step(appliance, call, later())
    assert (again.state, again.session) == (first.state, first.session)
    other = plan_step(appliance, {**call, "execution": "arn:2"}, later())
    assert (other.state, other.session) == ("busy", first.session)
    same_name = plan_step(appliance, {**call, "started": "2026-06-01T00:00:00Z"}, later())
    assert same_name.state == "busy"


# Stops, ends and what comes late.


def test_a_stop_before_and_between_calls_ends_the_execution(
    pair: Pair, appliance: Appliance
) -> None:
    session = pair.session()
    answer = plan_step(appliance, order_for(session), later()).document()
    stop_session(pair.target, session.claim)
    assert plan_step(appliance, plan_call(answer), later()).state == "stopped"
    batch = f"{answer['batches']}00000.parquet"
    given = {"session": session.id, "claim": answer["claim"], "batch": batch}
    assert repack_step(appliance, given, later()).state == "stopped"
    ended = Machine(appliance).execute(order_for(session))
    assert (ended.succeeded, ended.answer["status"]) == (True, "Stopped")
    view = view_session(pair.target, session.claim)
    assert (view.status, view.attempts[-1].outcome) == (SessionStatus.STOPPED, "Stopped")


def test_a_stopped_session_is_resumed_by_another_execution(
    pair: Pair, appliance: Appliance
) -> None:
    session = pair.session()
    plan_step(appliance, order_for(session), later())
    stop_session(pair.target, session.claim)
    Machine(appliance).execute(order_for(session))
    resume(pair.target.store, session.id)
    ended = Machine(appliance).execute(order_for(session, attempt=2))
    assert is_whole(pair, ended.answer)
    view = view_session(pair.target, session.claim)
    assert [attempt.outcome for attempt in view.attempts] == ["Stopped", "Success"]
    assert view.transfer.blob_count == COUNT, "no pack is counted for both"


def test_calls_after_the_end_change_nothing(pair: Pair, appliance: Appliance) -> None:
    session = pair.session()
    machine = Machine(appliance)
    first = machine.execute(order_for(session))
    before = names_below(pair.target.store)
    for kind, given in machine.calls:
        if kind == "plan":
            assert plan_step(appliance, given, later()).state == "publish"
        if kind == "repack":
            assert repack_step(appliance, given, later()).state == "done"
        if kind == "publish":
            assert publish_step(appliance, given, later()).document() == first.answer
    assert names_below(pair.target.store) == before


@pytest.mark.parametrize("end", ["stopped", "stalled", "failed"])
def test_what_is_published_stays_published(pair: Pair, appliance: Appliance, end: str) -> None:
    machine = Machine(appliance)
    first = machine.execute(order_for(pair.session()))
    _, given = machine.calls[-1]
    answer = publish_step(appliance, {**given, "end": end}, later()).document()
    assert answer == first.answer


def test_a_void_session_is_told_as_failed(pair: Pair, appliance: Appliance) -> None:
    session = pair.session()
    assert void_session(pair.target, session.claim, Report(reasons=("given up",)))
    ended = Machine(appliance).execute(order_for(session))
    assert (ended.succeeded, ended.error) == (False, "SessionFailed")
    assert (ended.answer["status"], ended.answer["reasons"]) == ("Failed", ["given up"])


def test_a_stalled_batch_fails_the_session(pair: Pair, appliance: Appliance) -> None:
    """Parts that a call has seen before are not new to the next ones."""
    session = pair.session()
    answer = plan_step(appliance, order_for(session), later()).document()
    given = {"session": session.id, "claim": answer["claim"], "part_count": 4}
    given |= {"batch": f"{answer['batches']}00000.parquet", "stalled_calls": 0}
    for count, expected in enumerate(("again", "again", "stalled"), 1):
        call = repack_step(appliance, given, 0.0).document()
        assert (call["state"], call["stalled_calls"]) == (expected, count)
        given["stalled_calls"] = call["stalled_calls"]
    end = {key: answer[key] for key in ("session", "claim", "attempt", "reason", "started")}
    ended = publish_step(appliance, {**end, "end": "stalled"}, later()).document()
    assert ended["status"] == "Failed"
    assert "makes no progress" in ended["reasons"][0]
    view = view_session(pair.target, session.claim)
    assert view.status is SessionStatus.FAILED
    assert view.reasons == tuple(ended["reasons"])


def test_a_failed_execution_leaves_its_report_and_a_session_to_resume(
    pair: Pair, appliance: Appliance
) -> None:
    def fail(kind: Kind, name: str) -> None:
        if kind == "complete" and "/packs/" in f"/{name}" and len(packs_of(pair.target)) >= 2:
            raise StoreError("the bucket is full")

    session = pair.session()
    failing = replace(appliance, target=pair.seen(target=Hooked(pair.target.store, fail)).target)
    ended = Machine(failing).execute(order_for(session))
    assert (ended.succeeded, ended.error) == (False, "StoreError")
    assert ended.answer["status"] == "Running"
    assert ended.answer["reasons"] == ["store: the bucket is full"]
    view = view_session(pair.target, session.claim)
    assert view.reasons == ("last attempt: store: the bucket is full",)
    assert view.attempts[0].transfer.pack_count == 2
    ended = Machine(appliance).execute(order_for(session, attempt=2))
    assert is_whole(pair, ended.answer)


def test_the_first_report_of_an_execution_is_the_one_that_counts(
    pair: Pair, appliance: Appliance
) -> None:
    session = pair.session()
    answer = plan_step(appliance, order_for(session), later()).document()
    end = {key: answer[key] for key in ("session", "claim", "attempt", "reason", "started")}
    end["end"] = "failed"
    cause = '{"errorMessage": "packs/x is damaged", "errorType": "IntegrityError"}'
    error = {"Error": "IntegrityError", "Cause": cause}
    publish_step(appliance, {**end, "error": error}, later())
    error = {"Error": "States.ExceedToleratedFailureThreshold", "Cause": "too many"}
    last = publish_step(appliance, {**end, "error": error}, later()).document()
    assert last["reasons"] == ["integrity: packs/x is damaged"]
    assert len(view_session(pair.target, session.claim).attempts) == 1


def test_publishing_what_is_not_repacked_fails_and_loses_nothing(
    pair: Pair, appliance: Appliance
) -> None:
    session = pair.session()
    answer = plan_step(appliance, order_for(session), later()).document()
    end = {key: answer[key] for key in ("session", "claim", "attempt", "reason", "started")}
    end["end"] = "publish"
    with pytest.raises(NotReadyError, match="is not repacked to its end"):
        publish_step(appliance, end, later())
    Machine(appliance).execute(order_for(session))


def test_publishing_that_finds_no_time_says_so(pair: Pair, appliance: Appliance) -> None:
    session = pair.session()
    plan = plan_step(appliance, order_for(session), later()).document()
    machine = Machine(appliance)
    machine._map(plan)
    end = {key: plan[key] for key in ("session", "claim", "attempt", "reason", "started")}
    with pytest.raises(NotReadyError, match="no time left to publish"):
        publish_step(appliance, {**end, "end": "publish"}, 0.0)
    answer = publish_step(appliance, {**end, "end": "publish"}, later())
    assert answer.status == "Success"


def test_damage_in_the_source_fails_the_session_without_naming_items(
    pair: Pair, appliance: Appliance
) -> None:
    """I5."""
    back_up(pair.source, {b"payroll.xlsx": b"secret"})
    record = pair.source.read_record(pair.source.list_records()[-1].name)
    (blob,) = read_state(pair.source, record)[b"payroll.xlsx"].blobs
    pair.source.store.delete([names.blob(blob)])
    machine = Machine(appliance)
    ended = machine.execute({"job": JOB})
    assert ended.answer["status"] == "Failed"
    assert ended.answer["reasons"] == ["1 items of the source have missing or damaged blobs"]
    assert "payroll" not in f"{machine.calls} {ended}"
    (claim,) = claims_of(pair.target)
    attempts = view_session(pair.target, claim).attempts
    assert "payroll" not in str(attempts)


def test_two_executions_at_once_end_with_one_point(pair: Pair, appliance: Appliance) -> None:
    session = pair.session()
    with ThreadPoolExecutor(2) as pool:
        orders = [order_for(session, attempt=number) for number in (1, 2)]
        ended = list(pool.map(Machine(appliance, seconds=0.2).execute, orders))
    assert {each.answer["record"] for each in ended} == {session.claim.record_name}
    assert is_whole(pair, ended[0].answer)
