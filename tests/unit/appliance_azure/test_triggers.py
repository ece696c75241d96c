"""What events and the timer order: the same for the same event, and only for the source's own."""

from datetime import UTC, datetime

import pytest

from appliance_azure.triggers import event_order, is_record, order_of, timer_order
from core.engine.step_documents import PlanCall, read_call
from core.engine.steps import session_id_of
from core.ids import JobId

JOB = JobId("nightly")
MOMENT = datetime(2026, 11, 25, 22, tzinfo=UTC)
CREATED = "Microsoft.Storage.BlobCreated"
CONTAINER = "/blobServices/default/containers/primary/blobs/"
RECORD = f"restore-points/{'0' * 32}/20261125T220000000000Z-{'1' * 32}.json"


def test_an_event_is_one_order_however_often_it_comes() -> None:
    first, again = (event_order(JOB, "an id", MOMENT) for _ in range(2))
    assert first == again
    assert first != event_order(JOB, "another", MOMENT)
    assert first.order["job"] == JOB


def test_an_order_is_a_call_of_plan_and_its_instance_the_session_that_it_claims() -> None:
    for ordered in (event_order(JOB, "an id", MOMENT), timer_order(JOB, MOMENT)):
        call = read_call(PlanCall, dict(ordered.order))
        assert ordered.instance == session_id_of(call.execution, call.started)
    assert order_of(JOB, "a", "b").instance == session_id_of("a", "b")


@pytest.mark.parametrize(
    ("url", "kind", "subject", "is_found"),
    [
        ("az://primary", CREATED, f"{CONTAINER}{RECORD}", True),
        ("az://primary/a/b", CREATED, f"{CONTAINER}a/b/{RECORD}", True),
        ("az://primary/a", CREATED, f"{CONTAINER}a/b/{RECORD}", False),
        ("az://primary", "Microsoft.Storage.BlobDeleted", f"{CONTAINER}{RECORD}", False),
        ("az://other", CREATED, f"{CONTAINER}{RECORD}", False),
        ("az://primary", CREATED, f"{CONTAINER}blobs/{'0' * 64}", False),
        ("az://primary", CREATED, f"{CONTAINER}restore-points/x.json", False),
        ("az://primary", CREATED, "", False),
    ],
)
def test_only_a_record_of_the_source_starts_anything(
    url: str, kind: str, subject: str, is_found: bool
) -> None:
    assert is_record(url, kind, subject) is is_found
