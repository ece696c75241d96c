"""The task hub of a function app, in memory: instances, their histories, and who works on them.

It stands in for the Durable Functions extension and its storage. Orchestrators and activities are
called in workers; whatever happens to these, what was stored is not lost, and a call that a worker
took with it is made again. ``tests/support/durable.py`` says what the extension does with actions.
"""

import contextlib
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any

from azure.durable_functions.models.actions.ActionType import ActionType
from azure.durable_functions.models.history import HistoryEventType

from tests.emulators.functions_worker import (
    CallFailedError,
    TimeIsUpError,
    WorkerDiedError,
    WorkerLostError,
)
from tests.support.durable import begin

Document = dict[str, Any]
RUNNING = frozenset({"Running", "Pending", "Suspended"})
SUSPENDED = "Suspended"
# Larger messages go by way of a blob in Azure, which costs time: nothing of ours is to be as large.
MESSAGE_SIZE_MAX = 45 << 10
_STATE_MARK = "$OutOfProcData$:"


class Disturbance(Enum):
    """What may go wrong at a moment."""

    RESTART = "all workers are taken away and others take their place"
    FAIL = "the call of an activity fails, before it was made or after it"
    REPEAT = "the call of an activity is made once more beside this one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment between two events: an orchestrator or activity is called, or has answered.

    ``number`` counts the moments of a hub.
    """

    number: int
    is_answer: bool
    name: str
    instance: str
    input: str


@dataclass(slots=True, kw_only=True)
class Instance:
    """An instance of an orchestrator. ``parent`` is who waits for it, and by which task.

    ``input`` is JSON in which what the SDK was given is a text of JSON once more.
    """

    id: str
    name: str
    input: str
    created: datetime
    updated: datetime
    parent: tuple[str, int] | None = None
    status: str = "Pending"
    output: Any = None
    custom_status: Any = None
    execution: str = field(default_factory=lambda: str(uuid.uuid4()))
    history: list[Document] = field(default_factory=list)
    inbox: list[Document] = field(default_factory=list)
    # How far its clock is before ours, since its timers do not take the time they say.
    ahead: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    instance: str
    execution: str
    task: int
    name: str
    input: str


class TaskHub:
    """Works on instances until it is closed.

    ``call`` calls a function in a worker by name, input and the number of an activity's place;
    ``restart`` gives all workers' work to others. Timers take ``timer_seconds_max`` at most.
    """

    def __init__(
        self,
        call: Callable[[str, str, int], Any],
        restart: Callable[[], None],
        *,
        place_count: int,
        timer_seconds_max: float,
    ) -> None:
        self._call = call
        self._restart = restart
        self._timer_seconds_max = timer_seconds_max
        self._changed = threading.Condition(threading.RLock())
        self._work: deque[_Work] = deque()
        self._timers: list[tuple[float, str, str, Document]] = []
        self._is_closed = False
        self._moments = 0
        self.disturb: Callable[[Moment], Disturbance | None] = lambda _: None
        self.instances: dict[str, Instance] = {}
        self.calls: list[Moment] = []
        self.payload_size_max = 0
        self._problem: Exception | None = None
        works = [self._run_orchestrators]
        works += [partial(self._run_activities, place) for place in range(place_count)]
        self._threads = [
            threading.Thread(target=self._run, args=(work,), daemon=True) for work in works
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Work no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    # --- What the extension's clients ask --------------------------------------------------------

    def start(
        self, name: str, instance: str, given: str, parent: tuple[str, int] | None = None
    ) -> bool:
        """Start an instance; False when one of this id runs. One that is over is replaced."""
        with self._changed:
            before = self.instances.get(instance)
            if before is not None and before.status in RUNNING:
                return False
            now = datetime.now(UTC)
            made = Instance(
                id=instance, name=name, input=given, created=now, updated=now, parent=parent
            )
            self.instances[instance] = made
            began = _event(HistoryEventType.EXECUTION_STARTED, now, Name=name, Input=given)
            self._send(made, {**began, "Version": ""})
        return True

    def terminate(self, instance: str, why: str) -> bool:
        """End an instance where it is; False when it is over. What it began goes on."""
        with self._changed:
            found = self.instances[instance]
            if found.status not in RUNNING:
                return False
            self._end(found, "Terminated", why)
        return True

    def suspend(self, instance: str) -> None:
        """Have an instance take no notice of anything but its end."""
        with self._changed:
            self.instances[instance].status = SUSPENDED

    def purge(self, instance: str) -> None:
        """Forget an instance."""
        with self._changed:
            del self.instances[instance]

    def wait(self, instance: str, patience: float) -> Instance:
        """Wait for an instance's end."""
        deadline = time.monotonic() + patience
        with self._changed:
            while self.instances[instance].status in RUNNING:
                if self._problem is not None:
                    raise self._problem
                left = deadline - time.monotonic()
                assert left > 0, f"the instance {instance} goes on and on"
                self._changed.wait(min(left, 1.0))
            return self.instances[instance]

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # Whoever waits is told.
            with self._changed:
                self._problem = error
                self._changed.notify_all()

    # --- Orchestrators ---------------------------------------------------------------------------

    def _run_orchestrators(self) -> None:
        while (instance := self._next_instance()) is not None:
            moment = self._moment(False, instance.name, instance.id, "")
            if self.disturb(moment) is Disturbance.RESTART:
                self._restart()
            with contextlib.suppress(WorkerLostError, WorkerDiedError):
                # Nothing of an episode counts until it is stored: it is simply played again.
                self._play(instance)

    def _next_instance(self) -> Instance | None:
        with self._changed:
            while not self._is_closed:
                self._fire_timers()
                for instance in self.instances.values():
                    if instance.inbox and instance.status in RUNNING - {SUSPENDED}:
                        return instance
                self._changed.wait(0.05 if self._timers else 1.0)
        return None

    def _fire_timers(self) -> None:
        now = time.monotonic()
        for timer in [timer for timer in self._timers if timer[0] <= now]:
            self._timers.remove(timer)
            _, instance, execution, fired = timer
            found = self.instances.get(instance)
            if found is not None and found.execution == execution:
                at = datetime.fromisoformat(fired["FireAt"])
                found.ahead = max(found.ahead, at - datetime.now(UTC))
                self._send(found, fired)

    def _play(self, instance: Instance) -> None:
        """Play an episode: all that has come is told to the orchestrator, which says what next."""
        with self._changed:
            taken = list(instance.inbox)
            now = datetime.now(UTC) + instance.ahead
            began = _event(HistoryEventType.ORCHESTRATOR_STARTED, now)
            history = [*instance.history, began, *taken]
        state = self._ask(instance, history)
        begun = begin(instance, state["actions"][0] if state["actions"] else [], history)  # type: ignore[arg-type]
        with self._changed:
            if self.instances.get(instance.id) is not instance or instance.status not in RUNNING:
                return
            del instance.inbox[: len(taken)]
            if instance.status != SUSPENDED:
                instance.status = "Running"
            instance.updated = datetime.now(UTC)
            for event, action in begun:
                history.append({**_event(HistoryEventType(event["EventType"]), now), **event})
                self._schedule(instance, event["EventId"], action)
            history.append(_event(HistoryEventType.ORCHESTRATOR_COMPLETED, now))
            instance.history = [{**event, "IsPlayed": True} for event in history]
            if "customStatus" in state:
                instance.custom_status = state["customStatus"]
                self._measure(json.dumps(instance.custom_status))
            if state.get("error"):
                text = f"Orchestrator function '{instance.name}' failed: {state['error']}"
                self._end(instance, "Failed", text)
            elif state["isDone"]:
                self._end(instance, "Completed", state.get("output"))
            self._changed.notify_all()

    def _ask(self, instance: Instance, history: list[Document]) -> Document:
        context = {
            "history": history,
            "input": json.loads(instance.input),
            "instanceId": instance.id,
            "isReplaying": False,
            "parentInstanceId": instance.parent and instance.parent[0],
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
            "maximumShortTimerDuration": "6.00:00:00",
            "longRunningTimerIntervalDuration": "3.00:00:00",
            "defaultHttpAsyncRequestSleepTimeMillseconds": 30_000,
        }
        try:
            answer = self._call(instance.name, json.dumps(context), 0)
        except CallFailedError as error:
            text, mark, state = str(error).partition(_STATE_MARK)
            if not mark:
                return {"actions": [], "isDone": False, "error": text}
        else:
            state = answer["json"]
        said: Document = json.loads(state)
        return said

    def _schedule(self, instance: Instance, task: int, action: Document) -> None:
        kind = action["actionType"]
        if kind == ActionType.CREATE_TIMER:
            at = datetime.fromisoformat(action["fireAt"])
            left = (at - datetime.now(UTC) - instance.ahead).total_seconds()
            due = time.monotonic() + max(0.0, min(left, self._timer_seconds_max))
            fired = _event(HistoryEventType.TIMER_FIRED, at, TimerId=task, FireAt=action["fireAt"])
            self._timers.append((due, instance.id, instance.execution, fired))
            return
        name, given = action["functionName"], action["input"]
        self._measure(given)
        if kind == ActionType.CALL_SUB_ORCHESTRATOR:
            child = action.get("instanceId") or f"{instance.execution}:{task}"
            is_new = self.start(name, child, json.dumps(given), (instance.id, task))
            assert is_new, f"{child} runs"
            return
        work = _Work(
            instance=instance.id, execution=instance.execution, task=task, name=name, input=given
        )
        self._work.append(work)

    def _end(self, instance: Instance, status: str, output: object) -> None:
        instance.status, instance.output = status, output
        instance.updated = datetime.now(UTC)
        instance.inbox.clear()
        self._changed.notify_all()
        text = json.dumps(output)
        self._measure(text)
        if instance.parent is None:
            return
        name, task = instance.parent
        parent = self.instances.get(name)
        if parent is None or parent.status not in RUNNING:
            return
        now = datetime.now(UTC)
        if status == "Completed":
            kind = HistoryEventType.SUB_ORCHESTRATION_INSTANCE_COMPLETED
            self._send(parent, _event(kind, now, TaskScheduledId=task, Result=text))
        else:
            kind = HistoryEventType.SUB_ORCHESTRATION_INSTANCE_FAILED
            ended = _event(kind, now, TaskScheduledId=task, Reason=output, Details=output)
            self._send(parent, ended)

    # --- Activities ------------------------------------------------------------------------------

    def _run_activities(self, place: int) -> None:
        while (work := self._next_work()) is not None:
            try:
                self._do(work, place)
            except WorkerLostError:
                # It comes to light again, and is taken by whoever has time.
                self._put_back(work)

    def _next_work(self) -> _Work | None:
        with self._changed:
            while not self._is_closed:
                if self._work:
                    return self._work.popleft()
                self._changed.wait(1.0)
        return None

    def _put_back(self, work: _Work) -> None:
        with self._changed:
            self._work.appendleft(work)
            self._changed.notify_all()

    def _do(self, work: _Work, place: int) -> None:
        """Call an activity and tell its orchestrator what came of it, as the moment allows."""
        moment = self._moment(False, work.name, work.instance, work.input)
        before = self.disturb(moment)
        self.calls.append(moment)
        if before is Disturbance.FAIL:
            self._tell(work, error="it did not even begin")
            return
        if before is Disturbance.REPEAT:
            self._put_back(work)
        if before is Disturbance.RESTART:
            self._restart()
        try:
            answer = self._call(work.name, work.input, place)
        except (CallFailedError, TimeIsUpError, WorkerDiedError) as error:
            self._tell(work, error=f"Activity function '{work.name}' failed: {error}")
            return
        after = self.disturb(self._moment(True, work.name, work.instance, work.input))
        if after is Disturbance.RESTART:
            # The answer is lost with the host.
            self._restart()
            raise WorkerLostError(work.name)
        if after is Disturbance.FAIL:
            self._tell(work, error="it died as it answered")
            return
        if after is Disturbance.REPEAT:
            self._put_back(work)
        self._tell(work, result=answer["json"])

    def _tell(self, work: _Work, *, result: str = "", error: str = "") -> None:
        with self._changed:
            instance = self.instances.get(work.instance)
            if instance is None or instance.execution != work.execution:
                return
            ended = {*map(_ended_task, instance.history), *map(_ended_task, instance.inbox)}
            if instance.status not in RUNNING or work.task in ended:
                # Storage finds that it has this answer already.
                return
            self._measure(result)
            now, ids = datetime.now(UTC), {"TaskScheduledId": work.task}
            if error:
                told = {"Reason": error, "Details": error}
                self._send(instance, _event(HistoryEventType.TASK_FAILED, now, **ids, **told))
            else:
                kind = HistoryEventType.TASK_COMPLETED
                self._send(instance, _event(kind, now, **ids, Result=result))

    # --- What both need --------------------------------------------------------------------------

    def _send(self, instance: Instance, message: Document) -> None:
        instance.inbox.append(message)
        self._changed.notify_all()

    def _moment(self, is_answer: bool, name: str, instance: str, given: str) -> Moment:
        with self._changed:
            self._moments += 1
            return Moment(
                number=self._moments, is_answer=is_answer, name=name, instance=instance, input=given
            )

    def _measure(self, text: str) -> None:
        self.payload_size_max = max(self.payload_size_max, len(text.encode()))


def _event(kind: HistoryEventType, now: datetime, /, **more: object) -> Document:
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"EventType": int(kind), "EventId": -1, "IsPlayed": False, "Timestamp": stamp, **more}


def _ended_task(event: Mapping[str, Any]) -> object:
    return event.get("TaskScheduledId")
