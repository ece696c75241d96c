"""Ten thousand batches: no history, payload or replay grows with them."""

import time
from collections.abc import Mapping, Sequence

from azure.durable_functions import Orchestrator

from appliance_azure.orchestrators import batches
from core import limits
from tests.support.durable import Hub, run_orchestrator
from tests.support.scripts import (
    DONE,
    ORDER,
    SUCCESS,
    Line,
    Script,
    hub_of,
    planned,
    published,
    ranges,
)

# Up to here a payload stands in the row that it belongs to.
PAYLOAD_LENGTH_MAX = 45_000
AGAIN = {"state": "again", "part_count": 1, "stalled_calls": 0}


def run(lines: Mapping[str, Sequence[Line]]) -> tuple[Hub, Script]:
    script = Script(lines)
    hub = hub_of(script)
    hub.start("session", ORDER, "S")
    hub.run()
    return hub, script


def test_histories_and_payloads_of_ten_thousand_batches_stay_small() -> None:
    count = limits.SESSION_BATCHES_MAX
    hub, script = run(
        {
            "plan": [
                planned("repack", numbers=ranges(count), batch_count=count),
                planned("publish"),
            ],
            "repack": [DONE],
            "repack-04711": [AGAIN, "die", DONE],
            "publish": SUCCESS,
        }
    )
    assert hub.instances["S"].status == "Completed"
    assert len(script.calls) == count + 2
    groups = -(-count // limits.GROUP_BATCHES_MAX)
    assert len(hub.instances) == 1 + groups
    assert len(hub.instances["S"].history) < 6 * groups
    for instance in hub.instances.values():
        assert len(instance.history) < 3 * limits.GROUP_BATCHES_MAX
    assert hub.payload_length_max < PAYLOAD_LENGTH_MAX // 50


def test_the_longest_texts_stay_below_what_a_row_holds() -> None:
    reasons = ["x" * limits.STEP_TEXT_LENGTH_MAX] * limits.STEP_REASONS_MAX
    hub, _ = run(
        {
            "plan": [
                planned("repack", numbers=ranges(3), reason="y" * limits.STEP_TEXT_LENGTH_MAX)
            ],
            "repack": [{"state": "stalled"}],
            "publish": [published("Failed", reasons=reasons)],
        }
    )
    assert hub.instances["S"].status == "Failed"
    assert hub.payload_length_max < PAYLOAD_LENGTH_MAX // 2
    assert len(hub.instances["S"].output) < PAYLOAD_LENGTH_MAX // 4


def seconds_of_a_replay(count: int) -> float:
    """Return what the last replay of a group costs at the least: two calls for each batch."""
    hub, _ = run(
        {
            "plan": [planned("repack", numbers=ranges(count)), planned("publish")],
            "repack": [AGAIN, DONE],
            "publish": SUCCESS,
        },
    )
    (group,) = (each for each in hub.instances.values() if each.parent)
    assert len(group.history) > 4 * count
    handler = Orchestrator.create(batches)
    took = []
    for _ in range(5):
        began = time.process_time()
        assert run_orchestrator(handler, group, group.history)["isDone"]
        took.append(time.process_time() - began)
    return min(took)


def test_a_replay_costs_as_much_as_its_history_is_long() -> None:
    """It comes after each event; with a wait for the first of all calls it were their square."""
    whole = seconds_of_a_replay(limits.GROUP_BATCHES_MAX)
    assert whole < 1
    assert whole < 3 * seconds_of_a_replay(limits.GROUP_BATCHES_MAX // 2)
