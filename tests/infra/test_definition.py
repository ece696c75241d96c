"""The state machine as a text: judged by asl-validator, and held to what it promises."""

import json
import re
from collections.abc import Iterator
from typing import Any

from core import limits
from tests.architecture.tree import ROOT
from tests.infra.judges import judge

DEFINITION = ROOT / "infra/aws/state-machine.asl.json"
# What Step Functions carries from one state to the next, in bytes.
STATE_SIZE_MAX = 256 << 10
# What a function may run at the most, in seconds.
FUNCTION_SECONDS_MAX = 900
NEVER_RETRIED = {"IntegrityError", "InputError", "States.ALL", "States.TaskFailed"}


def states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


def tasks() -> dict[str, dict[str, Any]]:
    found = states(json.loads(DEFINITION.read_text()))
    return {name: state for name, state in found if state["Type"] == "Task"}


def test_its_judge_finds_nothing() -> None:
    assert judge("asl-validator", "--json-path", DEFINITION) == ""


def test_its_judge_finds_a_state_that_is_not_there() -> None:
    wrong = DEFINITION.read_text().replace('"Next": "What is next?"', '"Next": "What?"')
    assert "What?" in judge("asl-validator", "--json-definition", wrong)


def test_damage_and_wrong_input_are_never_tried_again() -> None:
    for name, task in tasks().items():
        retried = {error for rule in task["Retry"] for error in rule["ErrorEquals"]}
        assert retried & NEVER_RETRIED == set(), name
        assert {"StoreError", "Runtime.ExitError", "Sandbox.Timedout"} <= retried, name


def test_every_retry_backs_off_by_chance_and_ends() -> None:
    for name, task in tasks().items():
        for rule in task["Retry"]:
            assert rule["JitterStrategy"] == "FULL", name
            assert rule["BackoffRate"] > 1, name
            assert rule["MaxAttempts"] <= 12, name


def test_every_call_is_caught_and_none_is_given_up_before_its_function_is() -> None:
    for name, task in tasks().items():
        assert task["TimeoutSeconds"] > FUNCTION_SECONDS_MAX, name
        assert task["Catch"][0]["ErrorEquals"] == ["States.ALL"], name


def test_the_results_of_all_batches_fit_into_the_state() -> None:
    """A result is one word; the longest is ``stopped``, with quotes and comma."""
    assert limits.SESSION_BATCHES_MAX * len('"stopped",') < STATE_SIZE_MAX // 2


def test_the_map_is_distributed_and_tolerates_no_failure() -> None:
    batches = dict(states(json.loads(DEFINITION.read_text())))["Repack batches"]
    assert batches["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "STANDARD",
    }
    assert not {field for field in batches if field.startswith("Tolerated")}
    assert batches["ItemReader"]["Resource"] == "arn:aws:states:::s3:listObjectsV2"


def test_it_needs_these_values_and_no_other() -> None:
    assert set(re.findall(r"\$\{(\w+)}", DEFINITION.read_text())) == {
        "MaxConcurrency",
        "PlanFunctionArn",
        "PublishFunctionArn",
        "RepackFunctionArn",
        "TargetBucket",
        "Version",
    }
