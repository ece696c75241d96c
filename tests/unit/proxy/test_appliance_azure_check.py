"""What a function app finds about itself, and what the check finds about the app."""

from collections.abc import Iterator

import pytest

from core.engine.check import Finding, Level
from core.stores.settings import StoreSettings
from proxy.appliance_azure import AzureAppliance
from tests.support.appliances import SUCCEEDS
from tests.support.function_apps import AUDIENCE, Fault, Said, StandInApp, said

pytestmark = pytest.mark.usefixtures("azure_identity")


@pytest.fixture
def app() -> Iterator[StandInApp]:
    with StandInApp(SUCCEEDS) as app:
        yield app


def inspect(app: StandInApp) -> list[Finding]:
    return list(AzureAppliance(app.url, AUDIENCE, StoreSettings()).inspect())


def test_what_the_app_finds_is_passed_on_as_it_is(app: StandInApp) -> None:
    app.findings = [
        {"level": "ok", "what": "source", "detail": "it can be read"},
        {"level": "error", "what": "target", "detail": "the role is missing", "hint": "Give it."},
    ]
    sign_in, source, target = inspect(app)
    assert (sign_in.level, sign_in.what) == (Level.OK, "sign-in")
    assert source == Finding(level=Level.OK, what="source", detail="it can be read")
    assert (target.level, target.hint) == (Level.ERROR, "Give it.")


def test_an_app_that_anybody_may_ask_is_an_error(app: StandInApp) -> None:
    app.asks_for_token = False
    (sign_in,) = inspect(app)
    assert sign_in.level is Level.ERROR
    assert "answers whoever asks" in sign_in.detail
    assert "authentication" in sign_in.hint


def test_an_app_that_cannot_look_at_itself_is_one_finding_among_others(app: StandInApp) -> None:
    app.faults = [Fault(answer=Said(status=403), where="/api/check")]
    sign_in, own = inspect(app)
    assert sign_in.level is Level.OK
    assert (own.what, own.level) == ("app", Level.ERROR)
    assert "may not use the app" in own.detail


def test_findings_without_end_are_not_taken(app: StandInApp) -> None:
    many = [{"level": "ok", "what": "x", "detail": "y"}] * 1001
    app.faults = [Fault(answer=said(200, {"findings": many}), where="/api/check")]
    _, own = inspect(app)
    assert own.level is Level.ERROR
