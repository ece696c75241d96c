"""What failed is told by class, and its class says whether it is tried again."""

import json

import pytest

from appliance_azure.failures import (
    CallFailure,
    InstanceFailedError,
    Tries,
    failure_in,
    failure_in_group,
    read_failure,
    session_failed,
    shortened,
)
from core import limits
from core.engine.step_documents import PublishCall, read_call

CALL = {"session": "ab" * 16, "claim": "jobs/nightly/claims/a/0.json", "end": "failed"}


def outcome_of(failure: CallFailure) -> str:
    return read_call(PublishCall, {**CALL, "error": failure.document()}).error.outcome()


def test_a_group_has_failed_by_itself_or_by_a_batch_of_it() -> None:
    failure = CallFailure(kind="IntegrityError", message="no luck")
    assert failure_in_group({"done": 2, "failure": None}) is None
    assert failure_in_group({"done": 1, "failure": failure.document()}) == failure
    died = failure_in_group(ValueError("payroll"))
    assert died is not None
    assert died.kind == "TaskFailed"


def test_an_answer_is_no_failure() -> None:
    assert failure_in({"state": "done"}) is None
    assert failure_in({"state": "done", "error": {}}) is None


def test_an_error_that_was_answered_is_one_by_its_class() -> None:
    failure = failure_in({"error": {"class": "IntegrityError", "message": "a pack is damaged"}})
    assert failure == CallFailure(kind="IntegrityError", message="a pack is damaged")
    assert outcome_of(failure) == "integrity: a pack is damaged"
    assert CallFailure.of(failure.document()) == failure


@pytest.mark.parametrize("error", [None, "StoreError", {}, {"class": 1}, ["StoreError"]])
def test_an_error_that_is_not_told_as_agreed_is_one_that_is_not_tried_again(error: object) -> None:
    failure = failure_in({"error": error})
    assert failure is not None
    assert failure.kind == "NoAnswer"


def test_of_a_death_nothing_foreign_is_told() -> None:
    """I5."""
    failure = failure_in(Exception("exit code 137 \n payroll.xlsx"))
    assert failure is not None
    assert "payroll" not in json.dumps(failure.document())
    assert outcome_of(failure) == "error: a function died, or came to its time limit"


def test_no_answer_at_all_is_a_failure() -> None:
    failure = failure_in(None)
    assert failure is not None
    assert outcome_of(failure) == "error: NoAnswer; the log of the functions tells more"


def delays(kind: str, work: str = "S plan") -> list[float]:
    """Return the waits until a call that always fails is given up."""
    failure, tries = CallFailure(kind=kind), Tries()
    found: list[float] = []
    while True:
        tries = tries.then(failure)
        delay = tries.delay(failure, work)
        if delay is None:
            return found
        found.append(delay)


@pytest.mark.parametrize(("kind", "count"), [("StoreError", 4), ("TaskFailed", 3)])
def test_what_may_pass_is_tried_again_and_ends(kind: str, count: int) -> None:
    assert len(delays(kind)) == count


@pytest.mark.parametrize(
    "kind", ["IntegrityError", "InputError", "NotReadyError", "UnexpectedError", "NoAnswer"]
)
def test_nothing_else_is_tried_again(kind: str) -> None:
    assert delays(kind) == []


def test_waits_are_the_same_each_time_and_others_for_others() -> None:
    assert delays("StoreError") == delays("StoreError")
    drawn = {tuple(delays("StoreError", f"S {batch}")) for batch in range(100)}
    assert len(drawn) == 100


def test_waits_are_drawn_from_zero_to_a_delay_that_grows() -> None:
    drawn = [delays("StoreError", f"S {batch}") for batch in range(400)]
    for tried, longest in enumerate((5, 15, 45, 135)):
        waits = [each[tried] for each in drawn]
        assert 0 <= min(waits) < longest / 20
        assert longest * 0.95 < max(waits) < longest


def test_a_delay_ends_growing() -> None:
    drawn = [delays("TaskFailed", f"S {batch}")[-1] for batch in range(400)]
    assert 0.95 * 18 < max(drawn) < 18 <= limits.STEP_DEATH_DELAY_SECONDS_MAX


def test_each_class_has_tries_of_its_own() -> None:
    tries = Tries()
    for _ in range(limits.STEP_DEATH_RETRIES_MAX):
        tries = tries.then(CallFailure(kind="TaskFailed"))
    store = CallFailure(kind="StoreError")
    assert tries.then(store).delay(store, "S plan") is not None


def test_a_failure_is_read_as_it_was_told_whatever_stands_around_it() -> None:
    error = InstanceFailedError("StoreError", 'it said "no" {')
    text = f"Orchestrator function 'session' failed: {error}\n\n$OutOfProcData$:{{}}"
    assert read_failure(text) == ("StoreError", 'it said "no" {')


@pytest.mark.parametrize("text", ["", "Non-Deterministic workflow: payroll.xlsx", "{", '{"a": 1}'])
def test_of_a_failure_that_is_not_ours_no_text_is_told(text: str) -> None:
    assert read_failure(text) == ("InstanceFailed", "the log of the functions tells more")


def test_a_failed_session_says_its_reasons_as_far_as_they_fit() -> None:
    few = {"state": "done", "status": "Failed", "record": "", "reasons": ["a pack is missing"]}
    assert shortened(few) == few
    many = {**few, "reasons": ["x" * limits.STEP_TEXT_LENGTH_MAX] * limits.STEP_REASONS_MAX}
    error, cause = read_failure(str(session_failed(many)))
    assert error == "SessionFailed"
    assert 0 < len(json.loads(cause)["reasons"]) < limits.STEP_REASONS_MAX
    assert len(cause) < limits.INSTANCE_REASONS_LENGTH_MAX + 200
