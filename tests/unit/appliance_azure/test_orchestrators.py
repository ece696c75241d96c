"""Orchestrators decide as the state machine of Amazon's appliance does, by scripted activities.

What both have to do alike is in tests/parity; here is what only Durable Functions asks for.
"""

import json
import logging
from collections.abc import Callable

import pytest

from appliance_azure import orchestrators
from appliance_azure.failures import read_failure
from core import limits
from tests.support.durable import Chance, Document, Instance
from tests.support.scripts import (
    DIES,
    DONE,
    ORDER,
    SUCCESS,
    Line,
    Script,
    hub_of,
    planned,
    published,
    ranges,
    run,
)

JOB = {"job": "nightly", "execution": "event 1", "started": "2026-11-25T20:59:59+00:00"}
CLAIMED = {"session": "S", "claim": "c", "attempt": 1, "reason": "an event", "job": None}


def failed_with(instance: Instance) -> tuple[str, str]:
    assert instance.status == "Failed"
    return read_failure(instance.output)


def test_a_session_is_planned_repacked_and_published() -> None:
    instance, script, _ = run(
        plan=[planned("again"), planned("repack", numbers=ranges(3)), planned("publish")],
        repack=[DONE],
        publish=SUCCESS,
    )
    assert (instance.status, instance.output) == ("Completed", published("Success"))
    assert script.counts() == {
        "plan": 3,
        "publish": 1,
        **{f"repack-{number:05}": 1 for number in range(3)},
    }
    first, second, _ = script.calls["plan"]
    assert first == {
        "session": "S",
        "claim": "c",
        "attempt": 1,
        "reason": "because",
        "version": "0.1.0",
        "round": 0,
        "execution": "S",
        "started": "2026-11-25T21:00:01+00:00",
    }
    del first["execution"]
    assert second == first
    assert script.calls["repack-00002"] == [
        {
            "instance": "S:1:1:0",
            "session": "S",
            "claim": "c",
            "batch": "S/batches/0/00002.parquet",
            "part_count": 0,
            "stalled_calls": 0,
        }
    ]
    assert script.calls["publish"] == [
        {
            "session": "S",
            "claim": "c",
            "attempt": 1,
            "reason": "because",
            "end": "publish",
            "error": {},
            "started": "2026-11-25T21:00:01+00:00",
        }
    ]


def test_a_round_that_is_planned_twice_has_other_instances() -> None:
    """A status is of the last instance of an id, and is written after its first calls are made."""
    instance, script, hub = run(
        plan=[
            planned("repack", numbers=ranges(1), round=1),
            planned("repack", numbers=ranges(1), round=1),
            planned("publish"),
        ],
        repack=[DONE],
        publish=SUCCESS,
    )
    assert instance.status == "Completed"
    assert [call["instance"] for call in script.calls["repack-00000"]] == ["S:1:1:0", "S:1:2:0"]
    assert hub.instances.keys() == {"S", "S:1:1:0", "S:1:2:0"}


def test_its_status_tells_counts_and_that_nothing_has_failed() -> None:
    instance, _, _ = run(
        plan=[planned("repack", numbers=ranges(3), batch_count=3), planned("publish")],
        repack=[DONE],
        publish=SUCCESS,
    )
    counts = {"attempt": 1, "round": 0, "batches": 3, "done": 3}
    assert instance.custom_status == {**counts, "is_ending": False}


def test_a_failed_batch_is_reported_once_by_its_cause_and_its_group_calls_no_more() -> None:
    instance, script, _ = run(
        plan=[planned("repack", numbers=ranges(3))],
        repack=[{"state": "again", "part_count": 1, "stalled_calls": 0}],
        repack_00001=["IntegrityError"],
        publish=[published("Running")],
    )
    assert failed_with(instance)[0] == "SessionFailed"
    (report,) = script.calls["publish"]
    assert (report["end"], report["error"]["Error"]) == ("failed", "IntegrityError")
    assert "as the script says" in report["error"]["Cause"]
    assert script.counts()["repack-00000"] == script.counts()["repack-00002"] == 1


