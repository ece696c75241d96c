"""A task hub of Durable Functions in memory: it plays real orchestrators through the real SDK.

It does what the extension does with what the SDK returns, ``OutOfProcOrchestrationShim`` above all:
actions are gone through in their order and none is begun before the one before it has an end; what
an orchestrator begins is held against what its history says that it has begun before. Every event
makes the whole orchestrator run again, as everywhere in Durable Functions.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.durable_functions import Orchestrator
from azure.durable_functions.models.actions.ActionType import ActionType
from azure.durable_functions.models.history import HistoryEventType

Document = dict[str, Any]
Activity = Callable[[str, Any], Any]

BEGAN = datetime(2026, 11, 25, 21, tzinfo=UTC)
_STATE_MARK = "$OutOfProcData$:"
BEGINS = {
    HistoryEventType.TASK_SCHEDULED,
    HistoryEventType.SUB_ORCHESTRATION_INSTANCE_CREATED,
    HistoryEventType.TIMER_CREATED,
}
_KINDS = {
    ActionType.CALL_ACTIVITY: HistoryEventType.TASK_SCHEDULED,
    ActionType.CALL_SUB_ORCHESTRATOR: HistoryEventType.SUB_ORCHESTRATION_INSTANCE_CREATED,
    ActionType.CREATE_TIMER: HistoryEventType.TIMER_CREATED,
}


class DiedError(Exception):
    """A function died: what an activity raises so as to fail."""


class NonDeterministicError(Exception):
    """An orchestrator has begun something else than what its history says."""


class Chance:
    """What may happen otherwise from run to run; by itself everything goes its straight way."""

    def choose(self, count: int) -> int:
        """Choose what is done next of so many things that may be."""
        return 0

    def take(self, count: int) -> int:
        """Say how many of the messages that are there an orchestrator is run for."""
        return count

    def is_lost(self) -> bool:
        """Say whether the host dies before it has done, or stored, what it was about to."""
        return False


@dataclass(slots=True)
class Instance:
    """An instance of an orchestrator; ``runs`` are the actions that each of its runs returned."""

    id: str
    name: str
    input: str
    parent: tuple[str, int] | None = None
    status: str = "Running"
    output: Any = None
    custom_status: Document = field(default_factory=dict)
    history: list[Document] = field(default_factory=list)
    inbox: list[Document] = field(default_factory=list)
    runs: list[list[Document]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Work:
    instance: Instance
    task: int
    name: str
    input: str


class Hub:
    """The hub, its clock, and all instances that were ever started in it."""

    def __init__(
        self,
        orchestrators: Mapping[str, Callable[[Any], Any]],
        activity: Activity,
        chance: Chance | None = None,
    ) -> None:
        """Start with no instance; ``activity`` is called with a name and an input."""
        self._handlers = {name: Orchestrator.create(each) for name, each in orchestrators.items()}
        self._activity = activity
        self._chance = chance or Chance()
        self._work: list[_Work] = []
        self._timers: list[tuple[datetime, int, Instance]] = []
        self.instances: dict[str, Instance] = {}
        self.now = BEGAN
        self.payload_length_max = 0

    def start(self, name: str, given: object, instance_id: str) -> Instance:
        """Start an instance; one of its id that runs is an error, one that is over is replaced."""
        return self._start(name, json.dumps(given), instance_id, None)

    def run(self) -> None:
        """Go on until every instance is over or waits for what never comes."""
        while self._step():
            pass

    def _start(
        self, name: str, given: str, instance_id: str, parent: tuple[str, int] | None
    ) -> Instance:
        before = self.instances.get(instance_id)
        assert before is None or before.status != "Running", f"{instance_id} runs"
        instance = Instance(instance_id, name, given, parent)
        began = self._event(HistoryEventType.EXECUTION_STARTED, Name=name, Input=given)
        instance.inbox.append({**began, "Version": None})
        self.instances[instance_id] = instance
        return instance

    def _event(self, kind: HistoryEventType, /, **more: object) -> Document:
        for text in (more.get(name) for name in ("Input", "Result")):
            self.payload_length_max = max(self.payload_length_max, len(str(text or "")))
        event = {
            "EventType": int(kind),
            "EventId": -1,
            "IsPlayed": False,
            "Timestamp": _text(self.now),
        }
        return {**event, **more}

    def _step(self) -> bool:
        waiting = [each for each in self.instances.values() if each.inbox]
        things: list[Callable[[], None]] = [self._doing(work) for work in self._work]
        things += [self._running(instance) for instance in waiting]
        if things:
            things[self._chance.choose(len(things))]()
            return True
        return self._wake()

    def _wake(self) -> bool:
        """Let time pass until the next timer."""
        if not self._timers:
            return False
        self._timers.sort(key=lambda timer: (timer[0], timer[1]))
        at, task, instance = self._timers.pop(0)
        self.now = max(self.now, at)
        fired = self._event(HistoryEventType.TIMER_FIRED, TimerId=task, FireAt=_text(at))
        self._send(instance, fired)
        return True

    def _doing(self, work: _Work) -> Callable[[], None]:
        return lambda: self._do(work)

    def _running(self, instance: Instance) -> Callable[[], None]:
        return lambda: self._run(instance)

    def _do(self, work: _Work) -> None:
        """Call an activity, unless the host dies first: then its message is there again."""
        if self._chance.is_lost():
            return
        try:
            result = json.dumps(self._activity(work.name, json.loads(work.input)))
            ended = self._event(
                HistoryEventType.TASK_COMPLETED, TaskScheduledId=work.task, Result=result
            )
        except DiedError as error:
            ended = self._event(
                HistoryEventType.TASK_FAILED,
                TaskScheduledId=work.task,
                Reason=str(error),
                Details="a trace of whatever it was",
            )
        self._work.remove(work)
        self._send(work.instance, ended)

    def _send(self, instance: Instance, message: Document) -> None:
        if instance.status == "Running":
            instance.inbox.append(message)

    def _run(self, instance: Instance) -> None:
        """Run an orchestrator for some of the messages that it has."""
        self.now += timedelta(seconds=1)
        taken = instance.inbox[: self._chance.take(len(instance.inbox))]
        began = self._event(HistoryEventType.ORCHESTRATOR_STARTED)
        history = [*instance.history, began, *taken]
        state = run_orchestrator(self._handlers[instance.name], instance, history)
        begun = begin(instance, state["actions"][0], history)
        if self._chance.is_lost():
            return
        del instance.inbox[: len(taken)]
        for event, action in begun:
            history.append({**self._event(HistoryEventType(event["EventType"])), **event})
            self._schedule(instance, event["EventId"], action)
        history.append(self._event(HistoryEventType.ORCHESTRATOR_COMPLETED))
        instance.history = [{**event, "IsPlayed": True} for event in history]
        instance.runs.append(state["actions"][0])
        instance.custom_status = state.get("customStatus") or instance.custom_status
        length = len(json.dumps(instance.custom_status))
        self.payload_length_max = max(self.payload_length_max, length)
        if state.get("error"):
            text = f"Orchestrator function '{instance.name}' failed: {state['error']}"
            self._end(instance, "Failed", text)
        elif state["isDone"]:
            self._end(instance, "Completed", state.get("output"))

    def _schedule(self, instance: Instance, task: int, action: Document) -> None:
        kind = action["actionType"]
        if kind == ActionType.CREATE_TIMER:
            self._timers.append((datetime.fromisoformat(action["fireAt"]), task, instance))
            return
        self.payload_length_max = max(self.payload_length_max, len(action["input"]))
        if kind == ActionType.CALL_ACTIVITY:
            self._work.append(_Work(instance, task, action["functionName"], action["input"]))
            return
        child = action["instanceId"]
        self._start(action["functionName"], action["input"], child, (instance.id, task))

    def _end(self, instance: Instance, status: str, output: object) -> None:
        instance.status, instance.output = status, output
        instance.inbox.clear()
        text = json.dumps(output)
        self.payload_length_max = max(self.payload_length_max, len(text))
        if instance.parent is None:
            return
        parent, task = instance.parent
        if status == "Completed":
            kind = HistoryEventType.SUB_ORCHESTRATION_INSTANCE_COMPLETED
            ended = self._event(kind, TaskScheduledId=task, Result=text)
        else:
            kind = HistoryEventType.SUB_ORCHESTRATION_INSTANCE_FAILED
            ended = self._event(kind, TaskScheduledId=task, Reason=output, Details=output)
        self._send(self.instances[parent], ended)


def run_orchestrator(
    handler: Callable[[str], str], instance: Instance, history: list[Document]
) -> Document:
    """Have the SDK play a history; return what it tells the extension."""
    context = {
        "history": history,
        "input": instance.input,
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
        text = handler(json.dumps(context))
    except Exception as error:  # The SDK raises nothing else.
        _, mark, text = str(error).partition(_STATE_MARK)
        if not mark:
            raise
    state: Document = json.loads(text)
    return state


def begin(
    instance: Instance, actions: list[Document], history: list[Document]
) -> list[tuple[Document, Document]]:
    """Go through actions as the extension does; return what is begun now, and by which action."""
    before = {event["EventId"]: event for event in history if event["EventType"] in BEGINS}
    ended = {
        event.get("TaskScheduledId", event.get("TimerId"))
        for event in history
        if "TaskScheduledId" in event or "TimerId" in event
    }
    found: list[tuple[Document, Document]] = []
    task = 0
    for action in actions:
        tasks = []
        for leaf in leaves(action):
            kind = int(_KINDS[ActionType(leaf["actionType"])])
            event = {"EventType": kind, "EventId": task, "Name": leaf.get("functionName")}
            if task not in before:
                found.append((event, leaf))
            elif any(before[task][name] != event[name] for name in ("EventType", "Name")):
                raise NonDeterministicError(f"{instance.id}: task {task} was {before[task]}")
            tasks.append(task)
            task += 1
        is_all = action["actionType"] != ActionType.WHEN_ANY
        if not (all if is_all else any)(each in ended for each in tasks):
            break
    last: int = max(before, default=-1)
    if last >= task:
        raise NonDeterministicError(f"{instance.id}: nobody began {before[last]}")
    return found


def leaves(action: Document) -> Iterator[Document]:
    """Yield what an action begins, in the order of their numbers."""
    if "compoundActions" not in action:
        yield action
        return
    for each in action["compoundActions"]:
        yield from leaves(each)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
