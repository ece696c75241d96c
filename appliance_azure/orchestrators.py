"""The state machine of the Azure appliance: which activity is called next, and how a session ends.

``session`` is one attempt at a session, ``batches`` repacks a group of its batches. They are played
again from the start after every event, by what the history says, and have to come to the same
decisions each time: they read no clock, environment or store of their own.

Durable Functions goes through what an orchestrator has begun one by one, and begins nothing before
what stands before it has come to an end. So whatever is begun is begun together: a call that is
added while others are under way would hold up every later one.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from appliance_azure.answers import is_plan, is_repack_again
from appliance_azure.failures import (
    CallFailure,
    Document,
    InstanceFailedError,
    Tries,
    failure_in,
    failure_in_group,
    log_failed_session,
    not_understood,
    session_failed,
    shortened,
)
from appliance_azure.groups import IS_ENDING, group_instance, groups_of, numbers_in
from core import limits
from core.engine.step_documents import End, PlanState, RepackState
from core.format import names
from core.model import SessionStatus

Result = TypeVar("Result")
Flow = Generator["Task", object, Result]

PLAN, REPACK, PUBLISH, NEXT = "plan", "repack", "publish", "next"
BATCHES = "batches"
_PUBLISHED = {SessionStatus.SUCCESS.value, SessionStatus.WARNING.value}
# What of publish's answer an instance ends with.
_TOLD = ("state", "status", "record", "reasons")


class Task(Protocol):
    """What an orchestrator waits for."""

    is_completed: bool
    result: object


class Context(Protocol):
    """What Durable Functions gives an orchestrator, as far as ours use it."""

    instance_id: str
    current_utc_datetime: datetime

    def get_input(self, expected_type: type) -> Any:  # noqa: ANN401  # JSON.
        """Return what the instance was started with."""

    def call_activity(self, name: str, input_: Document, expected_type: type) -> Task:
        """Begin a call of an activity."""

    def call_sub_orchestrator(
        self, name: str, input_: Document, instance_id: str, *, expected_type: type
    ) -> Task:
        """Begin an instance of another orchestrator."""

    def create_timer(self, fire_at: datetime) -> Task:
        """Begin to wait for a moment."""

    def task_any(self, tasks: list[Task]) -> Task:
        """Wait for the first of tasks, however it ends."""

    def set_custom_status(self, status: Document) -> None:
        """Set what whoever asks for the instance is told."""


def session(context: Context) -> Flow[Document]:
    """Run one attempt at a session, or at whatever a job copies now.

    The input is an order: of the proxy, or of an event or the schedule. The output is what publish
    answered, or what plan did where nothing was to be done.
    """
    attempt = _Session(context)
    try:
        return (yield from attempt.run())
    except Exception as error:
        # The last that an instance comes to, which no replay does again.
        log_failed_session(context.instance_id, error, attempt.session)
        raise


def batches(context: Context) -> Flow[Document]:
    """Repack a group of batches; return how many came to which end, and the first failure."""
    return (yield from _Group(context).run())


class _StepFailedError(Exception):
    """A step failed and is not tried again."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.kind)
        self.failure = failure


def _first(context: Context, tasks: Iterable[Task]) -> Flow[None]:
    """Begin those of some tasks that are not begun yet, and wait for the first end of one.

    A failed task is told by its result, where a wait for the task itself would raise it.
    """
    yield context.task_any(list(tasks))


def _pause(context: Context, seconds: float) -> Task:
    return context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))


def _call(context: Context, name: str, document: Document) -> Flow[Document]:
    """Call an activity until it answers, or until its failures are too many."""
    tries = Tries()
    while True:
        task = context.call_activity(name, document, dict)
        yield from _first(context, [task])
        failure = failure_in(task.result)
        if failure is None:
            assert isinstance(task.result, dict), "what is no failure is an answer"
            return task.result
        tries = tries.then(failure)
        delay = tries.delay(failure, f"{context.instance_id} {name}")
        if delay is None:
            raise _StepFailedError(failure)
        yield from _first(context, [_pause(context, delay)])


