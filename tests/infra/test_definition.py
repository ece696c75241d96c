"""The state machine as a text: judged by asl-validator, and held to what it promises."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from core import limits
from tests.architecture.tree import ROOT
from tests.infra.judges import judge

DEFINITION = ROOT / "infra/aws/state-machine.asl.json"
# What Step Functions carries from one state to the next, in bytes.
STATE_SIZE_MAX = 256 << 10
# What a function may run at the most, in seconds.
FUNCTION_SECONDS_MAX = 900
THROTTLED = "Lambda.TooManyRequestsException"
ORDERS = "Order the job"
NEVER_RETRIED = {"IntegrityError", "InputError", "States.ALL", "States.TaskFailed"}


def states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


def tasks() -> dict[str, dict[str, Any]]:
    """Return the calls of functions."""
    found = states(json.loads(DEFINITION.read_text()))
    called = {name: state for name, state in found if state["Type"] == "Task"}
    del called[ORDERS]
    assert {each["Resource"] for each in called.values()} == {"arn:aws:states:::lambda:invoke"}
    return called


def test_its_judge_finds_nothing() -> None:
    assert judge("asl-validator", "--json-path", DEFINITION) == ""


def test_its_judge_finds_a_state_that_is_not_there() -> None:
    wrong = DEFINITION.read_text().replace('"Next": "What is next?"', '"Next": "What?"')
    assert "What?" in judge("asl-validator", "--json-definition", wrong)


def test_damage_and_wrong_input_are_never_tried_again() -> None:
    for name, task in tasks().items():
        retried = {error for rule in task["Retry"] for error in rule["ErrorEquals"]}
        assert retried & NEVER_RETRIED == set(), name
        assert {"StoreError", "Sandbox.Timedout"} <= retried, name
        assert {"Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown"} <= retried, name


def test_every_retry_backs_off_by_chance_and_ends() -> None:
    for name, task in tasks().items():
        for rule in task["Retry"]:
            assert rule["JitterStrategy"] == "FULL", name
            assert rule["BackoffRate"] > 1, name
            is_throttled = rule["ErrorEquals"] == [THROTTLED]
            assert rule["MaxAttempts"] <= (240 if is_throttled else 12), name


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (
            "StoreError",
            {
                "IntervalSeconds": limits.STEP_STORE_DELAY_SECONDS,
                "BackoffRate": limits.STEP_RETRY_RATE,
                "MaxAttempts": limits.STEP_STORE_RETRIES_MAX,
                "MaxDelaySeconds": limits.STEP_STORE_DELAY_SECONDS_MAX,
            },
        ),
        (
            "Runtime.ExitError",
            {
                "IntervalSeconds": limits.STEP_DEATH_DELAY_SECONDS,
                "BackoffRate": limits.STEP_RETRY_RATE,
                "MaxAttempts": limits.STEP_DEATH_RETRIES_MAX,
                "MaxDelaySeconds": limits.STEP_DEATH_DELAY_SECONDS_MAX,
            },
        ),
    ],
)
def test_what_failed_is_tried_as_often_as_in_every_appliance(
    error: str, rule: dict[str, int]
) -> None:
    for name, task in tasks().items():
        (found,) = (each for each in task["Retry"] if error in each["ErrorEquals"])
        assert {key: found[key] for key in rule} == rule, name


def test_batches_wait_for_the_functions_of_others_as_long_as_these_may_take() -> None:
    """A new account has ten functions at once, of 15 minutes each, for 50 batches and more."""
    for name, task in tasks().items():
        rule = next(rule for rule in task["Retry"] if rule["ErrorEquals"] == [THROTTLED])
        longest = rule["MaxDelaySeconds"]
        delays = [min(2 * rule["BackoffRate"] ** tried, longest) for tried in range(240)]
        assert sum(delays[: rule["MaxAttempts"]]) / 2 > 10 * FUNCTION_SECONDS_MAX, name


def test_every_call_is_caught_and_none_is_given_up_before_its_function_is() -> None:
    for name, task in tasks().items():
        assert task["TimeoutSeconds"] > FUNCTION_SECONDS_MAX, name
        assert task["Catch"][0]["ErrorEquals"] == ["States.ALL"], name


def test_the_results_of_all_batches_fit_into_the_state() -> None:
    """A result is one word, the longest ``stopped``; the numbers of the batches stand beside."""
    each = len('"stopped",') + len('"00000",')
    assert limits.SESSION_BATCHES_MAX * each < STATE_SIZE_MAX * 3 // 4


def test_turns_end_long_before_their_history_is_full() -> None:
    """An event is at most five for each of a turn's states and as many calls again."""
    turns = json.loads(DEFINITION.read_text())["States"]["Does its job go on?"]["Choices"][0]["And"]
    most = next(each["NumericLessThan"] for each in turns if "NumericLessThan" in each)
    assert most * 60 < 25_000 // 2


def test_an_execution_that_a_proxy_ordered_orders_the_job_of_events_and_waits_for_nothing() -> None:
    task = dict(states(json.loads(DEFINITION.read_text())))[ORDERS]
    assert task["Resource"] == "arn:aws:states:::states:startExecution"
    assert task["Parameters"]["StateMachineArn.$"] == "$$.StateMachine.Id"
    assert task["Parameters"]["Input"] == {"job": "${JobId}"}
    (rule,) = task["Retry"]
    assert (rule["JitterStrategy"], rule["MaxAttempts"]) == ("FULL", limits.STEP_STORE_RETRIES_MAX)


def test_the_map_is_distributed_and_tolerates_no_failure() -> None:
    batches = dict(states(json.loads(DEFINITION.read_text())))["Repack batches"]
    assert batches["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "STANDARD",
    }
    assert not {field for field in batches if field.startswith("Tolerated")}
    # An ItemReader lists buckets of its own account and region alone.
    assert "ItemReader" not in batches


def test_it_needs_these_values_and_no_other() -> None:
    assert set(re.findall(r"\$\{(\w+)}", DEFINITION.read_text())) == {
        "JobId",
        "MaxConcurrency",
        "PlanFunctionArn",
        "PublishFunctionArn",
        "RepackFunctionArn",
        "StartOnNewPoint",
        "Version",
    }
