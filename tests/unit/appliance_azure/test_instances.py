"""What is asked of the task hub, by the SDK's own client, and what its statuses mean."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from azure.durable_functions import DurableOrchestrationClient
from azure.durable_functions.models.utils import http_utils

from appliance_azure.failures import InstanceFailedError
from appliance_azure.instances import SESSION, Instances, ids_of
from core.errors import ConflictError, StoreError
from tests.emulators.durable_api import DurableApi
from tests.emulators.functions_worker import CallFailedError
from tests.emulators.task_hub import TaskHub
from tests.support.waiting import PATIENCE_SECONDS, wait_until

Result = TypeVar("Result")
ID = "0123456789abcdef" * 2
ENDED = ("Completed", "Failed", "Terminated", "Canceled")
ORDER = {"session": ID, "claim": "c", "attempt": 3, "version": "1.2.3", "reason": "r"}


class Scripted:
    """What orchestrators say: to wait, unless an instance has another answer."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.failure = ""

    def __call__(self, _name: str, given: str, _place: int) -> dict[str, str]:
        instance = json.loads(given)["instanceId"]
        if self.failure:
            raise CallFailedError(self.failure)
        answer = self.answers.get(instance, {"isDone": False})
        return {"json": json.dumps({"actions": [[]], **answer})}


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def api(scripted: Scripted) -> Iterator[DurableApi]:
    hub = TaskHub(scripted, lambda: None, place_count=1, timer_seconds_max=0.0)
    api = DurableApi(hub, {SESSION, "batches"})
    thread = threading.Thread(target=api.serve_forever, args=(0.01,))
    thread.start()
    yield api
    api.shutdown()
    api.server_close()
    thread.join()
    hub.close()


def ask(api: DurableApi, *asked: str, **arguments: Any) -> list[Any]:  # noqa: ANN401
    """Ask one thing after the other, as calls of functions do in one loop."""

    async def all_of_it() -> list[Any]:
        instances = Instances(DurableOrchestrationClient(api.binding))
        try:
            return [await getattr(instances, name)(**arguments) for name in asked]
        finally:
            await http_utils._close_session()

    return asyncio.run(all_of_it())


def test_what_was_started_runs_with_its_order(api: DurableApi) -> None:
    ask(api, "start", instance=ID, order=ORDER)
    (found,) = ask(api, "find", instance=ID)
    assert (found.id, found.name, found.standing) == (ID, SESSION, "running")
    assert (found.order, found.attempt, found.ended) == (ORDER, 3, None)
    assert abs((datetime.now(UTC) - found.started).total_seconds()) < 60
    assert ask(api, "is_over", instance=ID) == [False]


def test_nothing_was_started_is_none(api: DurableApi) -> None:
    assert ask(api, "find", instance=ID) == [None]


def test_an_instance_that_has_no_status_yet_is_not_over(api: DurableApi) -> None:
    """The hub sends out an instance's first calls before it writes the status of the instance."""
    assert ask(api, "is_over", instance=f"{ID}:1:1:0") == [False]


def test_a_second_start_is_a_conflict_until_the_first_is_over(api: DurableApi) -> None:
    ask(api, "start", instance=ID, order=ORDER)
    with pytest.raises(ConflictError, match=r"attempt 3 .* runs"):
        ask(api, "start", instance=ID, order=ORDER | {"attempt": 4})
    ask(api, "terminate", instance=ID, why="a test")
    (found,) = ask(api, "find", instance=ID)
    assert found.standing == "aborted"
    assert found.ended is not None
    ask(api, "start", instance=ID, order=ORDER | {"attempt": 4})
    assert ask(api, "find", instance=ID)[0].attempt == 4


def test_of_two_that_start_at_once_one_is_refused(api: DurableApi) -> None:
    async def both() -> list[Any]:
        instances = Instances(DurableOrchestrationClient(api.binding))
        starts: list[Awaitable[None]] = [instances.start(ID, ORDER) for _ in range(2)]
        try:
            return list(await asyncio.gather(*starts, return_exceptions=True))
        finally:
            await http_utils._close_session()

    ended = asyncio.run(both())
    assert sorted(type(each).__name__ for each in ended) == ["ConflictError", "NoneType"]


