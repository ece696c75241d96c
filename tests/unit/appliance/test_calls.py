"""What a call says: lines of names and counts, and of errors what may be told."""

from pathlib import Path

import pytest

from core.appliance.calls import (
    UNEXPECTED,
    Opened,
    describe_failure,
    is_failed,
    keys_of,
    line_of_plan,
    line_of_publish,
)
from core.engine.step_documents import PlanAnswer, PlanState, PublishAnswer
from core.engine.steps import Appliance, plan_step
from core.errors import ColdhaulError, InputError, IntegrityError, StoreError
from tests.support.copies import JOB, make_pair
from tests.support.machine import make_appliance

SESSION = "0123456789abcdef" * 2


@pytest.mark.parametrize("kind", [InputError, StoreError, IntegrityError])
def test_an_error_of_ours_is_told_whole_but_for_items(kind: type[ColdhaulError]) -> None:
    failure = describe_failure(kind("no luck", hint="Wait.", problems=["one"], items=["payroll"]))
    assert (failure.kind, failure.message) == (kind.__name__, "no luck; one (Wait.)")
    assert (failure.line, failure.keys) == (failure.message, {"category": kind.category})


def test_of_any_other_error_class_and_place_are_told() -> None:
    def fail() -> None:
        raise KeyError("payroll")

    try:
        fail()
    except KeyError as error:
        failure = describe_failure(error)
    assert (failure.kind, failure.line) == (UNEXPECTED, "unexpected")
    assert failure.message == "KeyError: the log of the function says where"
    assert failure.keys["error_class"] == "KeyError"
    frames = failure.keys["frames"]
    assert isinstance(frames, list)
    assert frames[-1].startswith("test_calls.py:")
    assert frames[-1].endswith(" fail")
    assert "payroll" not in repr(failure)


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"session": SESSION}, {"session": SESSION}),
        (
            {"session": SESSION, "batch": f"a/sessions/{SESSION}/batches/1/00007.parquet"},
            {"session": SESSION, "batch": 7},
        ),
        ({"session": SESSION, "batch": "a/batches/secret"}, {"session": SESSION}),
        ({"session": "payroll", "batch": 3}, {}),
        ("payroll", {}),
        (None, {}),
    ],
)
def test_keys_of_a_line_are_what_is_properly_said(given: object, keys: object) -> None:
    assert keys_of(given) == keys


def test_lines_hold_names_of_ours_and_counts() -> None:
    plan = PlanAnswer(state=PlanState.REPACK, session=SESSION, round=1, batch_count=3)
    assert line_of_plan(plan) == {
        "state": "repack", "planned": SESSION, "round": 1, "batch_count": 3
    }  # fmt: skip
    ended = PublishAnswer(status="Failed", reasons=("why",))
    assert line_of_publish(ended) == {"status": "Failed", "record": "", "reasons": ["why"]}
    assert is_failed(ended)
    assert not is_failed(PublishAnswer(status="Success"))


def test_what_was_opened_is_kept_until_a_call_fails(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    times = []

    def open_both() -> Appliance:
        times.append(1)
        return make_appliance(pair.target, pair.source)

    opened = Opened(open_both)
    for _ in range(2):
        opened.call(plan_step, {"job": JOB}, 0.0)
    assert len(times) == 1
    with pytest.raises(InputError):
        opened.call(plan_step, {}, 0.0)
    opened.call(plan_step, {"job": JOB}, 0.0)
    assert len(times) == 2
