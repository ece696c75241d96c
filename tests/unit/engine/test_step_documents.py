"""What functions are called with and answer: every field is checked, nothing is too long."""

import json
from typing import Any

import pytest

from core.engine.state import Transfer
from core.engine.step_documents import (
    CaughtError,
    End,
    PlanAnswer,
    PlanCall,
    PlanState,
    PublishAnswer,
    PublishCall,
    RepackAnswer,
    RepackCall,
    RepackState,
    error_text,
    read_call,
)
from core.errors import ColdhaulError, InputError, IntegrityError, NotReadyError, StoreError
from core.format import names
from core.limits import SESSION_BATCHES_MAX, STEP_REASONS_MAX, STEP_TEXT_LENGTH_MAX

SESSION = "b" * 32
CLAIM = "jobs/nightly/claims/20260101T000000000001Z-" + SESSION + "-0.json"
ORDER = {
    "session": SESSION,
    "claim": CLAIM,
    "attempt": 2,
    "version": "0.1.0",
    "reason": "the source is in this vendor's storage",
}
BATCH = {"session": SESSION, "claim": CLAIM, "batch": "vault/sessions/x/batches/1/00000.parquet"}
END = {"session": SESSION, "claim": CLAIM, "end": "publish"}


def problems_of(kind: Any, given: object) -> tuple[str, ...]:  # noqa: ANN401
    with pytest.raises(InputError) as caught:
        read_call(kind, given)
    return caught.value.problems


def test_an_order_is_a_session_or_a_job() -> None:
    call = read_call(PlanCall, {**ORDER, "round": 1})
    assert (call.session, call.claim, call.job, call.round) == (SESSION, CLAIM, None, 1)
    assert read_call(PlanCall, {"job": "nightly", "round": 0}).attempt == 1


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "it names either a session and its claim or a job"),
        ({**ORDER, "job": "nightly"}, "it names either a session and its claim or a job"),
        ({"session": SESSION}, "session and claim go together"),
        ({"claim": CLAIM}, "session and claim go together"),
        ({"job": "nightly", "round": 1}, "a job has no rounds before its session is claimed"),
    ],
)
def test_an_order_of_both_or_neither_is_refused(given: object, problem: str) -> None:
    assert problems_of(PlanCall, given) == (f"the whole: {problem}",)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"session": "B" * 32}, "session"),
        ({"session": 7}, "session"),
        ({"claim": "repository.json"}, "claim"),
        ({"claim": "jobs/a/claims/../../../x"}, "claim"),
        ({"claim": "jobs/a/1.json"}, "claim"),
        ({"attempt": 0}, "attempt"),
        ({"attempt": "1"}, "attempt"),
        ({"attempt": True}, "attempt"),
        ({"round": -1}, "round"),
        ({"round": 4}, "round"),
        ({"version": "0.1\n"}, "version"),
        ({"version": "x" * 300}, "version"),
        ({"reason": "x" * (STEP_TEXT_LENGTH_MAX + 1)}, "reason"),
        ({"execution": "x" * 300}, "execution"),
        ({"started": "yesterday"}, "started"),
        ({"started": "2026-01-01T00:00:00"}, "started"),
        ({"fallback": True}, "fallback"),
    ],
)
def test_every_field_of_an_order_is_checked(change: dict[str, object], where: str) -> None:
    (problem,) = problems_of(PlanCall, {**ORDER, **change})
    assert problem.startswith(f"{where}: ")


@pytest.mark.parametrize("given", [None, [], "plan", 1, {1: 2}])
def test_what_is_no_document_is_refused(given: object) -> None:
    assert problems_of(PlanCall, given)


def test_all_that_is_wrong_is_told_at_once_and_nothing_of_what_was_given() -> None:
    given = {"session": "secret", "claim": CLAIM, "batch": "", "extra": "secret", "part_count": -1}
    problems = problems_of(RepackCall, given)
    assert len(problems) == 4
    assert "extra: this field is not known" in problems
    assert "secret" not in str(problems)
    assert len(problems_of(RepackCall, {str(number): 1 for number in range(1000)})) == 20


def test_a_batch_is_called_with_what_its_last_call_answered() -> None:
    call = read_call(RepackCall, BATCH)
    transfer = Transfer(pack_count=3)
    answer = RepackAnswer(
        state=RepackState.AGAIN, call=call, part_count=3, stalled_calls=1, transfer=transfer
    )
    document = json.loads(json.dumps(answer.document()))
    assert document == {**BATCH, "part_count": 3, "stalled_calls": 1, "state": "again"}
    del document["state"]
    assert read_call(RepackCall, document).part_count == 3


