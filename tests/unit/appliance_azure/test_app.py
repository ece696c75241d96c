"""The functions of the app: which there are, and that none answers whom nobody has let in.

That the worker of Azure finds the same in the package is tests/infra/test_azure_package.py's.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from appliance_azure import app as functions
from appliance_azure.http import PRINCIPAL_HEADER, Reply, Request
from appliance_azure.instances import Instance, Instances
from appliance_azure.triggers import timer_order
from core.errors import StoreError
from core.ids import JobId
from core.limits import AZURE_FUNCTION_SECONDS_MAX, AZURE_ORDER_DELAYS_SECONDS
from tests.unit.appliance_azure.test_settings import ENVIRONMENT

MOMENT = datetime(2026, 3, 1, 22, tzinfo=UTC)
LET_IN = {PRINCIPAL_HEADER: base64.b64encode(json.dumps({"claims": []}).encode()).decode()}
ALWAYS = {
    "session": "orchestrationTrigger",
    "batches": "orchestrationTrigger",
    "plan": "activityTrigger",
    "repack": "activityTrigger",
    "publish": "activityTrigger",
    "next": "activityTrigger",
    "forget": "timerTrigger",
    "deployment": "httpTrigger",
    "check": "httpTrigger",
    "start": "httpTrigger",
    "status": "httpTrigger",
    "running": "httpTrigger",
    "terminate": "httpTrigger",
}


def functions_of(environment: dict[str, str]) -> dict[str, str]:
    app = functions.make_app(environment)
    return {each.get_function_name(): each.get_trigger().type for each in app.get_functions()}


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({}, {}),
        ({"COLDHAUL_JOB": "nightly"}, {}),
        ({"COLDHAUL_EVENTS": "true"}, {}),
        (
            {"COLDHAUL_JOB": "nightly", "COLDHAUL_EVENTS": "true"},
            {"on_event": "eventGridTrigger"},
        ),
        (
            {"COLDHAUL_JOB": "nightly", "COLDHAUL_SCHEDULE": "0 0 22 * * *"},
            {"on_time": "timerTrigger"},
        ),
        (ENVIRONMENT, {"on_event": "eventGridTrigger", "on_time": "timerTrigger"}),
    ],
)
def test_functions_of_triggers_are_there_only_with_their_settings(
    settings: dict[str, str], more: dict[str, str]
) -> None:
    assert functions_of(settings) == ALWAYS | more


def reply(headers: dict[str, str], route: Any) -> Reply:  # noqa: ANN401
    asked = Request(headers=headers)
    return asyncio.run(functions._reply("test", route, asked, Instances(None)))


async def well(_asked: Request, _instances: Instances) -> tuple[int, dict[str, str]]:
    return 202, {"told": "this"}


async def badly(_asked: Request, _instances: Instances) -> tuple[int, dict[str, str]]:
    raise StoreError("no luck", items=["payroll"])


async def wrongly(_asked: Request, _instances: Instances) -> tuple[int, dict[str, str]]:
    raise KeyError("payroll")


def test_whoever_was_not_let_in_is_refused_before_anything_is_done() -> None:
    assert reply({}, wrongly).status == 401
    assert reply(LET_IN, well) == Reply(status=202, document={"told": "this"})


class Failing(Instances):
    """A hub that fails so often, and then knows what is asked of it to be there."""

    def __init__(self, failures: int) -> None:
        super().__init__(None)
        self.left = failures
        self.asked: list[str] = []

    async def find(self, instance: str) -> Instance | None:
        self.asked.append(instance)
        self.left -= 1
        if self.left >= 0:
            raise StoreError("cannot look at the instance")
        return Instance(id=instance, name="session", standing="running", started=MOMENT)


def test_a_tick_of_the_timer_is_ordered_in_spite_of_a_hub_that_fails_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(functions, "AZURE_ORDER_DELAYS_SECONDS", (0, 0, 0))
    caplog.set_level(logging.INFO, "coldhaul")
    ordered = timer_order(JobId("nightly"), MOMENT)
    hub = Failing(3)
    asyncio.run(functions.order_surely("timer", hub, ordered))
    assert hub.asked == [ordered.instance] * 4
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [line.get("state", line.get("error")) for line in lines] == [
        *["cannot look at the instance"] * 3,
        "was there",
    ]
    assert not any("failed_sessions" in line for line in lines)
    with pytest.raises(StoreError), functions.telling_failure(ordered):
        asyncio.run(functions.order_surely("timer", Failing(4), ordered))
    told = json.loads(caplog.records[-1].getMessage())
    assert (told["session"], told["failed_sessions"]) == (ordered.instance, 1)
    assert told["error"] == "cannot look at the instance"


def test_a_call_that_the_hub_fails_is_answered_and_logged_like_any_that_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is made again, for minutes: nothing else tells meanwhile why no batch gets done."""
    monkeypatch.setattr(functions, "Instances", lambda _client: Failing(2))
    caplog.set_level(logging.INFO, "coldhaul")
    session = "ab" * 16
    call = {"instance": f"{session}:1:1:0", "session": session}
    order = {"job": "nightly", "execution": "S S", "started": MOMENT.isoformat()}
    context: Any = None
    answers = [
        asyncio.run(functions.repack(call, None, context)),
        asyncio.run(functions.start_next(order, None)),
    ]
    failed = {"error": {"class": "StoreError", "message": "cannot look at the instance"}}
    assert answers == [failed, failed]
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [line["message"] for line in lines] == ["repack", "next"]
    assert {line["error"] for line in lines} == {"cannot look at the instance"}
    assert lines[0]["session"] == session


class Taking(Instances):
    """A hub that knows of nothing, and takes every order."""

    def __init__(self) -> None:
        super().__init__(None)
        self.orders: list[Mapping[str, Any]] = []

    async def find(self, instance: str) -> Instance | None:
        return None

    async def start(self, instance: str, order: Mapping[str, Any]) -> None:
        self.orders.append(order)


def test_the_next_instance_is_for_the_job_of_the_order_or_of_the_apps_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = Taking()
    monkeypatch.setattr(functions, "Instances", lambda _client: hub)
    call = {"execution": "S S", "started": MOMENT.isoformat()}
    monkeypatch.setenv("COLDHAUL_JOB", "events")
    monkeypatch.setenv("COLDHAUL_EVENTS", "true")
    ordered = asyncio.run(functions.start_next({**call, "job": "nightly"}, None))
    other = asyncio.run(functions.start_next(call, None))
    assert hub.orders == [{**call, "job": "nightly"}, {**call, "job": "events"}]
    # The session that it claims follows from execution and moment.
    assert ordered == other
    assert ordered["instance"]
    monkeypatch.setenv("COLDHAUL_EVENTS", "false")
    assert asyncio.run(functions.start_next(call, None)) == {"instance": None}
    assert len(hub.orders) == 2


def test_the_waits_for_a_tick_end_before_the_function_does() -> None:
    assert sum(AZURE_ORDER_DELAYS_SECONDS) < AZURE_FUNCTION_SECONDS_MAX / 2


def test_errors_are_answered_and_logged_without_what_they_may_hold(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """I5."""
    assert reply(LET_IN, badly).status == 502
    answered = reply(LET_IN, wrongly)
    assert answered.status == 500
    lines = [record.getMessage() for record in caplog.records if record.name == "coldhaul"]
    assert len(lines) == 2
    assert json.loads(lines[1])["error_class"] == "KeyError"
    assert "payroll" not in f"{lines} {answered}"