def test_what_runs_is_found_with_the_job_it_is_for(api: DurableApi) -> None:
    ask(api, "start", instance=ID, order=ORDER)
    ask(api, "start", instance="f" * 32, order={"job": "nightly", "execution": "e"})
    api.hub.start("batches", "x", json.dumps("{}"))
    (running,) = ask(api, "running")
    assert {each.id for each in running} == {ID, "f" * 32}
    assert ids_of(running, "nightly") == ["f" * 32]
    assert ids_of(running, "other") == []
    event = next(each for each in running if each.id == "f" * 32)
    assert event.attempt == 1


def test_to_end_an_instance_ends_what_it_began(api: DurableApi) -> None:
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.start("batches", f"{ID}:3:1:0", json.dumps("{}"), (ID, 0))
    api.hub.start("batches", "another", json.dumps("{}"))
    ask(api, "terminate", instance=ID, why="the window is over")
    assert api.hub.instances[f"{ID}:3:1:0"].status == "Terminated"
    assert ask(api, "is_over", instance=f"{ID}:3:1:0") == [True]
    assert api.hub.instances["another"].status != "Terminated"
    # Once more does no harm.
    ask(api, "terminate", instance=ID, why="again")
    assert api.hub.instances[ID].output == "the window is over"


def test_what_an_ended_instance_begins_yet_is_over_from_the_start(api: DurableApi) -> None:
    """It may begin groups until the hub comes to end it: none of them is listed by then."""
    group = f"{ID}:3:2:0"
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.start("batches", group, json.dumps("{}"), (ID, 0))
    assert ask(api, "is_over", instance=group) == [False]
    api.hub.terminate(ID, "the window is over")
    assert api.hub.instances[group].status != "Terminated"
    assert ask(api, "is_over", instance=group) == [True]


def test_what_was_suspended_runs_yet_and_is_ended_like_all_else(api: DurableApi) -> None:
    """Nobody but a person suspends an instance, and may forget it."""
    group = f"{ID}:3:1:0"
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.start("batches", group, json.dumps("{}"), (ID, 0))
    for each in (ID, group):
        api.hub.suspend(each)
    assert [each.id for each in ask(api, "running")[0]] == [ID]
    with pytest.raises(ConflictError):
        ask(api, "start", instance=ID, order=ORDER | {"attempt": 4})
    ask(api, "terminate", instance=ID, why="the window is over")
    assert {api.hub.instances[each].status for each in (ID, group)} == {"Terminated"}


def test_only_what_has_ended_and_was_begun_long_ago_is_forgotten(api: DurableApi) -> None:
    now = datetime.now(UTC)
    ended = {status: f"{number:032x}" for number, status in enumerate(ENDED)}
    alive = {status: f"{number:032x}" for number, status in enumerate(("Running", "Suspended"), 8)}
    for instance in [*ended.values(), *alive.values(), ID]:
        api.hub.start(SESSION, instance, json.dumps("{}"))
        api.hub.instances[instance].created = now - timedelta(days=90)
    for status, instance in (ended | alive).items():
        api.hub.instances[instance].status = status
    api.hub.terminate(ID, "over")
    api.hub.instances[ID].created = now
    assert ask(api, "forget", before=now - timedelta(days=89)) == [4]
    assert api.hub.instances.keys() == {*alive.values(), ID}
    assert ask(api, "forget", before=now - timedelta(days=89)) == [0]
    assert ask(api, "find", instance=ended["Failed"]) == [None]


def test_what_is_left_of_an_attempt_is_over_when_the_next_has_taken_its_place(
    api: DurableApi,
) -> None:
    """The hub ends nothing with an attempt that it has failed by itself."""
    left, own = f"{ID}:3:1:0", f"{ID}:4:1:0"
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.start("batches", left, json.dumps("{}"), (ID, 0))
    assert ask(api, "is_over", instance=left) == [False]
    api.hub.terminate(ID, "by itself")
    ask(api, "start", instance=ID, order=ORDER | {"attempt": 4})
    assert api.hub.instances[left].status not in ENDED
    assert ask(api, "is_over", instance=left) == [True]
    assert ask(api, "is_over", instance=own) == [False]


