"""Requests of a function app: what is tried again, what is not, and who is asked as whom."""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import BaseModel

from core.errors import ConflictError, InputError, NotFoundError, StoreError
from core.limits import APPLIANCE_ANSWER_SIZE_MAX, STORE_TRIES_MAX
from core.stores.azure_session import open_identity
from core.stores.settings import StoreSettings
from proxy.function_app import FunctionApp
from proxy.version import own_version
from tests.emulators.certificate import make_certificate
from tests.support.appliances import WAITS_FOREVER
from tests.support.function_apps import AUDIENCE, Fault, Said, StandInApp, refused, said
from tests.unit.stores.test_azure_client import forwarding

PATH = "/api/deployment"
LOST = Said(status=0)
pytestmark = pytest.mark.usefixtures("azure_identity")


class Version(BaseModel):
    """What is asked for here."""

    version: str


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tries follow each other at once."""
    monkeypatch.setattr("core.stores.pacing.draw_delay", lambda *_: 0.0)


@pytest.fixture
def app() -> Iterator[StandInApp]:
    """An app that answers as it should, unless it is told."""
    with StandInApp(WAITS_FOREVER) as app:
        yield app


def ask(app: StandInApp, **settings: str) -> Version:
    asked = FunctionApp(app.url, AUDIENCE, StoreSettings(**settings))  # type: ignore[arg-type]
    return asked.get("look at it", PATH, Version)


@pytest.mark.parametrize(
    "answer",
    [
        LOST,
        Said(status=429),
        Said(status=408),
        Said(status=500),
        Said(status=502, body=b"<html>Bad Gateway</html>"),
        Said(status=503, headers={"Retry-After": "1"}),
        Said(status=504),
        Said(status=200, body=b'{"version": "1"}', is_cut=True),
        Said(status=404, body=b'{"category": "not-found", "message": "x"}', is_cut=True),
    ],
)
def test_what_passes_is_asked_for_again(app: StandInApp, answer: Said) -> None:
    app.faults = [Fault(answer=answer, count=3)]
    assert ask(app).version == own_version()
    assert len(app.calls) == 4


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (LOST, "the connection to http"),
        (Said(status=429), "asks for fewer requests"),
        (Said(status=503), "the app failed with 503"),
        (Said(status=200, body=b"{}", is_cut=True), "broke"),
    ],
)
def test_what_does_not_pass_is_an_error_after_so_many_tries(
    app: StandInApp, answer: Said, words: str
) -> None:
    app.faults = [Fault(answer=answer)]
    with pytest.raises(StoreError, match=words) as caught:
        ask(app)
    assert f"tried {STORE_TRIES_MAX} times" in caught.value.message
    assert caught.value.hint
    assert len(app.calls) == STORE_TRIES_MAX


@pytest.mark.parametrize(
    "answer",
    [
        Said(status=302, headers={"Location": "https://login.microsoftonline.com/"}),
        Said(status=400),
        Said(status=403),
        Said(status=404, body=b"<html>"),
        refused(502, "store", "the target cannot be read"),
        refused(500, "integrity", "a record is damaged"),
    ],
)
def test_what_another_try_does_not_mend_is_tried_once(app: StandInApp, answer: Said) -> None:
    app.faults = [Fault(answer=answer)]
    with pytest.raises(Exception, match="cannot look at it"):
        ask(app)
    assert len(app.calls) == 1


def test_a_token_that_has_run_out_is_fetched_anew_once(app: StandInApp) -> None:
    app.faults = [Fault(answer=Said(status=401), count=1)]
    before = open_identity("", "")
    assert ask(app).version == own_version()
    assert open_identity("", "") is not before
    app.faults = [Fault(answer=Said(status=401))]
    app.calls.clear()
    with pytest.raises(StoreError, match="does not accept the token") as caught:
        ask(app)
    assert AUDIENCE in caught.value.hint
    assert len(app.calls) == 2


def test_an_audience_of_another_application_is_told_as_what_it_is(app: StandInApp) -> None:
    asked = FunctionApp(app.url, "api://somebody-else", StoreSettings())
    with pytest.raises(StoreError, match="does not accept the token") as caught:
        asked.get("look at it", PATH, Version)
    assert "api://somebody-else" in caught.value.hint


def test_without_credentials_nothing_is_asked(
    app: StandInApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StoreError, match="no usable credentials") as caught:
        ask(app)
    assert "azure-identity asks in order" in caught.value.hint
    assert app.calls == []


def test_what_the_app_says_is_not_there_is_none_and_what_the_platform_says_is_not(
    app: StandInApp,
) -> None:
    asked = FunctionApp(app.url, AUDIENCE, StoreSettings())
    app.faults = [Fault(answer=refused(404, "not-found", "no such session"), count=2)]
    assert asked.find("look", PATH, Version) is None
    assert asked.peek("look", PATH, Version) is None
    app.faults = [Fault(answer=Said(status=404))]
    with pytest.raises(StoreError, match="has no functions of coldhaul"):
        asked.find("look", PATH, Version)
    app.faults = [Fault(answer=refused(404, "not-found", "no such session"))]
    with pytest.raises(NotFoundError):
        asked.post("stop", PATH, {})


def test_an_answer_without_end_is_not_read_to_it(app: StandInApp) -> None:
    long = {"version": "1" * 3 * APPLIANCE_ANSWER_SIZE_MAX}
    app.faults = [Fault(answer=said(200, long))]
    with pytest.raises(InputError, match="no appliance of this version"):
        ask(app)


def test_a_create_that_was_lost_is_looked_for_and_any_other_conflict_is_one(
    app: StandInApp,
) -> None:
    asked = FunctionApp(app.url, AUDIENCE, StoreSettings())
    conflict = Fault(answer=refused(409, "conflict", "it runs already"))
    for is_own in (True, False):
        app.faults = [Fault(answer=LOST, count=1), conflict]
        if is_own:
            asked.create("start", PATH, {}, lambda: True)
            continue
        with pytest.raises(ConflictError, match="it runs already"):
            asked.create("start", PATH, {}, lambda: False)
    app.faults = [conflict]
    with pytest.raises(ConflictError):
        asked.create("start", PATH, {}, lambda: pytest.fail("nothing was lost"))


def test_an_app_that_anybody_may_ask_is_found(app: StandInApp) -> None:
    asked = FunctionApp(app.url, AUDIENCE, StoreSettings())
    assert not asked.answers_anybody()
    app.asks_for_token = False
    assert asked.answers_anybody()
    for answer in (Said(status=302, headers={"Location": "/login"}), Said(status=403)):
        app.faults = [Fault(answer=answer)]
        assert not asked.answers_anybody()
    app.faults = [Fault(answer=Said(status=503))]
    with pytest.raises(StoreError, match="503"):
        asked.answers_anybody()


def test_nothing_answers_at_a_wrong_place() -> None:
    for url, words in (
        ("http://127.0.0.1:9", "does not answer"),
        ("https://no-such-app.invalid", "is no name that is known here"),
    ):
        asked = FunctionApp(url, AUDIENCE, StoreSettings())
        with pytest.raises(StoreError, match=f"{url} {words}") as caught:
            asked.get("look at it", PATH, Version)
        assert "appliance.url" in caught.value.hint


def test_a_server_that_is_not_trusted_sees_no_token(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with StandInApp(WAITS_FOREVER, tls=(certificate, key)) as app:
        with pytest.raises(StoreError, match="is not trusted"):
            ask(app)
        assert app.calls == []
        assert ask(app, ca_bundle=str(certificate)).version == own_version()


def test_a_server_without_tls_is_told_as_what_it_is(app: StandInApp) -> None:
    url = app.url.replace("http:", "https:")
    asked = FunctionApp(url, AUDIENCE, StoreSettings())
    with pytest.raises(StoreError, match="does not speak TLS"):
        asked.get("look at it", PATH, Version)


def test_it_goes_through_the_http_proxy(app: StandInApp) -> None:
    """The name of the app is one that only the proxy can find."""
    seen: Counter[str] = Counter()
    with forwarding(urlsplit(app.url).netloc, seen) as proxy:
        # A proxy that tunnels nothing: plain HTTP is what it can pass on.
        asked = FunctionApp("http://app.invalid", AUDIENCE, StoreSettings(http_proxy=proxy))
        assert not asked.answers_anybody()
    assert seen["GET app.invalid"] == 1


def test_neither_token_nor_answer_reaches_a_log_or_an_error(
    app: StandInApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Even of a program that logs everything (I5)."""
    caplog.set_level(logging.DEBUG)
    app.faults = [Fault(answer=Said(status=400, body=b"secret-in-the-body"))]
    with pytest.raises(StoreError) as caught:
        ask(app)
    told = caplog.text + str(caught.value) + caught.value.hint + repr(caught.value.__cause__)
    assert "secret-in-the-body" not in told
    token = open_identity("", "").get_token(f"{AUDIENCE}/.default").token
    assert token
    assert token not in told
