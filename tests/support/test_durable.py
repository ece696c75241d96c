"""The hub of tests does as the Durable extension does, also where that is inconvenient."""

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.durable import BEGAN, Chance, DiedError, Hub, Instance, NonDeterministicError

Flow = Generator[Any, Any, Any]


def double(name: str, number: int) -> int:
    return 2 * number


def run(orchestrator: Callable[[Any], Flow], given: object = None, **more: Any) -> Instance:  # noqa: ANN401
    hub = Hub({"main": orchestrator, "child": child}, more.pop("activity", double), **more)
    instance = hub.start("main", given, "one")
    hub.run()
    return instance


def child(context: Any) -> Flow:  # noqa: ANN401  # The SDK's.
    number = yield context.call_activity("double", context.get_input(int), int)
    return number + 1


def test_an_orchestrator_has_what_activities_and_children_answer() -> None:
    def main(context: Any) -> Flow:  # noqa: ANN401
        tasks = [context.call_activity("double", number, int) for number in range(3)]
        doubled = yield context.task_all(tasks)
        more = yield context.call_sub_orchestrator("child", 20, expected_type=int)
        return [*doubled, more]

    instance = run(main)
    assert (instance.status, instance.output) == ("Completed", [0, 2, 4, 41])
    assert all(event["IsPlayed"] for event in instance.history)


def test_time_passes_while_it_waits() -> None:
    def main(context: Any) -> Flow:  # noqa: ANN401
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        return context.current_utc_datetime.isoformat()

    assert run(main).output > (BEGAN + timedelta(hours=1)).isoformat()


def test_a_death_is_an_error_that_an_orchestrator_may_leave_uncaught() -> None:
    def main(context: Any) -> Flow:  # noqa: ANN401
        yield context.call_activity("double", 1, int)

    def dies(name: str, number: int) -> int:
        raise DiedError("exit code 137")

    instance = run(main, activity=dies)
    assert instance.status == "Failed"
    assert instance.output.startswith("Orchestrator function 'main' failed: exit code 137")


def test_a_call_that_is_added_to_others_under_way_holds_up_every_later_one() -> None:
    """So it is in the extension: it waits for an action before it begins the next one."""
    begun: list[int] = []

    def main(context: Any) -> Flow:  # noqa: ANN401
        tasks = [context.call_activity("double", number, int) for number in range(4)]
        for follower in (10, 11, 12):
            done = yield context.task_any(tasks)
            tasks.remove(done)
            tasks.append(context.call_activity("double", follower, int))
        yield context.task_all(tasks)

    def note(name: str, number: int) -> int:
        begun.append(number)
        return number

    class LastFirst(Chance):
        def choose(self, count: int) -> int:
            return count - 1

    assert run(main, activity=note).status == "Completed"
    assert begun == [0, 1, 2, 3, 10, 11, 12]
    begun.clear()
    hub = Hub({"main": main}, note, LastFirst())
    hub.start("main", None, "one")
    hub.run()
    assert begun.index(10) < begun.index(11) < begun.index(12)
    assert len(begun) == 7


@pytest.mark.parametrize("second", ["double", "nothing"])
def test_an_orchestrator_that_decides_otherwise_when_it_is_played_again_is_caught(
    second: str,
) -> None:
    played: list[int] = []

    def main(context: Any) -> Flow:  # noqa: ANN401
        played.append(1)
        if len(played) == 1:
            yield context.call_activity("treble", 1, int)
        if second == "double":
            yield context.call_activity("double", 1, int)

    with pytest.raises(NonDeterministicError):
        run(main)


def test_what_a_host_that_died_had_not_stored_is_done_again() -> None:
    class Dies(Chance):
        def __init__(self) -> None:
            self.asked = 0

        def is_lost(self) -> bool:
            self.asked += 1
            return self.asked % 2 == 1

    called: list[int] = []

    def main(context: Any) -> Flow:  # noqa: ANN401
        first = yield context.call_activity("double", 1, int)
        second = yield context.call_activity("double", first, int)
        return second

    def note(name: str, number: int) -> int:
        called.append(number)
        return double(name, number)

    dies = Dies()
    instance = run(main, activity=note, chance=dies)
    assert (instance.output, called) == (4, [1, 2])
    assert dies.asked == 10


def test_an_instance_that_runs_is_not_started_again() -> None:
    hub = Hub({"child": child}, double)
    hub.start("child", 1, "one")
    with pytest.raises(AssertionError, match="one runs"):
        hub.start("child", 1, "one")
    hub.run()
    assert hub.start("child", 1, "one").status == "Running"
