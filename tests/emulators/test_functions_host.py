"""The host of function apps does to an app what Azure does, as far as the app can tell."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.azure.package import LIBRARIES, kept_package
from tests.emulators.functions_host import FunctionsHost, created_event
from tests.emulators.functions_worker import CallFailedError, NotLoadedError
from tests.emulators.task_hub import RUNNING, Disturbance, Instance, Moment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.xdist_group("package"), pytest.mark.timeout(600)]

PATIENCE = 60
APP = """
import datetime
import os
import time
import uuid
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
FOLDER = Path(os.environ["FOLDER"])


@app.orchestration_trigger(context_name="context")
def both(context):
    given = context.get_input()
    first = yield context.task_all([context.call_activity("double", n) for n in range(given)])
    yield context.create_timer(context.current_utc_datetime + datetime.timedelta(hours=1))
    second = yield context.call_sub_orchestrator("one", 21)
    context.set_custom_status({"done": given})
    return {"first": first, "second": second}


@app.orchestration_trigger(context_name="context")
def one(context):
    try:
        return (yield context.call_activity("double", context.get_input()))
    except Exception:
        return "failed"


@app.orchestration_trigger(context_name="context")
def bad(context):
    yield context.call_activity("double", 1)
    raise ValueError("of its own")


@app.activity_trigger(input_name="number")
def double(number: int) -> int:
    (FOLDER / f"{number}-{uuid.uuid4()}").touch()
    if number == 666:
        os._exit(3)
    if number == 777:
        time.sleep(600)
    return 2 * number


@app.route(route="say/{what}", methods=["POST"])
def say(req: func.HttpRequest) -> func.HttpResponse:
    principal = req.headers.get("x-ms-client-principal-name", "nobody")
    body = req.get_body().decode()
    said = f"{principal} {req.route_params['what']} {req.params.get('how')} {body}"
    return func.HttpResponse(said, status_code=201)