def test_all_groups_are_begun_before_the_first_call_is_made() -> None:
    """Instances take what is next, and none waits for a group that it has no part in."""
    begun: list[int] = []

    class Counting(Script):
        def __call__(self, name: str, call: Document) -> Document:
            begun.append(len(hub.instances))
            return super().__call__(name, call)

    count = 4 * limits.GROUP_BATCHES_MAX + 1
    plan = [planned("repack", numbers=ranges(count)), planned("publish")]
    hub = hub_of(Counting({"plan": plan, "repack": [DONE], "publish": SUCCESS}))
    instance = hub.start("session", ORDER, "S")
    hub.run()
    assert instance.status == "Completed"
    assert begun == [1, *[6] * (count + 2)]


def test_what_is_called_after_a_failure_finds_that_its_group_or_its_session_is_ending() -> None:
    """The app asks for both statuses before it works on a batch."""
    worked: list[str] = []

    class App(Script):
        def __call__(self, name: str, call: Document) -> Document:
            asked = [hub.instances[id_] for id_ in ("S", call.get("instance", "S"))]
            if name == "repack" and any(each.custom_status.get("is_ending") for each in asked):
                return {**call, "state": "stopped"}
            worked.append(name)
            return super().__call__(name, call)

    class TurnsFirst(Chance):
        """Whoever has a message takes notice before the next call is made."""

        def choose(self, count: int) -> int:
            return len(hub._work) % count

    lines: dict[str, list[Line]] = {
        "plan": [planned("repack", numbers=ranges(2 * limits.GROUP_BATCHES_MAX))],
        "repack": [DONE],
        "repack-00001": ["IntegrityError"],
        "publish": [published("Running")],
    }
    script = App(lines)
    hub = hub_of(script, TurnsFirst())
    instance = hub.start("session", ORDER, "S")
    hub.run()
    assert worked == ["plan", "repack", "repack", "publish"]
    assert failed_with(instance)[0] == "SessionFailed"
    assert script.calls["publish"][0]["error"]["Error"] == "IntegrityError"
    assert instance.custom_status["is_ending"]


def test_of_several_groups_that_fail_the_first_in_order_is_told() -> None:
    _, script, _ = run(
        plan=[planned("repack", numbers=ranges(limits.GROUP_BATCHES_MAX + 1))],
        repack=[DONE],
        repack_00004=["StoreError"],
        repack_00250=["IntegrityError"],
        publish=[published("Running")],
    )
    assert script.calls["publish"][0]["error"]["Error"] == "StoreError"


def test_a_stop_in_any_group_stops_the_session() -> None:
    instance, script, _ = run(
        plan=[planned("repack", numbers=ranges(limits.GROUP_BATCHES_MAX + 1))],
        repack=[DONE],
        repack_00000=[{"state": "stalled"}],
        repack_00250=[{"state": "stopped"}],
        publish=[published("Stopped")],
    )
    assert (instance.status, script.ends()) == ("Completed", ["stopped"])


def test_a_stalled_batch_fails_the_session_when_all_groups_are_done() -> None:
    instance, script, _ = run(
        plan=[planned("repack", numbers=ranges(limits.GROUP_BATCHES_MAX + 1))],
        repack=[DONE],
        repack_00000=[{"state": "stalled"}],
        publish=[published("Failed")],
    )
    assert (instance.status, script.ends()) == ("Failed", ["stalled"])
    assert len(script.calls) == limits.GROUP_BATCHES_MAX + 3


