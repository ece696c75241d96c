"""A call of a function: what it works on, and what it says to its cloud and in its log.

Logs and answers carry names of our own objects and counts, never names of items, and of errors
that are not ours only the class and the place: their texts may hold anything (I5).
"""

import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.engine.step_documents import PlanAnswer, PublishAnswer, RepackAnswer, error_text
from core.engine.steps import Appliance
from core.errors import ColdhaulError, InputError
from core.format import names
from core.ids import is_hex_id
from core.model import SessionStatus

Answer = TypeVar("Answer", PlanAnswer, RepackAnswer, PublishAnswer)
Step = Callable[[Appliance, object, float], Answer]
Document = dict[str, Any]

UNEXPECTED = "UnexpectedError"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as it may be told: ``kind`` is the class by which it crosses.

    ``line`` is the text of the log's line, and ``keys`` what stands beside it.
    """

    kind: str
    message: str
    line: str
    keys: Mapping[str, object] = field(default_factory=dict)


class Opened:
    """Target and source, which stay open while a cloud keeps the process."""

    def __init__(self, open_both: Callable[[], Appliance]) -> None:
        """Open nothing yet."""
        self._open_both = open_both
        self._appliance: Appliance | None = None

    def call(self, step: Step[Answer], given: object, deadline: float) -> Answer:
        """Call a step; after an error all is opened anew: it may have come from what is kept."""
        if self._appliance is None:
            self._appliance = self._open_both()
        kept, self._appliance = self._appliance, None
        answer = step(kept, given, deadline)
        self._appliance = kept
        return answer


def describe_failure(error: Exception) -> Failure:
    """Return what may be told of an error: all of ours, and of others class and place."""
    if isinstance(error, ColdhaulError):
        text = error_text(error)
        keys = {"category": error.category}
        return Failure(kind=type(error).__name__, message=text, line=text, keys=keys)
    name = type(error).__name__
    return Failure(
        kind=UNEXPECTED,
        message=f"{name}: the log of the function says where",
        line="unexpected",
        keys={"error_class": name, "frames": frames_of(error)},
    )


def frames_of(error: BaseException) -> list[str]:
    """Return where an error came from, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{os.path.basename(at.filename)}:{at.lineno} {at.name}" for at in frames]


def keys_of(given: object) -> Document:
    """Return by what a log's lines are found again, as far as a call says it properly."""
    call = given if isinstance(given, dict) else {}
    session, batch = call.get("session"), call.get("batch")
    keys: Document = {}
    if isinstance(session, str) and is_hex_id(session):
        keys["session"] = session
    if isinstance(batch, str) and "/batches/" in batch:
        try:
            at = batch.index(names.SESSIONS) if names.SESSIONS in batch else 0
            keys["batch"] = names.parse_batch(batch[at:])[2]
        except InputError:
            return keys
    return keys


def line_of_plan(answer: PlanAnswer) -> Document:
    """Return what a log's line says of a call of plan."""
    return {
        "state": answer.state.value,
        "planned": answer.session,
        "round": answer.round,
        "batch_count": answer.batch_count,
    }


def line_of_repack(answer: RepackAnswer) -> Document:
    """Return what a log's line says of a call on a batch."""
    moved = answer.transfer
    return {
        "state": answer.state.value,
        "parts": answer.part_count,
        "packs": moved.pack_count,
        "blobs": moved.blob_count,
        "content_bytes": moved.content_size,
        "stored_bytes": moved.stored_size,
        "bottleneck": moved.stages.bottleneck,
    }


def line_of_publish(answer: PublishAnswer) -> Document:
    """Return what a log's line says of a session's end."""
    reasons = answer.document()["reasons"]
    return {"status": answer.status, "record": answer.record, "reasons": reasons}


def is_failed(answer: PublishAnswer) -> bool:
    """Say whether a session has failed for good."""
    return answer.status == SessionStatus.FAILED.value
