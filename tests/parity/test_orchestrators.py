"""The orchestrators of the Azure appliance go every way of the scenarios, played by the SDK."""

import json

import pytest

from appliance_azure.failures import read_failure
from tests.parity.scenario import (
    VERSION,
    Document,
    Ended,
    Line,
    Scenario,
    assert_as_expected,
    load_scenarios,
)
from tests.support.durable import Hub, Instance
from tests.support.scripts import Script, hub_of, ranges

SESSION = "5e55107"
STARTED = "2026-11-25T20:59:59+00:00"


def with_ranges(line: Line, count: int) -> Line:
    """Return a line of plan with the numbers of batches as the activity writes them."""
    return line if isinstance(line, str) else {**line, "numbers": ranges(count)}


class Run:
    """One run: what an order begins, and the instances that follow it."""

    def __init__(self, scenario: Scenario) -> None:
        lines = dict(scenario.script)
        lines["plan"] = [with_ranges(line, scenario.batches) for line in lines["plan"]]
        self.script = Script(lines)
        self.begun: list[Instance] = []
        self.hub: Hub = hub_of(self.act)

    def act(self, name: str, call: Document) -> Document:
        """Begin the next instance, or do what the script says."""
        if name != "next":
            return self.script(name, call)
        if "job" not in call:
            # No event starts sessions of this app.
            return {"instance": None}
        self.start(call)
        return {"instance": self.begun[-1].id}

    def start(self, order: Document) -> None:
        """Begin an instance."""
        instance_id = f"instance{len(self.begun)}"
        self.begun.append(self.hub.start("session", order, instance_id))

    def ended(self) -> Ended:
        """Say how it ended: what was copied last, if anything was, is the outcome of all."""
        copied = [each for each in self.begun if "record" in json.dumps(each.output)]
        last = (copied or self.begun)[-1]
        if last.status == "Completed":
            return Ended(outcome="succeeded", output=last.output, calls=self.script.calls)
        assert last.status == "Failed"
        error, cause = read_failure(last.output)
        return Ended(outcome="failed", error=error, cause=cause, calls=self.script.calls)


@pytest.mark.parametrize("scenario", load_scenarios("azure"), ids=lambda each: str(each.name))
def test_orchestrators_go_the_way_of(scenario: Scenario) -> None:
    scenario = scenario.for_session(SESSION)
    run = Run(scenario)
    order: Document = {"session": SESSION, "claim": "c", "attempt": 1, "reason": "because"}
    order["version"] = VERSION
    if scenario.order == "job":
        order = {"job": SESSION, "execution": "event 1", "started": STARTED}
    run.start(order)
    run.hub.run()
    assert_as_expected(scenario, run.ended())