def test_what_is_called_as_an_instance_of_a_forgotten_session_was_is_not_over(
    api: DurableApi,
) -> None:
    """A session is forgotten up to a week before groups that it began a moment later."""
    group = f"{ID}:1:1:0"
    first = ORDER | {"attempt": 1}
    ask(api, "start", instance=ID, order=first)
    api.hub.start("batches", group, json.dumps("{}"), (ID, 0))
    ask(api, "terminate", instance=ID, why="long ago")
    api.hub.purge(ID)
    api.hub.instances[group].created -= timedelta(days=90)
    ask(api, "start", instance=ID, order=first)
    assert ask(api, "is_over", instance=group) == [False]
    # Its own status is there now.
    api.hub.start("batches", group, json.dumps("{}"), (ID, 0))
    api.hub.terminate(group, "by a test")
    assert ask(api, "is_over", instance=group) == [True]


@pytest.mark.parametrize("failed", [ID, f"{ID}:3:2:0"])
def test_what_has_failed_is_over_for_calls_that_wait(
    api: DurableApi, scripted: Scripted, failed: str
) -> None:
    """It ends once its calls have, and so do all groups of an attempt when one has failed."""
    group = f"{ID}:3:2:0"
    scripted.answers[failed] = {"isDone": False, "customStatus": {"is_ending": True}}
    other = {ID: group, group: ID}[failed]
    scripted.answers[other] = {"isDone": False, "customStatus": {"is_ending": False}}
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.start("batches", group, json.dumps("{}"), (ID, 0))
    wait_until(lambda: all(api.hub.instances[each].custom_status for each in (ID, group)))
    assert ask(api, "is_over", instance=group) == [True]
    assert ask(api, "is_over", instance=f"{ID}:3:2:1") == [failed == ID]
    assert ask(api, "find", instance=failed)[0].is_running


def test_lists_are_read_to_their_end_past_pages_that_have_nothing(api: DurableApi) -> None:
    """A page is of what a table was searched for, and ends where the search was cut off."""
    api.page_size = 2
    for number in range(5):
        over = f"{number:032x}"
        api.hub.start(SESSION, over, json.dumps("{}"))
        api.hub.terminate(over, "over")
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.start("batches", f"{ID}:3:1:0", json.dumps("{}"), (ID, 0))
    assert [each.id for each in ask(api, "running")[0]] == [ID]
    ask(api, "terminate", instance=ID, why="the window is over")
    assert api.hub.instances[f"{ID}:3:1:0"].status == "Terminated"


def test_an_instance_that_ended_says_how(api: DurableApi, scripted: Scripted) -> None:
    counts = {"attempt": 3, "round": 1, "batches": 2, "done": 2}
    answer = {"isDone": True, "output": {"status": "Success"}, "customStatus": counts}
    scripted.answers[ID] = answer
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.wait(ID, PATIENCE_SECONDS)
    (found,) = ask(api, "find", instance=ID)
    assert (found.standing, found.counts) == ("succeeded", counts)


def test_an_instance_that_failed_says_why_if_it_was_foreseen(
    api: DurableApi, scripted: Scripted
) -> None:
    told = str(InstanceFailedError("StoreError", "no luck"))
    scripted.failure = "Exception: x\n\n$OutOfProcData$:" + json.dumps(
        {"isDone": False, "actions": [[]], "error": told}
    )
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.wait(ID, PATIENCE_SECONDS)
    (found,) = ask(api, "find", instance=ID)
    assert (found.standing, found.error, found.cause) == ("failed", "StoreError", "no luck")


def test_of_any_other_failure_no_text_is_told(api: DurableApi, scripted: Scripted) -> None:
    """I5."""
    scripted.failure = "KeyError: payroll"
    ask(api, "start", instance=ID, order=ORDER)
    api.hub.wait(ID, PATIENCE_SECONDS)
    (found,) = ask(api, "find", instance=ID)
    assert found.standing == "failed"
    assert "payroll" not in repr(found)


def test_a_hub_that_does_not_answer_is_a_store_error(api: DurableApi) -> None:
    async def look(base: str, name: str, **arguments: str) -> object:
        client = DurableOrchestrationClient(api.binding)
        client._orchestration_bindings._rpc_base_url = base
        try:
            return await getattr(Instances(client), name)(**arguments)
        finally:
            await http_utils._close_session()

    elsewhere = json.loads(api.binding)["rpcBaseUrl"].replace("/durabletask/", "/elsewhere/")
    for base in ("http://127.0.0.1:9/durabletask/", elsewhere):
        with pytest.raises(StoreError, match="cannot list the instances"):
            asyncio.run(look(base, "running"))
    with pytest.raises(StoreError, match="cannot look at the instance"):
        asyncio.run(look("http://127.0.0.1:9/durabletask/", "find", instance=ID))
