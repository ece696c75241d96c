"""The functions of the app: which there are, and that none answers whom nobody has let in.

That the worker of Azure finds the same in the package is tests/infra/test_azure_package.py's.
"""

import asyncio
import base64
import json
from typing import Any

import pytest

from appliance_azure import app as functions
from appliance_azure.http import PRINCIPAL_HEADER, Reply, Request
from appliance_azure.instances import Instances
from core.errors import StoreError
from tests.unit.appliance_azure.test_settings import ENVIRONMENT

LET_IN = {PRINCIPAL_HEADER: base64.b64encode(json.dumps({"claims": []}).encode()).decode()}
ALWAYS = {
    "session": "orchestrationTrigger",
    "batches": "orchestrationTrigger",
    "plan": "activityTrigger",
    "repack": "activityTrigger",
    "publish": "activityTrigger",
    "next": "activityTrigger",
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
