"""What an activity of another version may answer is told from what can be gone on with."""

from typing import Any

import pytest

from appliance_azure.answers import is_plan, is_repack_again
from appliance_azure.groups import ranges_of
from core.engine.step_documents import PlanAnswer, PlanState

AGAIN = {"state": "again", "part_count": 1, "stalled_calls": 0}


def answer_of(state: PlanState, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what the activity answers with for what the step does."""
    answer = PlanAnswer(state=state, numbers=("00000", "00001", "00007"))
    return {**answer.document(), "numbers": ranges_of(answer.numbers), **more}


@pytest.mark.parametrize("state", PlanState)
def test_what_plan_answers_is_a_plan(state: PlanState) -> None:
    assert is_plan(answer_of(state))


def test_a_newer_version_may_answer_more() -> None:
    assert is_plan(answer_of(PlanState.REPACK, pace=3))


@pytest.mark.parametrize("name", sorted(answer_of(PlanState.REPACK)))
def test_without_one_of_its_fields_it_is_none(name: str) -> None:
    for more in ({name: None}, {name: ["00000"]}):
        assert not is_plan(answer_of(PlanState.REPACK) | more)
    left = {each: value for each, value in answer_of(PlanState.REPACK).items() if each != name}
    assert not is_plan(left)


@pytest.mark.parametrize("numbers", ["", "00000", "00000-00002 00004 00006-00006"])
def test_ranges_that_ascend_are_numbers(numbers: str) -> None:
    assert is_plan(answer_of(PlanState.REPACK, numbers=numbers))


@pytest.mark.parametrize(
    "numbers",
    ["0-2", "00000-", "00000,00001", "00002-00000", "00001 00000", "00000-00002 00002", " ", "all"],
)
def test_other_texts_are_no_numbers(numbers: str) -> None:
    """By one of them a batch would be left out, or repacked twice, or the orchestrator die."""
    assert not is_plan(answer_of(PlanState.REPACK, numbers=numbers))


def test_a_batch_is_called_again_with_what_was_made() -> None:
    assert is_repack_again(AGAIN)
    assert not is_repack_again(AGAIN | {"state": "done"})
    assert not is_repack_again({"state": "again", "part_count": 1})
    assert not is_repack_again(AGAIN | {"stalled_calls": None})