@app.route(route="start/{name}/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> func.HttpResponse:
    parts = req.route_params
    return func.HttpResponse(await client.start_new(parts["name"], parts["id"], req.get_json()))


@app.timer_trigger(schedule="0 0 * * * *", arg_name="timer")
def tick(timer: func.TimerRequest) -> None:
    (FOLDER / "tick").touch()


@app.event_grid_trigger(arg_name="event")
def on_event(event: func.EventGridEvent) -> None:
    (FOLDER / event.subject.rpartition("/")[2]).touch()
    if "bad" in event.subject:
        raise ValueError("no such event")
"""
HOST = {
    "version": "2.0",
    "functionTimeout": "00:01:00",
    "extensions": {"http": {"routePrefix": "api"}},
}


def make_app(folder: Path, text: str = APP) -> Path:
    """Write an app that has the libraries of ours."""
    app = folder / "app"
    (app / LIBRARIES).parent.mkdir(parents=True)
    (app / LIBRARIES).symlink_to(kept_package() / LIBRARIES)
    (app / "function_app.py").write_text(text)
    (app / "host.json").write_text(json.dumps(HOST))
    (folder / "seen").mkdir()
    return app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[FunctionsHost]:
    settings = {"FOLDER": str(folder / "seen")}
    with FunctionsHost(
        make_app(folder), settings, sign_in={"secret": "proxy"}.get, timer_seconds_max=0.1
    ) as host:
        yield host


@pytest.fixture
def host(running: FunctionsHost, folder: Path) -> Iterator[FunctionsHost]:
    """The host without anything that a test before has done."""
    for path in (folder / "seen").iterdir():
        path.unlink()
    running.hub.calls.clear()
    yield running
    running.hub.disturb = lambda _: None


Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def ask(host: FunctionsHost) -> Ask:
    """Ask the app, as the proxy unless another token is named."""

    def asks(path: str, body: object = None, token: str = "secret", **headers: str) -> Any:  # noqa: ANN401
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            f"{host.url}/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", **named},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return asks


def run(host: FunctionsHost, name: str, given: object, instance: str) -> Instance:
    # What the client of the SDK starts an instance with is a text of JSON in JSON.
    assert host.hub.start(name, instance, json.dumps(json.dumps(given)))
    return host.hub.wait(instance, PATIENCE)


def seen(folder: Path, number: int) -> int:
    return len(list((folder / "seen").glob(f"{number}-*")))


def test_a_route_is_answered_by_its_function(ask: Ask) -> None:
    assert ask("say/hello?how=loudly", 3) == (201, "proxy hello loudly 3")
    assert ask("nothing", 3)[0] == 404


def test_only_who_has_a_token_is_let_in_and_nobody_says_who_he_is(ask: Ask) -> None:
    assert ask("say/hello", token="another")[0] == 401
    forged = {"x_ms_client_principal_name": "the owner"}
    assert ask("say/hello", 3, **forged) == (201, "proxy hello None 3")


def test_an_orchestrator_that_a_function_starts_runs_to_its_end(
    host: FunctionsHost, ask: Ask
) -> None:
    assert ask("start/both/whole", 3) == (200, "whole")
    ended = host.hub.wait("whole", PATIENCE)
    assert (ended.status, ended.output) == ("Completed", {"first": [0, 2, 4], "second": 42})
    assert ended.custom_status == {"done": 3}
    names = [moment.name for moment in host.hub.calls]
    assert names == ["double"] * 4


def test_it_runs_to_the_same_end_wherever_its_workers_are_taken_away(host: FunctionsHost) -> None:
    """Between any two events, at each moment once."""
    run(host, "both", 1, "plain")
    first = 0
    moments: list[Moment] = []
    while True:
        instance = f"cut-{first}"
        moments.clear()

        def disturb(moment: Moment, cut: int = first) -> Disturbance | None:
            moments.append(moment)
            return Disturbance.RESTART if len(moments) == cut + 1 else None

        host.hub.disturb = disturb
        ended = run(host, "both", 1, instance)
        assert ended.output == {"first": [0], "second": 42}, instance
        if len(moments) <= first:
            break
        first += 3
    assert first > 6


def test_an_answer_that_was_lost_has_the_call_made_again(host: FunctionsHost, folder: Path) -> None:
    lost: list[Moment] = []

    def disturb(moment: Moment) -> Disturbance | None:
        if moment.is_answer and not lost:
            lost.append(moment)
            return Disturbance.RESTART
        return None

    host.hub.disturb = disturb
    assert run(host, "one", 5, "lost").output == 10
    assert seen(folder, 5) == 2


def test_a_call_that_is_made_twice_is_answered_once(host: FunctionsHost, folder: Path) -> None:
    doubled: list[Moment] = []

    def disturb(moment: Moment) -> Disturbance | None:
        if moment.name == "double" and not doubled:
            doubled.append(moment)
            return Disturbance.REPEAT
        return None

    host.hub.disturb = disturb
    ended = run(host, "both", 1, "doubled")
    assert ended.output == {"first": [0], "second": 42}
    # Nobody waits for the one beside it.
    wait_until(lambda: seen(folder, 0) == 2)


@pytest.mark.parametrize("is_answer", [True, False])
def test_a_call_may_fail_before_it_is_made_and_after(
    host: FunctionsHost, folder: Path, is_answer: bool
) -> None:
    def disturb(moment: Moment) -> Disturbance | None:
        is_it = moment.name == "double" and moment.is_answer is is_answer
        return Disturbance.FAIL if is_it else None

    host.hub.disturb = disturb
    assert run(host, "one", 7, f"failed-{is_answer}").output == "failed"
    assert seen(folder, 7) == int(is_answer)


@pytest.mark.parametrize("number", [666, 777])
def test_a_function_that_dies_or_takes_too_long_has_failed(
    host: FunctionsHost, folder: Path, number: int
) -> None:
    with host.limited(4):
        assert run(host, "one", number, f"dead-{number}").output == "failed"
    assert seen(folder, number) == 1
    # And another worker is there.
    assert run(host, "one", 2, f"after-{number}").output == 4


def test_an_orchestrator_that_fails_says_so_in_its_output(host: FunctionsHost) -> None:
    ended = run(host, "bad", None, "bad")
    assert ended.status == "Failed"
    assert ended.output == "Orchestrator function 'bad' failed: of its own"


def test_an_instance_that_runs_is_not_replaced_and_one_that_is_over_is(
    host: FunctionsHost, ask: Ask
) -> None:
    held: list[int] = []

    def disturb(moment: Moment) -> Disturbance | None:
        if moment.name == "double" and not held:
            held.append(ask("start/one/same", 9)[0])
        return None

    host.hub.disturb = disturb
    assert run(host, "one", 8, "same").output == 16
    assert held == [500]
    assert run(host, "one", 9, "same").output == 18


def test_an_instance_that_is_ended_stays_ended(host: FunctionsHost) -> None:
    def disturb(moment: Moment) -> Disturbance | None:
        if moment.is_answer:
            host.hub.terminate("ended", "by a test")
        return None

    host.hub.disturb = disturb
    ended = run(host, "one", 8, "ended")
    assert (ended.status, ended.output) == ("Terminated", "by a test")
    assert run(host, "one", 4, "next").status not in RUNNING


def test_events_and_ticks_call_their_functions(host: FunctionsHost, folder: Path) -> None:
    host.tick("tick")
    host.deliver(created_event("primary", "a/b"))
    assert {path.name for path in (folder / "seen").iterdir()} == {"tick", "b"}
    with pytest.raises(CallFailedError, match="no such event"):
        host.deliver(created_event("primary", "a/bad"))


def test_an_app_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    app = make_app(tmp_path, "import what_is_not_there")
    with (
        pytest.raises(NotLoadedError, match="what_is_not_there"),
        FunctionsHost(app, {}, sign_in=None),
    ):
        pass
