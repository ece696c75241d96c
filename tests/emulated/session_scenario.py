"""Scenarios of whole sessions: what lies in a source, what goes wrong, and what comes of it.

``objects`` are names with sizes; with ``batch_size`` the plan is made before the appliance is
called, in batches of so many bytes; ``after_plan`` changes and deletes what was planned. ``faults``
are ``busy`` or ``denied`` at the ``source`` or at the target's ``packs``, so often if said, else
until an attempt has failed; ``damages`` spoils a blob of the source.

``expect`` says the session's ``status``, how many ``attempts`` it took and how many ``points`` it
made; ``failed`` is how the report of a failed attempt begins, ``reason`` is in those of the end.
"""

import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from core.engine.session import CopySession
from tests.emulated.copy_place import CopyPlace
from tests.support.invariants import check_copies

_FILE = Path(__file__).with_name("sessions.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong and where."""

    what: str
    where: str
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One of the file's."""

    name: str
    source: str
    objects: Mapping[str, int]
    expect: Mapping[str, Any]
    batch_size: int = 0
    after_plan: Mapping[str, Sequence[str]] = field(default_factory=dict)
    faults: Sequence[Mapping[str, Any]] = ()
    damages: bool = False


def load_sessions() -> list[Scenario]:
    """Return the file's scenarios, those of one kind of source beside each other."""
    found = tomllib.loads(_FILE.read_text())["scenario"]
    return [Scenario(**each) for each in found]


class Side(Protocol):
    """One appliance, made to serve either kind of source."""

    def place(self, kind: str) -> CopyPlace:
        """Return a place with a job and this kind of source, which the appliance serves now."""

    def put(self, key: str, content: bytes | None) -> None:
        """Write an object below the source's URL, or delete it."""

    def listed(self) -> list[str]:
        """Return what is below the source's URL."""

    def strike(self, fault: Fault) -> None:
        """Have something go wrong from now on."""

    def clear(self) -> None:
        """Let nothing go wrong any more."""

    def execute(self, session: CopySession, attempt: int) -> bool:
        """Have an attempt run to its end; say whether it succeeded."""


def run_scenario(side: Side, scenario: Scenario) -> None:
    """Run a scenario and hold what comes of it to what is expected."""
    place = side.place(scenario.source)
    before, there = len(_points(place)), set(side.listed())
    contents = _fill(side, place, scenario)
    session = place.begin(scenario.batch_size)
    if scenario.after_plan:
        place.plan(session)
        _change(side, contents, scenario.after_plan)
    if scenario.damages:
        new = sorted(set(side.listed()) - there)
        blob = next(key for key in new if key.startswith("blobs/"))
        side.put(blob, b"something else")
    for fault in scenario.faults:
        side.strike(Fault(**fault))
    _attempt(side, place, session, scenario.expect)
    assert len(_points(place)) - before == scenario.expect["points"]
    if scenario.expect["points"]:
        _check_restored(place, contents)
    check_copies(place.target())


def _fill(side: Side, place: CopyPlace, scenario: Scenario) -> dict[str, bytes]:
    """Have these contents in the source, and no others."""
    contents = {name: secrets.token_bytes(size) for name, size in scenario.objects.items()}
    if scenario.source == "repository":
        for path in sorted(place.tree.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        place.back_up(contents)
        return contents
    for key in side.listed():
        side.put(key, None)
    for key, content in contents.items():
        side.put(key, content)
    return contents


def _change(side: Side, contents: dict[str, bytes], how: Mapping[str, Sequence[str]]) -> None:
    for key in how.get("change", ()):
        contents[key] = secrets.token_bytes(len(contents[key]) + 1)
        side.put(key, contents[key])
    for key in how.get("delete", ()):
        del contents[key]
        side.put(key, None)


def _attempt(side: Side, place: CopyPlace, session: CopySession, expect: Mapping[str, Any]) -> None:
    """Have attempts run until the session ends, as many as are expected."""
    for attempt in range(1, expect["attempts"]):
        assert not side.execute(session, attempt)
        view = place.session_view()
        assert view.record is None
        assert view.attempts[-1].outcome.startswith(expect["failed"]), view
        side.clear()
    is_well = side.execute(session, expect["attempts"])
    view = place.session_view()
    assert (view.claim.session_id, view.status.value) == (session.id, expect["status"]), view
    assert is_well == (expect["status"] != "Failed")
    assert len(view.attempts) == expect["attempts"]
    assert expect.get("reason", "") in " ".join(view.reasons)


def _points(place: CopyPlace) -> list[Any]:
    return list(place.json("restore-point", "list", "vault")["restore_points"])


def _check_restored(place: CopyPlace, contents: Mapping[str, bytes]) -> None:
    folder = place.root / secrets.token_hex(4)
    place.done("restore", "vault", "--to", str(folder))
    restored = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert restored == contents
