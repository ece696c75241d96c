"""The client of a function app, against its documents."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.errors import ConflictError, InputError, NotFoundError
from core.ids import JobId, SessionId
from core.plan.placement import Served
from core.stores.settings import StoreSettings
from proxy.appliance import Order, Standing
from proxy.appliance_azure import AzureAppliance
from tests.support.appliances import SUCCEEDS, WAITS_FOREVER, fails
from tests.support.function_apps import AUDIENCE, Fault, Said, StandInApp, refused, said

SESSION = SessionId("a1b2c3d4e5f60718293a4b5c6d7e8f90")
LOST = Said(status=0)
pytestmark = pytest.mark.usefixtures("azure_identity")


def order(attempt: int = 1) -> Order:
    return Order(
        session=SESSION, claim="jobs/nightly/claims/x-0.json", attempt=attempt, version="1",
        reason="why",
    )  # fmt: skip


def client(app: StandInApp) -> AzureAppliance:
    return AzureAppliance(app.url, AUDIENCE, StoreSettings())


@pytest.fixture
def waiting() -> Iterator[StandInApp]:
    """An app whose executions end only when they are stopped."""
    with StandInApp(WAITS_FOREVER) as app:
        yield app


def test_what_an_app_was_deployed_for_is_asked(waiting: StandInApp) -> None:
    waiting.deployment |= {"storage_class": "Archive", "metadata_class": "Cool"}
    deployment = client(waiting).deployment()
    account = "https://account.blob.core.windows.net"
    assert deployment.serves == Served(
        source_url="az://backups/primary", source_kind="repository", source_endpoint=account,
        target_url="az://copies/vault", target_endpoint=account,
        storage_class="Archive", metadata_class="Cool",
    )  # fmt: skip
    assert deployment.version == waiting.deployment["version"]
    assert client(waiting).place == f"the function app at {waiting.url}"


def test_an_app_of_another_version_may_say_less_and_more(waiting: StandInApp) -> None:
    waiting.deployment = {"version": "9.9.9", "colour": "blue"}
    assert client(waiting).deployment().version == "9.9.9"


def test_an_execution_is_started_once_watched_and_stopped(waiting: StandInApp) -> None:
    appliance = client(waiting)
    assert appliance.find(SESSION, 1) is None
    assert appliance.find_latest(SESSION) is None
    appliance.start(order())
    assert waiting.orders() == [
        {"session": SESSION, "claim": "jobs/nightly/claims/x-0.json", "attempt": 1,
         "version": "1", "reason": "why"}
    ]  # fmt: skip
    found = appliance.find(SESSION, 1)
    assert found is not None
    assert (found.standing, found.attempt, found.is_over) == (Standing.RUNNING, 1, False)
    assert found.name == f"{SESSION}-1"
    assert appliance.find_latest(SESSION) == found
    assert appliance.find(SESSION, 2) is None
    with pytest.raises(ConflictError):
        appliance.start(order())
    with pytest.raises(ConflictError):
        appliance.start(order(2))
    appliance.stop(SESSION, 1, "the window has closed")
    appliance.stop(SESSION, 1, "once more")
    stopped = appliance.find(SESSION, 1)
    assert stopped is not None
    assert stopped.standing is Standing.ABORTED
    assert stopped.ended is not None
    with pytest.raises(ConflictError):
        appliance.start(order())


def test_an_attempt_before_the_newest_is_over(waiting: StandInApp) -> None:
    appliance = client(waiting)
    for attempt in (1, 4):
        appliance.start(order(attempt))
        latest = appliance.find_latest(SESSION)
        assert latest is not None
        assert (latest.attempt, latest.standing) == (attempt, Standing.RUNNING)
        if attempt == 1:
            appliance.stop(SESSION, 1, "by hand")
    earlier = appliance.find(SESSION, 1)
    assert earlier is not None
    assert (earlier.standing, earlier.is_over) == (Standing.REPLACED, True)
    with pytest.raises(ConflictError):
        appliance.start(order(3))
    appliance.stop(SESSION, 1, "whoever is late ends no later one")
    assert appliance.find(SESSION, 4) == appliance.find_latest(SESSION)


def test_how_an_execution_ended_is_told() -> None:
    with StandInApp(SUCCEEDS) as app:
        client(app).start(order(2))
        found = client(app).find(SESSION, 2)
        assert found is not None
        assert (found.standing, found.error) == (Standing.SUCCEEDED, "")
    with StandInApp(fails("StoreError", "access denied")) as app:
        client(app).start(order())
        failed = client(app).find(SESSION, 1)
        assert failed is not None
        assert failed.standing is Standing.FAILED
        assert (failed.error, failed.cause) == ("StoreError", "access denied")


def test_what_is_not_there_cannot_be_stopped(waiting: StandInApp) -> None:
    with pytest.raises(NotFoundError, match=f"cannot stop execution {SESSION}-1"):
        client(waiting).stop(SESSION, 1, "why")


@pytest.mark.parametrize("answer", [LOST, Said(status=500), Said(status=503)])
def test_a_start_whose_answer_was_lost_is_one_start(waiting: StandInApp, answer: Said) -> None:
    waiting.faults = [Fault(answer=answer, method="POST", count=1, is_late=True)]
    client(waiting).start(order())
    assert len(waiting.executions()) == 1
    assert waiting.calls == [
        f"POST /api/sessions/{SESSION}", f"POST /api/sessions/{SESSION}",
        f"GET /api/sessions/{SESSION}",
    ]  # fmt: skip


def test_after_a_lost_answer_another_attempt_is_another_s(waiting: StandInApp) -> None:
    client(waiting).start(order(2))
    waiting.faults = [Fault(answer=LOST, method="POST", count=1)]
    with pytest.raises(ConflictError):
        client(waiting).start(order(1))
    with pytest.raises(ConflictError):
        client(waiting).start(order(3))


def test_an_order_that_the_app_refuses_is_told_as_it_says(waiting: StandInApp) -> None:
    refusal = refused(400, "input", "the proxy has version 1", "Bring both to one version.")
    waiting.faults = [Fault(answer=refusal, method="POST")]
    with pytest.raises(InputError, match=rf"cannot start execution {SESSION}-1: the proxy has"):
        client(waiting).start(order())
    assert len(waiting.calls) == 1


def test_an_execution_that_an_event_ordered_is_found_by_its_job(waiting: StandInApp) -> None:
    waiting.ordered["nightly"] = "0f" * 16
    assert client(waiting).find_ordered(JobId("nightly")) == "0f" * 16
    assert client(waiting).find_ordered(JobId("weekly")) is None


GOOD = {"attempt": 1, "standing": "running", "started": "2026-03-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({**GOOD, "standing": "asleep"}, "standing"),
        ({**GOOD, "attempt": 0}, "attempt"),
        ({**GOOD, "attempt": 1e300}, "attempt"),
        ({**GOOD, "started": "yesterday"}, "started"),
        ({**GOOD, "started": "2026-03-01T00:00:00"}, "started"),
        ({**GOOD, "cause": 5}, "cause"),
        ({"standing": "running"}, "attempt, started"),
        ([], "JSON"),
        ("running", "JSON"),
    ],
)
def test_a_document_that_says_something_else_is_refused_without_repeating_it(
    waiting: StandInApp, document: object, where: str
) -> None:
    waiting.faults = [Fault(answer=said(200, document))]
    with pytest.raises(InputError, match=rf"no appliance of this version .*\({where}\)") as caught:
        client(waiting).find(SESSION, 1)
    assert "asleep" not in caught.value.message
    assert "yesterday" not in caught.value.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff\xfe", b"{" * 3])
def test_what_is_no_json_is_refused(waiting: StandInApp, body: bytes) -> None:
    waiting.faults = [Fault(answer=Said(status=200, body=body))]
    with pytest.raises(InputError, match="no appliance of this version"):
        client(waiting).deployment()


def test_orders_differ_by_their_attempts_alone(waiting: StandInApp) -> None:
    appliance = client(waiting)
    appliance.start(order())
    with pytest.raises(ConflictError):
        appliance.start(replace(order(), reason="another"))