class _Session:
    """One attempt: the states that its calls lead through."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._order: Document = dict(context.get_input(dict))
        self._plan: Document = {
            **{name: self._order.get(name) for name in ("session", "claim")},
            "attempt": self._order.get("attempt", 1),
            "reason": self._order.get("reason", ""),
            "started": self._order.get("started") or context.current_utc_datetime.isoformat(),
            "round": 0,
            "batch_count": 0,
        }
        self._round_count = 0
        self._tell(0)

    @property
    def session(self) -> str:
        """The session that it is at: somebody else's, where one that was left is gone on with."""
        return str(self._plan["session"] or "")

    def run(self) -> Flow[Document]:
        """Plan, repack and plan again until there is an end, and come to it."""
        try:
            yield from self._plan_order()
            end = yield from self._until_an_end()
        except _StepFailedError as error:
            return (yield from self._fail(error.failure))
        if end is None:
            return self._plan
        try:
            published = yield from self._publish(end)
        except _StepFailedError as error:
            # What cannot be published leaves its report like all else that failed.
            return (yield from self._fail(error.failure))
        return (yield from self._finish(end, published))

    def _plan_order(self) -> Flow[None]:
        call = {
            "execution": self._context.instance_id,
            **self._order,
            "round": 0,
            "started": self._plan["started"],
        }
        yield from self._call_plan(call)

    def _plan_again(self) -> Flow[None]:
        """Go on where the last call stopped, or look at what changed during a round."""
        names_ = ("session", "claim", "attempt", "reason", "round", "started")
        call = {name: self._plan[name] for name in names_}
        yield from self._call_plan({**call, "version": self._order.get("version", "")})

    def _call_plan(self, call: Document) -> Flow[None]:
        answer = yield from _call(self._context, PLAN, call)
        if not is_plan(answer):
            raise _StepFailedError(not_understood(PLAN))
        self._plan = answer
        if answer["state"] == PlanState.REPACK.value:
            self._tell(0)

    def _tell(self, done: int, *, is_ending: bool = False) -> None:
        standing = {name: self._plan[name] for name in ("attempt", "round")}
        counts = {"batches": self._plan["batch_count"], "done": done}
        self._context.set_custom_status({**standing, **counts, IS_ENDING: is_ending})

    def _until_an_end(self) -> Flow[End | None]:
        """Return the end that the session comes to; None: there is nothing to do."""
        while True:
            match PlanState(self._plan["state"]):
                case PlanState.NOTHING | PlanState.BUSY:
                    return None
                case PlanState.PUBLISH:
                    return End.PUBLISH
                case PlanState.STOPPED:
                    return End.STOPPED
                case PlanState.REPACK:
                    end = yield from self._repack()
                    if end is not None:
                        return end
                case PlanState.AGAIN:
                    pass
            yield from self._plan_again()

    def _repack(self) -> Flow[End | None]:
        """Repack the batches of a round, all groups at once; None: all are done."""
        self._round_count += 1
        groups = groups_of(self._plan["numbers"], limits.GROUP_BATCHES_MAX)
        tasks = [self._begin_group(number, group) for number, group in enumerate(groups)]
        waiting = tasks
        while waiting:
            yield from _first(self._context, waiting)
            waiting = [task for task in waiting if not task.is_completed]
            ended = [task.result for task in tasks if task.is_completed]
            is_ending = any(map(failure_in_group, ended))
            self._tell(_count(ended, RepackState.DONE), is_ending=is_ending)
        results = [task.result for task in tasks]
        for failure in map(failure_in_group, results):
            if failure is not None:
                raise _StepFailedError(failure)
        if _count(results, RepackState.STOPPED):
            return End.STOPPED
        return End.STALLED if _count(results, RepackState.STALLED) else None

    def _begin_group(self, number: int, group: str) -> Task:
        """Begin the group of a number in the round.

        Its instance is called so that it is found, and ended, with this one, for it does not end by
        itself then. Rounds are counted here: plan may say one twice, and an instance that is called
        as another was would at first have the status of that one.
        """
        given = {name: self._plan[name] for name in ("session", "claim", "batches")}
        own = (self._context.instance_id, self._plan["attempt"], self._round_count)
        return self._context.call_sub_orchestrator(
            BATCHES,
            {**given, "numbers": group},
            group_instance(*own, number),
            expected_type=dict,
        )

    def _publish(self, end: End, failure: CallFailure | None = None) -> Flow[Document]:
        """Have a session published, voided or reported, as the end says."""
        call = {
            **{name: self._plan[name] for name in ("session", "claim", "attempt", "reason")},
            "end": end.value,
            "error": {} if failure is None else failure.document(),
            "started": self._plan["started"],
        }
        while True:
            answer = yield from _call(self._context, PUBLISH, call)
            if answer.get("state") != "again":
                return {name: answer.get(name) for name in _TOLD}

    def _fail(self, failure: CallFailure) -> Flow[Document]:
        """Report a failure, where a session is known, and fail with it."""
        if self._plan["session"] is None:
            raise InstanceFailedError(failure.kind, failure.message)
        try:
            published = yield from self._publish(End.FAILED, failure)
        except _StepFailedError as error:
            raise InstanceFailedError(error.failure.kind, error.failure.message) from None
        raise session_failed(published)

    def _finish(self, end: End, published: Document) -> Flow[Document]:
        is_published = end is End.PUBLISH and published.get("status") in _PUBLISHED
        if not is_published and end is not End.STOPPED:
            raise session_failed(published)
        if is_published and self._plan["more"]:
            yield from self._begin_next()
        return shortened(published)

    def _begin_next(self) -> Flow[None]:
        """Have an instance of its own copy what an event announced while this one ran.

        An event that comes while a session runs finds it busy and ends. Where a proxy has ordered
        this one there is no job to go on with but that of the app's events, if it has any.
        """
        order = {
            **({"job": self._order["job"]} if "job" in self._order else {}),
            "execution": f"{self._context.instance_id} {self._plan['session']}",
            "started": self._context.current_utc_datetime.isoformat(),
        }
        try:
            yield from _call(self._context, NEXT, order)
        except _StepFailedError as error:
            raise InstanceFailedError(error.failure.kind, error.failure.message) from None