def test_whoever_waits_for_another_try_holds_up_no_other() -> None:
    """A batch that failed is called again beside the later calls of the others."""
    instance, script, _ = run(
        plan=[planned("repack", numbers=ranges(2)), planned("publish")],
        repack_00000=["StoreError", DONE],
        repack_00001=[{"state": "again", "part_count": 1, "stalled_calls": 0}, DONE],
        publish=SUCCESS,
    )
    assert instance.status == "Completed"
    assert script.counts() == {"plan": 2, "publish": 1, "repack-00000": 2, "repack-00001": 2}


def test_tries_begin_anew_after_a_call_that_went_well() -> None:
    again = {"state": "again", "part_count": 1, "stalled_calls": 0}
    dies = [DIES] * limits.STEP_DEATH_RETRIES_MAX
    instance, _, _ = run(
        plan=[planned("repack", numbers=ranges(1)), planned("publish")],
        repack=[*dies, again, *dies, DONE],
        publish=SUCCESS,
    )
    assert instance.status == "Completed"


def test_a_function_that_always_dies_fails_the_session_and_nothing_foreign_is_told() -> None:
    instance, script, _ = run(
        plan=[planned("repack", numbers=ranges(1))], repack=[DIES], publish=[published("Running")]
    )
    assert failed_with(instance)[0] == "SessionFailed"
    assert len(script.calls["repack-00000"]) == 1 + limits.STEP_DEATH_RETRIES_MAX
    assert script.calls["publish"][0]["error"]["Error"] == "TaskFailed"
    assert "payroll" not in json.dumps([script.calls, instance.output])


def test_a_store_that_always_fails_is_given_up() -> None:
    instance, script, _ = run(plan=["StoreError"], publish=[published("Running")])
    assert failed_with(instance)[0] == "SessionFailed"
    assert len(script.calls["plan"]) == 1 + limits.STEP_STORE_RETRIES_MAX
    assert script.calls["publish"][0]["error"]["Error"] == "StoreError"
    assert script.calls["publish"][0]["session"] == "S"


def test_an_answer_that_is_not_understood_fails_the_session_and_is_reported() -> None:
    again = {"state": "again", "part_count": None}
    for lines in (
        {"plan": [planned("dance")]},
        {"plan": [planned("repack", numbers="0-2")]},
        {"plan": [planned("repack", numbers=None)]},
        {"plan": [planned("publish", attempt="first")]},
        {"plan": [planned("repack", numbers=ranges(1))], "repack": [again]},
        {"plan": [planned("repack", numbers=ranges(1))], "repack": [{"state": "dance"}]},
    ):
        instance, script, _ = run(publish=[published("Running")], **lines)
        assert failed_with(instance)[0] == "SessionFailed"
        assert script.calls["publish"][0]["error"]["Error"] == "NoAnswer"


def test_a_publish_that_says_too_little_has_not_published() -> None:
    less = {"state": "done", "status": None, "record": None, "reasons": None}
    instance, script, _ = run(plan=[planned("publish")], publish=[less])
    assert failed_with(instance)[0] == "SessionFailed"
    assert script.ends() == ["publish"]


def test_what_an_event_ordered_keeps_its_execution_and_its_start() -> None:
    instance, script, _ = run(JOB, plan=[planned("publish", **CLAIMED)], publish=SUCCESS)
    assert instance.status == "Completed"
    assert script.calls["plan"] == [{**JOB, "round": 0}]
    assert script.calls["publish"][0]["reason"] == "an event"


def test_a_job_that_copies_each_point_has_the_next_instance_begun() -> None:
    instance, script, _ = run(
        JOB,
        plan=[planned("publish", **CLAIMED, more=True)],
        publish=SUCCESS,
        next=["StoreError", {"instance": "T"}],
    )
    assert instance.status == "Completed"
    first, second = script.calls["next"]
    assert first == second
    assert first.keys() == JOB.keys()
    assert (first["job"], first["execution"]) == ("nightly", "S S")
    assert first["started"] > "2026-11-25T21:00:00"


