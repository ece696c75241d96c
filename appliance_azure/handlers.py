"""What the activities do: open, call the step, log.

An activity never ends by an error: what an orchestrator decides by crosses as an answer, by class
and message, because Durable Functions would keep any exception with its text and its whole trace.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping

from appliance_azure.deadline import call_deadline, whole_deadline
from appliance_azure.groups import ranges_of
from appliance_azure.log import write_line
from appliance_azure.opening import open_appliance
from appliance_azure.settings import read_settings
from core.appliance.calls import (
    Answer,
    Document,
    Failure,
    Opened,
    Step,
    describe_failure,
    keys_of,
    line_of_plan,
    line_of_publish,
    line_of_repack,
)
from core.engine.step_documents import RepackState
from core.engine.steps import Appliance, plan_step, publish_step, repack_step

INSTANCE = "instance"


class Activities:
    """The activities of a session. Target and source stay open while the worker lives."""

    def __init__(self, open_both: Callable[[], Appliance]) -> None:
        """Open nothing yet."""
        self._opened = Opened(open_both)

    def plan(self, call: object) -> Document:
        """Plan, or look again after a round; the numbers of batches are ranges."""
        began = time.monotonic()
        answer = self._call("plan", plan_step, call, call_deadline())
        if isinstance(answer, Failure):
            return error_document(answer)
        _log("plan", call, began, line_of_plan(answer))
        return {**answer.document(), "numbers": ranges_of(answer.numbers)}

    def repack(self, call: object) -> Document:
        """Repack a batch, or go on with it.

        A call names the instance that makes it besides, for ``stop_repack``.
        """
        if isinstance(call, dict):
            call = {name: value for name, value in call.items() if name != INSTANCE}
        began = time.monotonic()
        answer = self._call("repack", repack_step, call, call_deadline())
        if isinstance(answer, Failure):
            return error_document(answer)
        _log("repack", call, began, line_of_repack(answer))
        return answer.document()

    def publish(self, call: object) -> Document:
        """End an execution's work on a session."""
        began = time.monotonic()
        answer = self._call("publish", publish_step, call, whole_deadline())
        if isinstance(answer, Failure):
            return error_document(answer)
        line = line_of_publish(answer)
        _log("publish", call, began, line, logging.WARNING if line["reasons"] else logging.INFO)
        return answer.document()

    def _call(
        self, name: str, step: Step[Answer], call: object, deadline: float
    ) -> Answer | Failure:
        began = time.monotonic()
        try:
            return self._opened.call(step, call, deadline)
        except Exception as error:  # noqa: BLE001  # An entry point: what it says is ours to decide.
            failure = describe_failure(error)
            line = {"error": failure.line, **failure.keys}
            _log(name, call, began, line, logging.ERROR)
            return failure


def stop_repack(call: Document) -> Document:
    """Answer a call on a batch whose instance is over: what was called before is called yet."""
    counts = {name: call.get(name, 0) for name in ("part_count", "stalled_calls")}
    write_line(logging.INFO, "repack", {**keys_of(call), "state": RepackState.STOPPED.value})
    return {**counts, "state": RepackState.STOPPED.value}


def _log(
    name: str, call: object, began: float, line: Mapping[str, object], level: int = logging.INFO
) -> None:
    seconds = round(time.monotonic() - began, 3)
    write_line(level, name, {**keys_of(call), **line, "seconds": seconds})


def error_document(failure: Failure) -> Document:
    """Return the answer that an error is."""
    return {"error": {"class": failure.kind, "message": failure.message}}


activities = Activities(lambda: open_appliance(read_settings(os.environ)))
