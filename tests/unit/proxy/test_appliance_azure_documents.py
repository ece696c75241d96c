"""The answers of the routes, one at a time: what they may leave out, and what they cannot be."""

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, ValidationError

from appliance_azure.failures import read_failure, session_failed
from core import limits
from core.engine.check import Level
from proxy.appliance import Standing
from proxy.appliance_azure_documents import (
    CheckAnswer,
    DeploymentAnswer,
    RunningAnswer,
    SessionAnswer,
)

SESSION = {"attempt": 3, "standing": "timed out", "started": "2026-03-01T00:00:00+00:00"}


def test_a_version_alone_is_a_deployment() -> None:
    answer = DeploymentAnswer.model_validate({"version": "9.9.9", "unknown": [1]})
    assert (answer.version, answer.target_url) == ("9.9.9", "")


def test_a_session_has_a_number_a_standing_and_a_beginning() -> None:
    answer = SessionAnswer.model_validate(SESSION)
    assert (answer.attempt, answer.standing) == (3, Standing.TIMED_OUT)
    assert answer.started == datetime(2026, 3, 1, tzinfo=UTC)
    assert (answer.ended, answer.error, answer.cause) == (None, None, None)


def test_a_finding_needs_no_hint() -> None:
    found = {"level": "warning", "what": "role", "detail": "it is new"}
    (finding,) = CheckAnswer.model_validate({"findings": [found]}).findings
    assert (finding.level, finding.hint) == (Level.WARNING, "")


def test_an_answer_has_room_for_all_that_a_failed_session_is_told_with() -> None:
    published = {"state": "done", "status": "Failed", "reasons": ['"' * 999] * 20}
    error, cause = read_failure(str(session_failed(published)))
    assert len(cause) > 5000
    answer = SessionAnswer.model_validate({**SESSION, "error": error, "cause": cause})
    assert (answer.error, answer.cause) == (error, cause)
    long = {"level": "error", "what": "target", "detail": "x" * 5000, "hint": "y" * 5000}
    (finding,) = CheckAnswer.model_validate({"findings": [long]}).findings
    assert (finding.detail, finding.hint) == (long["detail"], long["hint"])


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (DeploymentAnswer, {}),
        (DeploymentAnswer, {"version": ""}),
        (DeploymentAnswer, {"version": "1", "target_url": "x" * 5000}),
        (SessionAnswer, {**SESSION, "attempt": limits.STEP_COUNT_MAX + 1}),
        (SessionAnswer, {**SESSION, "attempt": "one"}),
        (SessionAnswer, {**SESSION, "standing": None}),
        (SessionAnswer, {**SESSION, "ended": "soon"}),
        (CheckAnswer, {}),
        (CheckAnswer, {"findings": [{"level": "bad", "what": "x", "detail": "y"}]}),
        (CheckAnswer, {"findings": [{}] * (limits.APPLIANCE_FINDINGS_MAX + 1)}),
        (RunningAnswer, {"instance": ""}),
        (RunningAnswer, {"instance": "two\nlines"}),
        (RunningAnswer, {"instance": "x" * 257}),
    ],
)
def test_what_an_answer_cannot_be_is_refused(kind: type[BaseModel], document: object) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(document)