def test_a_plan_is_called_with_what_its_last_call_answered() -> None:
    answer = PlanAnswer(state=PlanState.AGAIN, session=SESSION, claim=CLAIM, started="")
    document = json.loads(json.dumps(answer.document()))
    assert document["state"] == "again"
    for name in ("state", "batches", "batch_count", "numbers", "more"):
        del document[name]
    assert read_call(PlanCall, document).session == SESSION


def test_the_numbers_of_the_largest_session_fit_into_the_state() -> None:
    """Step Functions carries 256 KiB, and the results of as many batches stand beside them."""
    numbers = tuple(names.batch_digits(number) for number in range(SESSION_BATCHES_MAX))
    answer = PlanAnswer(state=PlanState.REPACK, batch_count=len(numbers), numbers=numbers)
    assert len(json.dumps(answer.document())) < 110 * 1024


@pytest.mark.parametrize("end", list(End))
def test_an_execution_ends_in_one_of_four_ways(end: End) -> None:
    assert read_call(PublishCall, {**END, "end": end.value, "error": {}}).end is end
    (problem,) = problems_of(PublishCall, {**END, "end": "done"})
    assert problem.startswith("end: ")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StoreError("the bucket is full"), "store: the bucket is full"),
        (IntegrityError("packs/x is damaged"), "integrity: packs/x is damaged"),
        (NotReadyError("it is archived"), "not-ready: it is archived"),
    ],
)
def test_an_error_of_ours_is_told_with_its_message(error: ColdhaulError, outcome: str) -> None:
    cause = {"errorMessage": error.message, "errorType": "x", "stackTrace": ["core/x.py"]}
    given = {"Error": type(error).__name__, "Cause": json.dumps(cause)}
    assert read_call(PublishCall, {**END, "error": given}).error.outcome() == outcome


@pytest.mark.parametrize(
    ("kind", "cause", "outcome"),
    [
        ("StoreError", "no JSON", "store: the log of the functions tells more"),
        ("StoreError", '{"errorMessage": 7}', "store: the log of the functions tells more"),
        ("StoreError", "[" * 100_000, "store: the log of the functions tells more"),
        ("KeyError", '{"errorMessage": "payroll.xlsx"}', "error: KeyError; the log of the"),
        ("payroll .xlsx", "", "error: an unknown one; the log of the functions tells more"),
        ("", "", "error: an unknown one; the log of the functions tells more"),
        ("Sandbox.Timedout", "RequestId: 1", "error: a function came to its time limit"),
        ("Runtime.ExitError", "signal: killed", "error: a function died, most often for want"),
        ("Runtime.OutOfMemory", "signal: killed", "error: a function died for want of memory"),
        ("Lambda.Unknown", "", "error: a function died, or came to its time limit"),
    ],
)
def test_of_other_errors_only_the_class_is_told(kind: str, cause: str, outcome: str) -> None:
    """I5: their texts may hold anything."""
    error = CaughtError.model_validate({"Error": kind, "Cause": cause})
    assert error.outcome().startswith(outcome)
    assert "payroll" not in error.outcome()


def test_answers_are_bounded() -> None:
    reasons = tuple("x" * 100_000 for _ in range(10_000))
    document = PublishAnswer(status="Failed", reasons=reasons).document()
    assert len(document["reasons"]) == STEP_REASONS_MAX + 1
    assert document["reasons"][-1] == f"and {10_000 - STEP_REASONS_MAX} more"
    assert len(json.dumps(document)) < 32 * 1024
    error = StoreError("x" * 100_000, problems=["y" * 100_000])
    assert len(error_text(error)) == STEP_TEXT_LENGTH_MAX


def test_a_short_answer_is_told_whole() -> None:
    answer = PublishAnswer(status="Warning", record="restore-points/x.json", reasons=("one",))
    assert answer.document() == {
        "state": "done",
        "status": "Warning",
        "record": "restore-points/x.json",
        "reasons": ["one"],
    }


def test_an_error_in_one_line_tells_findings_and_what_to_do() -> None:
    error = InputError("the settings are wrong", hint="Deploy again.", problems=["a", "b"])
    assert error_text(error) == "the settings are wrong; a; b (Deploy again.)"
    assert error_text(StoreError("no room")) == "no room"
