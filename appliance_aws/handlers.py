"""What Lambda calls: open, call the step, log and measure.

Logs and answers carry names of our own objects and counts, never names of items, and of errors
that are not ours only the class and the place: their texts may hold anything (I5).
"""

import os
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from appliance_aws.deadline import deadline_of
from appliance_aws.opening import open_appliance
from appliance_aws.settings import read_settings
from core.engine.step_documents import (
    PlanAnswer,
    PublishAnswer,
    RepackAnswer,
    error_text,
)
from core.engine.steps import Appliance, plan_step, publish_step, repack_step
from core.errors import ColdhaulError, InputError
from core.format import names
from core.ids import is_hex_id
from core.model import SessionStatus

Answer = TypeVar("Answer", PlanAnswer, RepackAnswer, PublishAnswer)
Step = Callable[[Appliance, object, float], Answer]
Document = dict[str, Any]

logger = Logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Coldhaul"))


class UnexpectedError(Exception):
    """An error that nobody has foreseen: our own bug. Its text names no more than its class."""


class Functions:
    """The three functions. Target and source stay open while Lambda keeps the environment."""

    def __init__(self, open_both: Callable[[], Appliance]) -> None:
        """Open nothing yet."""
        self._open_both = open_both
        self._opened: Appliance | None = None

    def plan(self, event: object, context: LambdaContext) -> Document:
        """Plan, or look again after a round."""
        answer = self._call(plan_step, event, context)
        logger.info(
            "plan",
            state=answer.state.value,
            planned=answer.session,
            round=answer.round,
            batch_count=answer.batch_count,
        )
        return answer.document()

    def repack(self, event: object, context: LambdaContext) -> Document:
        """Repack a batch, or go on with it."""
        answer = self._call(repack_step, event, context)
        moved = answer.transfer
        metrics.add_metric("Packs", MetricUnit.Count, moved.pack_count)
        metrics.add_metric("Blobs", MetricUnit.Count, moved.blob_count)
        metrics.add_metric("ContentBytes", MetricUnit.Bytes, moved.content_size)
        metrics.add_metric("StoredBytes", MetricUnit.Bytes, moved.stored_size)
        logger.info(
            "repack",
            state=answer.state.value,
            parts=answer.part_count,
            packs=moved.pack_count,
            blobs=moved.blob_count,
            content_bytes=moved.content_size,
            stored_bytes=moved.stored_size,
            bottleneck=moved.stages.bottleneck,
        )
        return answer.document()

    def publish(self, event: object, context: LambdaContext) -> Document:
        """End an execution's work on a session."""
        answer = self._call(publish_step, event, context)
        is_failed = answer.status == SessionStatus.FAILED.value
        metrics.add_metric("FailedSessions", MetricUnit.Count, int(is_failed))
        document = answer.document()
        log = logger.warning if document["reasons"] else logger.info
        log("publish", status=answer.status, record=answer.record, reasons=document["reasons"])
        return document

    def _call(self, step: Step[Answer], event: object, context: LambdaContext) -> Answer:
        """Call a step; its error comes through by class and message, to Step Functions as well."""
        logger.append_keys(**_keys_of(event))
        began = time.monotonic()
        try:
            return step(self._open(), event, deadline_of(context))
        except ColdhaulError as error:
            self._forget()
            text = error_text(error)
            logger.error(text, category=error.category)  # noqa: TRY400  # Nothing but this.
            raise type(error)(text) from None
        except Exception as error:  # noqa: BLE001  # An entry point: what it says is ours to decide.
            self._forget()
            name = type(error).__name__
            told = {"error_class": name, "frames": _frames(error)}
            logger.error("unexpected", extra=told)  # noqa: TRY400  # Nothing but this.
            raise UnexpectedError(f"{name}: the log of the function says where") from None
        finally:
            metrics.add_metric("Seconds", MetricUnit.Seconds, time.monotonic() - began)

    def _open(self) -> Appliance:
        if self._opened is None:
            self._opened = self._open_both()
        return self._opened

    def _forget(self) -> None:
        """Open anew next time: an error may have come from what is kept."""
        self._opened = None


def _keys_of(event: object) -> Document:
    """Return by what a log's lines are found again, as far as the event says it properly."""
    given = event if isinstance(event, dict) else {}
    session, batch = given.get("session"), given.get("batch")
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


def _frames(error: BaseException) -> list[str]:
    """Return where an error came from, without any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{os.path.basename(at.filename)}:{at.lineno} {at.name}" for at in frames]


functions = Functions(lambda: open_appliance(read_settings(os.environ)))


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def plan(event: object, context: LambdaContext) -> Document:
    """Plan a session: the function of the state machine's planning states."""
    return functions.plan(event, context)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def repack(event: object, context: LambdaContext) -> Document:
    """Repack a batch: the function of the state machine's map."""
    return functions.repack(event, context)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def publish(event: object, context: LambdaContext) -> Document:
    """Publish a session: the function of the state machine's last states."""
    return functions.publish(event, context)
