"""The state machine of an appliance, in this process: the same states, calls and documents.

Everything between two calls is what JSON carries. Deadlines may lie so near that a call does the
least that it can, and each call may be made twice, as a service may do after a lost answer.
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.engine.steps import Appliance, plan_step, publish_step, repack_step
from core.errors import ColdhaulError
from core.ids import format_time
from core.sources.repository import Repository
from core.sources.source import Source
from tests.support.stores import Crash

Document = Mapping[str, Any]
Step = Callable[[Appliance, object, float], Any]

# More calls than any test's session needs: a machine that turns in a circle is seen.
CALLS_MAX = 2_000
LONG = 300.0
_PUBLISHED = {"Success", "Warning"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an execution ended: the last answer, and the error that failed it."""

    succeeded: bool
    answer: Document
    error: str = ""


def make_appliance(target: Repository, source: Source, **others: Any) -> Appliance:  # noqa: ANN401
    """Return an appliance of these two, as if our names began below a prefix of its bucket."""
    terms: dict[str, Any] = {"runner": "aws", "version": "1.2.3", "root": "vault/", **others}
    return Appliance(target=target, source=source, **terms)


class Machine:
    """Runs executions. ``seconds`` is how long plan and repack may take for each call.

    A call that crashes is made again where ``revive`` gives the functions to make it with.
    """

    def __init__(
        self,
        appliance: Appliance,
        *,
        seconds: float = LONG,
        is_doubled: bool = False,
        revive: Callable[[], Appliance] | None = None,
    ) -> None:
        self._appliance = appliance
        self._seconds = seconds
        self._is_doubled = is_doubled
        self._revive = revive
        self._newest: Document = {"more": False}
        self.calls: list[tuple[str, Document]] = []

    def execute(self, order: Document) -> Ended:
        """Run an execution from its order to its end; a crash or a bug comes through."""
        ended = self._turn(order)
        while "job" in order and self._newest["more"] and ended.answer["status"] in _PUBLISHED:
            began = {"execution": f"one {self._newest['session']}", "started": self._now()}
            following = self._turn({**order, **began})
            if self._newest["state"] in {"nothing", "busy"}:
                break
            ended = following
        return ended

    def _turn(self, order: Document) -> Ended:
        """Run one session, if there is any."""
        try:
            plan = self._plan({**order, "round": 0})
        except ColdhaulError as caught:
            return Ended(succeeded=False, answer={}, error=_name_of(caught))
        try:
            while plan["state"] in {"again", "repack"}:
                if plan["state"] == "repack":
                    ends = self._map(plan)
                    if ends & {"stopped", "stalled"}:
                        return self._publish(plan, "stopped" if "stopped" in ends else "stalled")
                kept = ("session", "claim", "attempt", "reason", "round", "started")
                plan = self._plan({key: plan[key] for key in kept})
        except ColdhaulError as caught:
            return self._publish(plan, "failed", caught_error(caught))
        if plan["state"] in {"nothing", "busy"}:
            return Ended(succeeded=True, answer=plan)
        return self._publish(plan, plan["state"])

    def _plan(self, given: Document) -> Document:
        self._newest = self._call("plan", given, self._seconds, plan_step)
        return self._newest

    def _now(self) -> str:
        return format_time(self._appliance.clock())

    def _map(self, plan: Document) -> set[str]:
        """Repack every batch that has been planned, in any order."""
        batches = [f"{plan['batches']}{number}.parquet" for number in plan["numbers"]]
        random.shuffle(batches)
        ends = set()
        for batch in batches:
            given = {"session": plan["session"], "claim": plan["claim"], "batch": batch}
            given |= {"part_count": 0, "stalled_calls": 0}
            while (answer := self._repack(given))["state"] == "again":
                given = {key: value for key, value in answer.items() if key != "state"}
            ends.add(answer["state"])
        return ends

    def _repack(self, given: Document) -> Document:
        return self._call("repack", given, self._seconds, repack_step)

    def _publish(self, plan: Document, end: str, error: Document | None = None) -> Ended:
        given = {key: plan[key] for key in ("session", "claim", "attempt", "reason", "started")}
        try:
            answer = self._call(
                "publish", {**given, "end": end, "error": error or {}}, LONG, publish_step
            )
        except ColdhaulError as caught:
            if end == "failed":
                return Ended(succeeded=False, answer={}, error=_name_of(caught))
            return self._publish(plan, "failed", caught_error(caught))
        if end == "failed":
            return Ended(succeeded=False, answer=answer, error=(error or {}).get("Error", ""))
        failed = answer["status"] == "Failed"
        return Ended(succeeded=not failed, answer=answer, error="SessionFailed" if failed else "")

    def _call(self, kind: str, given: Document, seconds: float, step: Step) -> Document:
        self.calls.append((kind, given))
        assert len(self.calls) < CALLS_MAX, "the machine turns in a circle"
        carried = json.loads(json.dumps(given))
        if self._is_doubled:
            step(self._appliance, carried, time.monotonic() + seconds)
        try:
            answer = step(self._appliance, carried, time.monotonic() + seconds).document()
        except Crash:
            if self._revive is None:
                raise
            self._appliance = self._revive()
            return self._call(kind, given, seconds, step)
        document: Document = json.loads(json.dumps(answer))
        assert len(json.dumps(document)) < 32 * 1024, "far below what a service carries"
        return document


def caught_error(error: ColdhaulError) -> dict[str, str]:
    """Return an error as Step Functions hands on what the functions' runtime reports."""
    cause = {"errorMessage": error.message, "errorType": _name_of(error), "stackTrace": ["here"]}
    return {"Error": _name_of(error), "Cause": json.dumps(cause)}


def _name_of(error: ColdhaulError) -> str:
    return type(error).__name__
