"""What Lambda calls: open, call the step, log and measure.

Logs and answers carry names of our own objects and counts, never names of items, and of errors
that are not ours only the class and the place: their texts may hold anything (I5).
"""

import os
import time
from collections.abc import Callable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from appliance_aws.deadline import deadline_of
from appliance_aws.opening import open_appliance
from appliance_aws.settings import read_settings
from core.appliance.calls import (
    Answer,
    Document,
    Opened,
    Step,
    describe_failure,
    is_failed,
    keys_of,
    line_of_plan,
    line_of_publish,
    line_of_repack,
)
from core.engine.steps import Appliance, plan_step, publish_step, repack_step
from core.errors import ColdhaulError

logger = Logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Coldhaul"))


class UnexpectedError(Exception):
    """An error that nobody has foreseen: our own bug. Its text names no more than its class."""


class Functions:
    """The three functions. Target and source stay open while Lambda keeps the environment."""

    def __init__(self, open_both: Callable[[], Appliance]) -> None:
        """Open nothing yet."""
        self._opened = Opened(open_both)

    def plan(self, event: object, context: LambdaContext) -> Document:
        """Plan, or look again after a round."""
        answer = self._call(plan_step, event, context)
        logger.info("plan", **line_of_plan(answer))
        return answer.document()

    def repack(self, event: object, context: LambdaContext) -> Document:
        """Repack a batch, or go on with it."""
        answer = self._call(repack_step, event, context)
        moved = answer.transfer
        metrics.add_metric("Packs", MetricUnit.Count, moved.pack_count)
        metrics.add_metric("Blobs", MetricUnit.Count, moved.blob_count)
        metrics.add_metric("ContentBytes", MetricUnit.Bytes, moved.content_size)
        metrics.add_metric("StoredBytes", MetricUnit.Bytes, moved.stored_size)
        logger.info("repack", **line_of_repack(answer))
        return answer.document()

    def publish(self, event: object, context: LambdaContext) -> Document:
        """End an execution's work on a session."""
        answer = self._call(publish_step, event, context)
        metrics.add_metric("FailedSessions", MetricUnit.Count, int(is_failed(answer)))
        line = line_of_publish(answer)
        log = logger.warning if line["reasons"] else logger.info
        log("publish", **line)
        return answer.document()

    def _call(self, step: Step[Answer], event: object, context: LambdaContext) -> Answer:
        """Call a step; its error comes through by class and message, to Step Functions as well."""
        logger.append_keys(**keys_of(event))
        began = time.monotonic()
        try:
            return self._opened.call(step, event, deadline_of(context))
        except Exception as error:  # noqa: BLE001  # An entry point: what it says is ours to decide.
            failure = describe_failure(error)
            logger.error(failure.line, extra=failure.keys)  # noqa: TRY400  # Nothing but this.
            kind = type(error) if isinstance(error, ColdhaulError) else UnexpectedError
            raise kind(failure.message) from None
        finally:
            metrics.add_metric("Seconds", MetricUnit.Seconds, time.monotonic() - began)


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
