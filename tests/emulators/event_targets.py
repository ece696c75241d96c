"""Have an event in LocalStack start a state machine with the input of its rule.

LocalStack names the execution by the event's id and looks for that in the input, where it is only
if the rule has none of its own. Run by LocalStack's own Python.
"""

import json
import uuid
from typing import Any

# Of LocalStack's environment, not of ours.
from localstack.services.events import target  # type: ignore[import-not-found]


def install() -> None:
    """Have executions named by a new id."""
    # Should a version rename it, this has to fail and not be ignored.
    assert callable(target.StatesTargetSender.send_event)
    target.StatesTargetSender.send_event = _send_event


def _send_event(self: Any, event: Any, trace_header: Any) -> None:  # noqa: ANN401  # LocalStack's.
    del trace_header
    self.service = "stepfunctions"
    self.client.start_execution(
        stateMachineArn=self.target["Arn"], name=str(uuid.uuid4()), input=json.dumps(event)
    )
