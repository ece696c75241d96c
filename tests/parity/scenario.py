"""Scenarios: what each call of a function comes to, and what is made of it.

A script has lines for ``plan``, ``repack`` and ``publish``, or ``repack-00003`` for one batch; each
call comes to the next one, and to the last one again and again. A line is what is answered besides
what was called with; a word alone is a state of plan or repack, a status of publish, the class of
an error, or ``die``. SESSION is the session, and the job, of the run.

``expect`` says how it ends: ``output``, ``calls`` and ``cause`` as far as they are given, calls by
their number or one by one. ``reported`` is the class of the error in the first report of a failure,
``turns`` how many sessions were begun for a job. ``aws`` and ``azure`` say where one differs.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.engine.step_documents import PlanState, RepackState
from core.model import SessionStatus

Document = dict[str, Any]
Line = Document | str

FOLDER = Path(__file__).parent
DIES = "die"
# What the appliance is of, and orders and reports say.
VERSION = "0.1.0"
ROLES = ("plan", "repack", "publish")
_WORDS = {
    "plan": {state.value: "state" for state in PlanState},
    "repack": {state.value: "state" for state in RepackState},
    "publish": {status.value: "status" for status in SessionStatus},
}
_BESIDES: Mapping[str, Document] = {
    "plan": {
        "session": "",
        "claim": "",
        "attempt": 1,
        "reason": "",
        "round": 0,
        "more": False,
        "batches": "vault/sessions/SESSION/batches/0/",
        "batch_count": 0,
        "numbers": [],
    },
    "repack": {},
    "publish": {"state": "done", "record": "r", "reasons": ["said why"]},
}
# Of a plan's line, what the call has already.
_OF_THE_CALL = ("session", "claim", "attempt", "reason")
_EXPECTATIONS = {"outcome", "output", "error", "cause", "calls", "fields", "reported", "turns"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended, and all calls by function, or batch."""

    outcome: str
    output: Document = field(default_factory=dict)
    error: str = ""
    cause: str = ""
    calls: Mapping[str, Sequence[Document]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One of them, for one run of it."""

    name: str
    batches: int
    order: str
    script: Mapping[str, Sequence[Line]]
    expected: Document

    def numbers(self) -> list[str]:
        """Return the numbers of the batches that plan has repacked."""
        return [f"{number:05}" for number in range(self.batches)]

    def for_session(self, session: str) -> "Scenario":
        """Return the same with the name of a session put in."""

        def named(part: Any) -> Any:  # noqa: ANN401  # JSON.
            return json.loads(json.dumps(part).replace("SESSION", session))

        return Scenario(
            name=self.name,
            batches=self.batches,
            order=self.order,
            script=named(self.script),
            expected=named(self.expected),
        )


def load_scenarios(kind: str) -> list[Scenario]:
    """Return all scenarios as they are expected to go in one kind of appliance."""
    paths = sorted(FOLDER.glob("*.toml"))
    found = [each for path in paths for each in tomllib.loads(path.read_text())["scenario"]]
    return [_scenario(each, kind) for each in found]


def _scenario(given: Document, kind: str) -> Scenario:
    expected = dict(given.pop("expect"))
    differing = {name: given.pop(name, {}) for name in ("aws", "azure")}[kind]
    for name in ("calls", "fields"):
        differing[name] = {**expected.get(name, {}), **differing.get(name, {})}
    expected |= differing
    assert expected.keys() <= _EXPECTATIONS, f"{given['name']}: {sorted(expected)}"
    name, order = given.pop("name"), given.pop("order", "session")
    batches = given.pop("batches", 0)
    script = {work: [_line(work, line) for line in lines] for work, lines in given.items()}
    return Scenario(name=name, batches=batches, order=order, script=script, expected=expected)


def _line(work: str, line: Line) -> Line:
    role = role_of(work)
    assert role in ROLES, f"{work} is no function"
    if isinstance(line, str):
        meaning = _WORDS[role].get(line)
        if meaning is None:
            return line
        line = {meaning: line}
    besides = dict(_BESIDES[role])
    if role == "plan" and "session" not in line and line["state"] not in {"nothing", "busy"}:
        besides = {name: value for name, value in besides.items() if name not in _OF_THE_CALL}
    return {**besides, **line}


def role_of(work: str) -> str:
    """Return the function that a work is of: ``repack`` of ``repack-00003``."""
    return work.partition("-")[0]


def assert_as_expected(scenario: Scenario, ended: Ended) -> None:
    """Hold a run against what its scenario expects."""
    expected = scenario.expected
    assert ended.outcome == expected["outcome"], ended
    assert _has(ended.output, expected.get("output", {})), ended.output
    if "error" in expected:
        assert ended.error == expected["error"]
    assert expected.get("cause", "") in ended.cause
    _assert_calls(expected["calls"], ended.calls)
    for work, fields in expected.get("fields", {}).items():
        found = [sorted(call) for call in ended.calls[work][: len(fields)]]
        assert found == [sorted(each) for each in fields], work
    if "reported" in expected:
        reports = [call for call in ended.calls["publish"] if call["end"] == "failed"]
        assert reports[0]["error"]["Error"] == expected["reported"]
    if "turns" in expected:
        _assert_turns(expected["turns"], ended.calls)


def _assert_calls(expected: Document, calls: Mapping[str, Sequence[Document]]) -> None:
    assert {role_of(work) for work in expected} == {role_of(work) for work in calls}
    for work, wanted in expected.items():
        found = [call for other, made in calls.items() if other.startswith(work) for call in made]
        count = wanted if isinstance(wanted, int) else len(wanted)
        assert len(found) == count, f"{work}: {found}"
        if not isinstance(wanted, int):
            pairs = zip(found, wanted, strict=True)
            assert [call for call, part in pairs if not _has(call, part)] == [], work


def _assert_turns(count: int, calls: Mapping[str, Sequence[Document]]) -> None:
    """Each session of a job has a beginning of its own, and an execution to know its claim by."""
    orders = [call for call in calls["plan"] if "job" in call]
    begun = [(call["started"], call["execution"]) for call in orders]
    assert len(set(begun)) == len({started for started, _ in begun}) == count
    assert begun == sorted(begun, key=lambda each: each[0])
    reported = [call["started"] for call in calls["publish"]]
    assert reported == [started for started, _ in begun[: len(reported)]]


def _has(found: object, part: object) -> bool:
    """Say whether a document has all that another one has."""
    if isinstance(found, dict) and isinstance(part, dict):
        return all(name in found and _has(found[name], value) for name, value in part.items())
    return found == part
