"""Orchestrators decide the same whatever comes first, and however often they are played again."""

import json
import random
from collections.abc import Iterator, Sequence

import pytest
from azure.durable_functions import Orchestrator
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance_azure.orchestrators import batches, session
from core import limits
from tests.support.durable import (
    BEGINS,
    Chance,
    Document,
    Hub,
    Instance,
    begin,
    leaves,
    run_orchestrator,
)
from tests.support.scripts import (
    DONE,
    ORDER,
    Line,
    Script,
    hub_of,
    planned,
    published,
)

ORCHESTRATORS = {"session": session, "batches": batches}
MISHAPS = ["StoreError", "die"]
AGAIN: Document = {"state": "again", "part_count": 1, "stalled_calls": 0}


class Rolls(Chance):
    """Whatever may happen does, by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, count: int) -> int:
        return self._random.randrange(count)

    def take(self, count: int) -> int:
        return self._random.randint(1, count)

    def is_lost(self) -> bool:
        return self._random.random() < 0.2


def lines(ends: Sequence[Line]) -> st.SearchStrategy[list[Line]]:
    """Calls that go ill or have to be made again, and one that ends it."""
    mishaps: list[Line] = [*MISHAPS, AGAIN]
    before = st.lists(st.sampled_from(mishaps), max_size=3)
    return st.tuples(before, st.sampled_from(ends)).map(lambda both: [*both[0], both[1]])


@st.composite
def scripts(draw: st.DrawFn) -> dict[str, list[Line]]:
    """What all calls of a session come to."""
    found: dict[str, list[Line]] = {}
    plan: list[Line] = []
    first = 0
    for number in range(1, draw(st.integers(1, 2)) + 1):
        before: list[Line] = [*MISHAPS, planned("again", round=number - 1)]
        plan += draw(st.lists(st.sampled_from(before), max_size=3))
        count = draw(st.integers(0, 5))
        if count:
            numbers = f"{first:05}-{first + count - 1:05}"
            plan.append(planned("repack", round=number, numbers=numbers, batch_count=count))
        for batch in range(first, first + count):
            rarely = draw(st.integers(0, 9)) == 0
            bad: list[Line] = [{"state": "stopped"}, {"state": "stalled"}, "IntegrityError"]
            found[f"repack-{batch:05}"] = draw(lines(bad if rarely else [DONE]))
        first += count
    last: list[Line] = [planned("publish"), planned("stopped"), "InputError"]
    plan.append(draw(st.sampled_from(last)))
    ends: list[Line] = [
        published(status) for status in ("Success", "Warning", "Failed", "Stopped", "Running")
    ]
    found["plan"] = plan
    found["publish"] = draw(lines([*ends, "IntegrityError"]))
    return found


@pytest.fixture(scope="module", autouse=True)
def small_groups() -> Iterator[None]:
    """Few batches are several groups."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "GROUP_BATCHES_MAX", 2)
        yield


def run(script: dict[str, list[Line]], chance: Chance) -> tuple[Instance, Script, Hub]:
    activity = Script(script)
    hub = hub_of(activity, chance)
    instance = hub.start("session", ORDER, "S")
    hub.run()
    return instance, activity, hub


def told(instance: Instance, script: Script) -> str:
    """Return all that a session has come to, but for the hour."""
    calls = {
        work: [{name: value for name, value in call.items() if name != "started"} for call in made]
        for work, made in sorted(script.calls.items())
    }
    return json.dumps([instance.status, instance.output, instance.custom_status, calls])


def assert_nothing_is_under_way(instance: Instance) -> None:
    begun = [event for event in instance.history if event["EventType"] in BEGINS]
    ended = [event for event in instance.history if {"TaskScheduledId", "TimerId"} & event.keys()]
    assert len(begun) == len(ended)


@given(scripts(), st.integers(0, 2**32))
@settings(max_examples=80)
def test_the_same_is_decided_whatever_comes_first_and_whenever_hosts_die(
    script: dict[str, list[Line]], seed: int
) -> None:
    """I3."""
    instance, activity, _ = run(script, Chance())
    assert instance.status in {"Completed", "Failed"}
    other, others, hub = run(script, Rolls(seed))
    assert told(other, others) == told(instance, activity)
    assert "payroll" not in told(instance, activity)
    assert {each.status for each in hub.instances.values()} <= {"Completed", "Failed"}
    for each in hub.instances.values():
        assert_nothing_is_under_way(each)


@given(scripts(), st.integers(0, 2**32))
@settings(max_examples=20)
def test_a_host_that_begins_anew_after_any_event_goes_on_as_the_one_before(
    script: dict[str, list[Line]], seed: int
) -> None:
    """I3."""
    _, _, hub = run(script, Rolls(seed))
    for instance in hub.instances.values():
        last = [leaf for action in instance.runs[-1] for leaf in leaves(action)]
        for end in range(2, len(instance.history) + 1):
            history = instance.history[:end]
            fresh = Orchestrator.create(ORCHESTRATORS[instance.name])
            actions = run_orchestrator(fresh, instance, history)["actions"][0]
            begin(instance, actions, history)
            begun = [leaf for action in actions for leaf in leaves(action)]
            assert begun == last[: len(begun)]
