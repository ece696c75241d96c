"""What the app answers over HTTP: pure documents, and errors by category."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from appliance_azure import http
from appliance_azure.instances import Instance
from appliance_azure.settings import read_settings
from core.engine.check import Finding, Level
from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.ids import JobId, SessionId
from core.limits import APPLIANCE_ORDER_SIZE_MAX, STEP_TEXT_LENGTH_MAX
from tests.unit.appliance_azure.test_settings import ENVIRONMENT

SESSION = SessionId("0123456789abcdef" * 2)
MOMENT = datetime(2026, 11, 25, 22, tzinfo=UTC)
ORDER = {
    "session": SESSION,
    "claim": "jobs/nightly/claims/one",
    "attempt": 2,
    "version": "1.2.3",
    "reason": "the target's appliance serves it",
}


def instance(**others: Any) -> Instance:  # noqa: ANN401
    terms: dict[str, Any] = {
        "id": SESSION,
        "name": "session",
        "standing": "running",
        "order": {"attempt": 2},
        "started": MOMENT,
    }
    return Instance(**terms | others)


def encoded(principal: object) -> str:
    return base64.b64encode(json.dumps(principal).encode()).decode()


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"x-ms-client-principal": encoded({"auth_typ": "aad", "claims": []})}, True),
        ({"X-MS-CLIENT-PRINCIPAL": encoded({"claims": []})}, True),
        ({}, False),
        ({"x-ms-client-principal": ""}, False),
        ({"x-ms-client-principal": "not base64"}, False),
        ({"x-ms-client-principal": encoded([])}, False),
        ({"x-ms-client-principal": encoded({"claims": "all"})}, False),
        ({"authorization": "Bearer x"}, False),
    ],
)
def test_only_who_was_let_in_is_answered(headers: dict[str, str], is_let_in: bool) -> None:
    assert http.has_principal(headers) is is_let_in


def test_whoever_was_not_is_told_how_to_be() -> None:
    refusal = http.refusal()
    assert (refusal.status, refusal.document["category"]) == (401, "unauthorized")
    assert json.loads(refusal.body) == refusal.document


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InputError, 400),
        (NotFoundError, 404),
        (ConflictError, 409),
        (NotReadyError, 425),
        (StoreError, 502),
        (IntegrityError, 500),
    ],
)
def test_an_error_is_answered_by_its_category_without_items(
    kind: type[ColdhaulError], status: int
) -> None:
    reply = http.error_reply(kind("no luck", hint="Wait.", problems=["one"], items=["payroll"]))
    assert reply.status == status
    assert reply.document == {
        "category": kind.category, "message": "no luck", "hint": "Wait.", "problems": ["one"]
    }  # fmt: skip


def test_of_a_bug_only_the_class_is_answered() -> None:
    reply = http.error_reply(KeyError("payroll"))
    assert (reply.status, reply.document["category"]) == (500, "error")
    assert "payroll" not in str(reply.document)


def test_a_deployment_is_what_the_environment_says() -> None:
    document = http.deployment_document(read_settings(ENVIRONMENT), "1.2.3")
    assert document["version"] == "1.2.3"
    names = [name for name in document if name != "version"]
    assert {name: document[name] for name in names} == {
        name: ENVIRONMENT[f"COLDHAUL_{name.upper()}"] for name in names
    }
    assert len(names) == 8


def test_findings_come_without_items() -> None:
    finding = Finding(level=Level.ERROR, what="job", detail="gone", hint="h", items=("payroll",))
    told = {"level": "error", "what": "job", "detail": "gone", "hint": "h"}
    assert http.check_document([finding]) == {"findings": [told]}


def test_an_order_is_taken_as_the_proxy_gives_it() -> None:
    assert http.read_order(SESSION, json.dumps(ORDER).encode(), "1.2.3") == ORDER


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"session": "f" * 32}, "no order for the session"),
        ({"round": 1}, "no order for the session"),
        ({"execution": "x"}, "no order for the session"),
        ({"version": "1.2.4"}, r"the proxy has version 1\.2\.4, the appliance 1\.2\.3"),
        ({"version": ""}, "which version"),
        ({"attempt": 0}, "no call of plan"),
        ({"claim": "restore-points/x"}, "no call of plan"),
        ({"more": 1}, "no call of plan"),
    ],
)
def test_any_other_order_is_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        http.read_order(SESSION, json.dumps(ORDER | changes).encode(), "1.2.3")


def test_the_longest_order_is_taken_and_a_longer_body_is_not_read() -> None:
    longest = ORDER | {"reason": "\U0001f600" * STEP_TEXT_LENGTH_MAX}
    assert http.read_order(SESSION, json.dumps(longest).encode(), "1.2.3") == longest
    spaced = json.dumps(ORDER).encode() + b" " * APPLIANCE_ORDER_SIZE_MAX
    with pytest.raises(InputError, match="longer than"):
        http.read_order(SESSION, spaced, "1.2.3")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_a_body_that_is_no_document_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="no JSON object"):
        http.read_order(SESSION, body, "1.2.3")


def test_a_job_cannot_be_ordered_over_http() -> None:
    body = json.dumps({"job": "nightly", "version": "1.2.3"}).encode()
    with pytest.raises(InputError, match="no order for the session"):
        http.read_order(SESSION, body, "1.2.3")


@pytest.mark.parametrize("standing", ["succeeded", "failed", "aborted"])
def test_only_the_next_attempt_is_taken(standing: str) -> None:
    over = instance(standing=standing, ended=MOMENT)
    http.check_order({"attempt": 3}, over)
    http.check_order({"attempt": 1}, None)
    for attempt in (1, 2):
        with pytest.raises(ConflictError, match="there was an attempt 2"):
            http.check_order({"attempt": attempt}, over)
    with pytest.raises(ConflictError, match=r"attempt 2 .* runs"):
        http.check_order({"attempt": 3}, instance())


def test_a_status_says_how_the_newest_attempt_stands() -> None:
    failed = instance(
        standing="failed", ended=MOMENT, error="StoreError", cause="no", counts={"done": 3}
    )
    assert http.status_document(SESSION, failed) == {
        "attempt": 2,
        "standing": "failed",
        "started": "2026-11-25T22:00:00+00:00",
        "ended": "2026-11-25T22:00:00+00:00",
        "error": "StoreError",
        "cause": "no",
        "counts": {"done": 3},
    }
    assert http.status_document(SESSION, instance())["ended"] is None
    with pytest.raises(NotFoundError):
        http.status_document(SESSION, None)


def test_an_attempt_is_ended_that_is_the_newest() -> None:
    body = json.dumps({"attempt": 2, "why": "w" * 1000}).encode()
    assert http.read_termination(body) == (2, "w" * 256)
    http.check_termination(SESSION, 2, instance())
    with pytest.raises(ConflictError):
        http.check_termination(SESSION, 1, instance())
    with pytest.raises(NotFoundError):
        http.check_termination(SESSION, 1, None)


@pytest.mark.parametrize(
    "document",
    [{}, {"attempt": "2", "why": ""}, {"attempt": True, "why": ""}, {"attempt": 2},
     {"attempt": 2, "why": "", "more": 1}],
)  # fmt: skip
def test_a_termination_says_which_and_why(document: object) -> None:
    with pytest.raises(InputError):
        http.read_termination(json.dumps(document).encode())


def test_what_runs_for_a_job_is_named_or_not_found() -> None:
    assert http.running_document(JobId("nightly"), ["one", "two"]) == {"instance": "one"}
    with pytest.raises(NotFoundError):
        http.running_document(JobId("nightly"), [])


def test_a_path_names_what_it_has_to() -> None:
    assert http.read_session({"session": SESSION}) == SESSION
    assert http.read_job({"job": "nightly"}) == "nightly"
    with pytest.raises(InputError):
        http.read_session({"session": "../etc"})
    with pytest.raises(InputError):
        http.read_job({"job": "a b"})
