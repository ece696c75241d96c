"""What activities answer and log: ranges, classes of errors, and never what a text may hold."""

import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance_azure import handlers
from appliance_azure.handlers import Activities, stop_repack
from core.engine.steps import Appliance
from core.errors import ColdhaulError, InputError, IntegrityError, StoreError
from core.format import names
from core.limits import KIB
from tests.support.copies import JOB, Pair, back_up, claims_of, make_pair, pin_batches, read_state
from tests.support.machine import Document, make_appliance
from tests.support.stores import Hooked, Kind

NAME = b"payroll-2031.xlsx"
INSTANCE = "an instance"


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    pin_batches(monkeypatch, 40 * KIB)
    pair = make_pair(tmp_path, is_encrypted=True)
    chance = random.Random(1)
    files = {b"%d" % number: chance.randbytes(8 * KIB) for number in range(8)}
    back_up(pair.source, {**files, NAME: b"content of the payroll"})
    return pair


@pytest.fixture(autouse=True)
def lines_are_captured(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "coldhaul")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Document]]:
    """Return the lines so far, with their levels."""

    def lines() -> list[Document]:
        found = [each for each in caplog.records if each.name == "coldhaul"]
        return [{"level": each.levelname, **json.loads(each.getMessage())} for each in found]

    return lines


def activities_on(pair: Pair) -> Activities:
    return Activities(lambda: make_appliance(pair.target, pair.source, runner="azure"))


def repack_calls(plan: Document, pair: Pair) -> list[dict[str, Any]]:
    heads = pair.target.store.list(plan["batches"].removeprefix("vault/"))
    shared = {"session": plan["session"], "claim": plan["claim"], "instance": INSTANCE}
    return [{**shared, "batch": f"vault/{head.name}"} for head in heads]


def end_of(plan: Document, end: str) -> Document:
    kept = ("session", "claim", "attempt", "reason", "started")
    return {**{key: plan[key] for key in kept}, "end": end}


Logged = Callable[[], list[Document]]


def test_a_session_runs_through_the_activities(pair: Pair, logged: Logged) -> None:
    activities = activities_on(pair)
    plan = activities.plan({"job": JOB, "round": 0})
    assert (plan["state"], plan["numbers"]) == ("repack", "00000-00001")
    assert json.dumps(plan)
    answers = [activities.repack(call) for call in repack_calls(plan, pair)]
    assert {answer["state"] for answer in answers} == {"done"}
    published = activities.publish(end_of(plan, "publish"))
    assert published["status"] == "Success"
    lines = logged()
    assert [line["message"] for line in lines] == ["plan", "repack", "repack", "publish"]
    assert {line["level"] for line in lines} == {"INFO"}
    assert lines[1]["session"] == plan["session"]
    assert [line["batch"] for line in lines[1:3]] == [0, 1]
    record = pair.target.read_record(claims_of(pair.target)[0].record_name)
    assert sum(line["packs"] for line in lines[1:3]) == record.pack_count
    assert all(line["seconds"] >= 0 for line in lines)


@pytest.mark.parametrize("kind", [StoreError, IntegrityError, InputError])
def test_an_error_of_ours_is_an_answer_by_its_class(
    pair: Pair, logged: Logged, kind: type[ColdhaulError]
) -> None:
    def fail(_kind: Kind, name: str) -> None:
        if name.startswith(names.JOBS):
            raise kind("no luck", hint="Wait.", problems=["one"], items=[NAME.decode()])

    seen = pair.seen(target=Hooked(pair.target.store, fail))
    answer = activities_on(seen).plan({"job": JOB})
    assert answer == {"error": {"class": kind.__name__, "message": "no luck; one (Wait.)"}}
    (line,) = logged()
    assert (line["level"], line["error"]) == ("ERROR", "no luck; one (Wait.)")
    assert line["category"] == kind.category
    assert NAME.decode() not in f"{line} {answer}"


@pytest.mark.parametrize("name", ["plan", "repack", "publish"])
def test_of_a_bug_only_class_and_place_are_told(pair: Pair, logged: Logged, name: str) -> None:
    """I5: also of what goes wrong before a step begins."""

    def fail() -> Appliance:
        raise KeyError(NAME)

    answer = getattr(Activities(fail), name)({"job": JOB})
    assert answer["error"]["class"] == "UnexpectedError"
    (line,) = logged()
    assert (line["message"], line["error_class"]) == (name, "KeyError")
    assert any(at.startswith("test_handlers.py:") for at in line["frames"])
    assert "payroll" not in f"{line} {answer}"


@pytest.mark.parametrize("call", [None, [], "plan", {"more": 1}])
def test_a_call_that_is_none_is_refused(pair: Pair, call: object) -> None:
    activities = activities_on(pair)
    for answer in (activities.plan(call), activities.repack(call), activities.publish(call)):
        assert answer["error"]["class"] == "InputError"


def test_the_damage_of_a_failed_session_names_no_item_anywhere(pair: Pair, logged: Logged) -> None:
    """I5."""
    source = pair.source.read_record(pair.source.list_records()[-1].name)
    (blob,) = read_state(pair.source, source)[NAME].blobs
    pair.source.store.delete([names.blob(blob)])
    activities = activities_on(pair)
    plan = activities.plan({"job": JOB})
    answers = [activities.repack(call) for call in repack_calls(plan, pair)]
    answers.append(activities.publish(end_of(plan, "publish")))
    assert answers[-1]["status"] == "Failed"
    lines = logged()
    assert lines[-1]["level"] == "WARNING"
    said = f"{answers} {lines}"
    assert "payroll" not in said
    assert NAME.hex() not in said


def test_a_call_of_an_instance_that_is_over_is_answered_without_work(logged: Logged) -> None:
    call = {"session": "0" * 32, "batch": "x", "instance": INSTANCE, "part_count": 3}
    answer = stop_repack(call)
    assert answer == {"state": "stopped", "part_count": 3, "stalled_calls": 0}
    assert logged()[-1]["state"] == "stopped"


def test_an_environment_that_is_wrong_is_told_by_the_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLDHAUL_TARGET_URL", raising=False)
    error = handlers.activities.plan({"job": JOB})["error"]
    assert error["class"] == "InputError"
    assert "COLDHAUL_SOURCE_KIND: it is either repository or bucket" in error["message"]
