"""Activities of the Azure appliance that do what a test says, and note how they were called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance_azure.orchestrators import batches, session
from tests.support.durable import Activity, Chance, DiedError, Document, Hub, Instance

DIES = "die"
# A line of a script: what is added to the call and answered, the class of an error, or a death.
Line = Mapping[str, Any] | str
ORDER = {"session": "S", "claim": "c", "attempt": 1, "version": "0.1.0", "reason": "because"}
ANSWERED = {"round": 0, "batches": "S/batches/0/", "batch_count": 0, "numbers": "", "more": False}


def ranges(count: int) -> str:
    """Return the numbers of so many batches."""
    return f"00000-{count - 1:05}" if count else ""


def planned(state: str, **more: object) -> Document:
    """Return what plan answers with besides what it was called with."""
    return {"state": state, **ANSWERED, **more}


def published(status: str, **more: object) -> Document:
    """Return what publish answers."""
    return {"state": "done", "status": status, "record": "r", "reasons": ["said why"], **more}


DONE = {"state": "done"}
SUCCESS = [published("Success")]


@dataclass(slots=True)
class Script:
    """What each call of an activity comes to: the next line, the last one again and again.

    Lines are found by the activity's name, or by ``repack-00003`` for one batch of many.
    """

    lines: Mapping[str, Sequence[Line]]
    calls: dict[str, list[Document]] = field(default_factory=dict)

    def __call__(self, name: str, call: Document) -> Document:
        """Do what is next."""
        work = f"{name}-{call['batch'].rpartition('/')[2][:5]}" if name == "repack" else name
        made = self.calls.setdefault(work, [])
        made.append(call)
        lines = self.lines.get(work) or self.lines[name]
        line = lines[min(len(made), len(lines)) - 1]
        if line == DIES:
            raise DiedError("Worker process exited: payroll.xlsx")
        if isinstance(line, str):
            return {"error": {"class": line, "message": "as the script says"}}
        return {**call, **line}

    def ends(self) -> list[str]:
        """Return what publish was told, call by call."""
        return [call["end"] for call in self.calls.get("publish", [])]

    def counts(self) -> dict[str, int]:
        """Return how often each was called."""
        return {work: len(calls) for work, calls in sorted(self.calls.items())}


def hub_of(script: Activity, chance: Chance | None = None) -> Hub:
    """Return a hub where the appliance's orchestrators call such activities."""
    return Hub({"session": session, "batches": batches}, script, chance)


def run(order: Document = ORDER, /, **lines: Sequence[Line]) -> tuple[Instance, Script, Hub]:
    """Run one session by a script."""
    script = Script({work.replace("_", "-"): each for work, each in lines.items()})
    hub = hub_of(script)
    instance = hub.start("session", order, "S")
    hub.run()
    return instance, script, hub
