"""Whether activities answered with all that an orchestrator goes on with.

They are of one version with it when an instance begins. While one runs another version may be
deployed, and an orchestrator that stumbled over an answer would end without a report.
"""

import re
from collections.abc import Mapping
from typing import Any

from core.engine.step_documents import PlanState, RepackState

_NUMBERS = re.compile(r"(\d{5}(-\d{5})?( \d{5}(-\d{5})?)*)?", re.ASCII)
_ENDS = (PlanState.NOTHING.value, PlanState.BUSY.value)
_PLAN_STATES = tuple(state.value for state in PlanState)
_PLAN_FIELDS = {
    "session": str,
    "claim": str,
    "attempt": int,
    "reason": str,
    "round": int,
    "batches": str,
    "batch_count": int,
    "numbers": str,
    "more": bool,
    "started": str,
}
_MADE_FIELDS = {"part_count": int, "stalled_calls": int}


def is_plan(answer: Mapping[str, Any]) -> bool:
    """Say whether this is an answer of plan; where there is nothing to do it may say less."""
    state = answer.get("state")
    if state in _ENDS:
        return True
    return state in _PLAN_STATES and _has(answer, _PLAN_FIELDS) and _are_ranges(answer["numbers"])


def is_repack_again(answer: Mapping[str, Any]) -> bool:
    """Say whether this is an answer of repack by which its batch is called again."""
    return answer.get("state") == RepackState.AGAIN.value and _has(answer, _MADE_FIELDS)


def _has(answer: Mapping[str, Any], fields: Mapping[str, type]) -> bool:
    return all(isinstance(answer.get(name), kind) for name, kind in fields.items())


def _are_ranges(text: str) -> bool:
    """Say whether a text is numbers and ranges that ascend, so that each batch is there once."""
    if not _NUMBERS.fullmatch(text):
        return False
    before = -1
    for part in text.split():
        first, _, last = part.partition("-")
        if not before < int(first) <= int(last or first):
            return False
        before = int(last or first)
    return True
