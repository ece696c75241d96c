"""What it means that an execution of an appliance failed, as an error that says how to go on.

Of what a cloud tells only our own errors are passed on: they carry no item's name, and any other
text may.
"""

import json

from core.errors import (
    KINDS,
    ColdhaulError,
    NotReadyError,
    StoreError,
)
from proxy.appliance import Execution, Standing

_BY_NAME = {error.__name__: error for error in KINDS}
_BY_CATEGORY = {error.category: error for error in KINDS}


def execution_failure(execution: Execution, last_outcome: str, go_on: str) -> ColdhaulError:
    """Return the error for an execution that ended and left its session open.

    ``last_outcome`` is what the session's newest report of this execution says, empty without
    one; ``go_on`` is the command that goes on with the session.
    """
    told = f"the appliance's execution {execution.name}"
    hint = f"Finished packs are kept. To go on once it is mended: {go_on}"
    if execution.standing is Standing.ABORTED:
        return NotReadyError(f"{told} was stopped from outside", hint=f"To go on: {go_on}")
    if execution.standing is Standing.REPLACED:
        return NotReadyError(
            f"{told} is over, and a later one works at the session", hint=f"To go on: {go_on}"
        )
    if execution.standing is Standing.TIMED_OUT:
        return StoreError(f"{told} ran out of its time", hint=hint)
    found = _from_report(last_outcome) or _from_cause(execution)
    if found is not None:
        kind, message = found
        return kind(f"{told} failed: {message}", hint=hint)
    if execution.standing is Standing.SUCCEEDED:
        return StoreError(f"{told} ended without publishing the session's point", hint=hint)
    return StoreError(
        f"{told} failed with {execution.error or 'an error that it does not name'}",
        hint=f"Its history and the logs of its functions say more. {hint}",
    )


def _from_report(outcome: str) -> tuple[type[ColdhaulError], str] | None:
    category, separator, message = outcome.partition(": ")
    kind = _BY_CATEGORY.get(category)
    return (kind, message) if kind is not None and separator else None


def _from_cause(execution: Execution) -> tuple[type[ColdhaulError], str] | None:
    kind = _BY_NAME.get(execution.error)
    if kind is None:
        return None
    return kind, _message(execution.cause)


def _message(cause: str) -> str:
    """Return the message of an exception as functions write it down, or the text as it stands."""
    try:
        document = json.loads(cause)
    except ValueError:
        return cause
    message = document.get("errorMessage") if isinstance(document, dict) else None
    return message if isinstance(message, str) else cause