@pytest.fixture
def failures(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Document]]:
    """The lines that an alert looks for."""
    caplog.set_level(logging.INFO, "coldhaul")

    def read() -> list[Document]:
        lines = [json.loads(each.getMessage()) for each in caplog.records]
        return [line for line in lines if line.get("failed_sessions")]

    return read


def test_whatever_an_attempt_fails_by_it_writes_one_line_that_says_so(
    failures: Callable[[], list[Document]],
) -> None:
    """Also where the target cannot be opened, so that plan and publish fail alike."""
    told = {"message": "session", "session": "S", "failed_sessions": 1}
    scripts: list[tuple[Document, dict[str, list[Line]], str]] = [
        (ORDER, {"plan": ["InputError"], "publish": ["InputError"]}, "InputError"),
        (ORDER, {"plan": ["StoreError"], "publish": ["StoreError"]}, "StoreError"),
        (JOB, {"plan": ["InputError"]}, "InputError"),
        (ORDER, {"plan": [planned("publish")], "publish": [published("Failed")]}, "SessionFailed"),
        (ORDER, {"plan": ["InputError"], "publish": [published("Running")]}, "SessionFailed"),
    ]
    for number, (order, lines, error) in enumerate(scripts, start=1):
        instance, _, _ = run(order, **lines)
        assert failed_with(instance)[0] == error
        assert len(failures()) == number
        line = failures()[-1]
        assert (line["error"], line["cause"]) == failed_with(instance)
        assert {name: line[name] for name in told} == told


def test_the_line_names_the_session_that_was_gone_on_with_and_not_its_instance(
    failures: Callable[[], list[Document]],
) -> None:
    """An event goes on with a session that somebody left: by its own id a proxy finds it."""
    joined = {**CLAIMED, "session": "LEFT"}
    run(JOB, plan=[planned("publish", **joined)], publish=[published("Failed")])
    (line,) = failures()
    assert (line["session"], line["instance"]) == ("LEFT", "S")


def test_an_attempt_that_ends_well_or_is_stopped_writes_no_such_line(
    failures: Callable[[], list[Document]],
) -> None:
    stopped = [published("Stopped")]
    for state, ends in (("publish", SUCCESS), ("stopped", stopped), ("nothing", SUCCESS)):
        instance, _, _ = run(plan=[planned(state)], publish=ends)
        assert instance.status == "Completed"
    assert failures() == []


def test_of_a_bug_in_an_orchestrator_class_and_place_are_told(
    failures: Callable[[], list[Document]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """I5."""

    def fail(_answer: object) -> bool:
        raise KeyError("payroll")

    monkeypatch.setattr(orchestrators, "is_plan", fail)
    instance, _, _ = run(plan=[planned("publish")])
    assert instance.status == "Failed"
    (line,) = failures()
    assert line["error_class"] == "KeyError"
    assert "payroll" not in json.dumps(line)


def test_what_an_event_announced_while_a_proxys_session_ran_is_looked_for_afterwards() -> None:
    """The event found it busy; which job that was for, if any, the app knows."""
    instance, script, _ = run(
        plan=[planned("publish", more=True)], publish=SUCCESS, next=[{"instance": "T"}]
    )
    assert instance.status == "Completed"
    (call,) = script.calls["next"]
    assert call.keys() == {"execution", "started"}


def test_after_a_session_that_was_not_published_nothing_more_is_looked_for() -> None:
    for state, ends in (("publish", [published("Failed")]), ("stopped", [published("Stopped")])):
        _, script, _ = run(plan=[planned(state, more=True)], publish=ends)
        assert "next" not in script.calls


def test_an_instance_that_cannot_begin_the_next_fails_and_says_so() -> None:
    instance, script, _ = run(
        JOB,
        plan=[planned("publish", **CLAIMED, more=True)],
        publish=SUCCESS,
        next=["InputError"],
    )
    assert failed_with(instance) == ("InputError", "as the script says")
    assert script.ends() == ["publish"]