def _count(results: Iterable[Any], state: RepackState) -> int:
    """Count the batches that came to a state, in groups that did not fail by themselves."""
    return sum(each[state.value] for each in results if failure_in(each) is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """A batch that is not done, what its calls have come to, and the failures of its next one."""

    number: int
    part_count: int = 0
    stalled_calls: int = 0
    tries: Tries = Tries()  # noqa: RUF009  # It is frozen.


class _Group:
    """A group of batches: all are called once, then again those that have to be, and so on.

    Whoever failed and is tried again waits while others are called: for the longest of their waits.
    After a failure that is not tried again none is called, and calls that wait find it ending.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._given: Document = context.get_input(dict)
        self._counts = {state.value: 0 for state in RepackState if state is not RepackState.AGAIN}
        self._failure: CallFailure | None = None
        self._paused: list[tuple[float, _Batch]] = []
        self._next: list[_Batch] = []

    def run(self) -> Flow[Document]:
        """Call until no batch is left."""
        self._next = [_Batch(number=number) for number in numbers_in(self._given["numbers"])]
        while (self._next or self._paused) and self._failure is None:
            called, paused = self._next, self._paused
            tasks = [
                self._context.call_activity(REPACK, self._call_of(each), dict) for each in called
            ]
            pauses = [_pause(self._context, max(delay for delay, _ in paused))] if paused else []
            yield from _first(self._context, [*tasks, *pauses])
            self._next, self._paused = [batch for _, batch in paused], []
            # In their order, as they are called: to wait for the first of all would cost a square.
            for batch, task in zip(called, tasks, strict=True):
                yield from self._until_ended(task)
                self._take(batch, task.result)
            for pause in pauses:
                yield from self._until_ended(pause)
        return {**self._counts, "failure": self._failure and self._failure.document()}

    def _until_ended(self, task: Task) -> Flow[None]:
        if not task.is_completed:
            yield from _first(self._context, [task])

    def _call_of(self, batch: _Batch) -> Document:
        digits = names.batch_digits(batch.number)
        return {
            "instance": self._context.instance_id,
            "session": self._given["session"],
            "claim": self._given["claim"],
            "batch": f"{self._given['batches']}{digits}.parquet",
            "part_count": batch.part_count,
            "stalled_calls": batch.stalled_calls,
        }

    def _take(self, batch: _Batch, result: object) -> None:
        """Note what came of a call."""
        failure = failure_in(result)
        if failure is not None:
            self._note_failure(batch, failure)
            return
        assert isinstance(result, dict), "what is no failure is an answer"
        state = str(result.get("state"))
        if is_repack_again(result):
            made = {name: result[name] for name in ("part_count", "stalled_calls")}
            self._next.append(replace(batch, tries=Tries(), **made))
        elif state in self._counts:
            self._counts[state] += 1
        else:
            self._fail(not_understood(REPACK))

    def _note_failure(self, batch: _Batch, failure: CallFailure) -> None:
        tries = batch.tries.then(failure)
        delay = tries.delay(failure, f"{self._context.instance_id} {batch.number}")
        if delay is None:
            self._fail(failure)
        else:
            self._paused.append((delay, replace(batch, tries=tries)))

    def _fail(self, failure: CallFailure) -> None:
        self._failure = self._failure or failure
        self._context.set_custom_status({IS_ENDING: True})
