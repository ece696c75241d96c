"""The function app: every function that Azure finds in it, and what calls each.

Functions are thin: what they answer and start is decided by the modules beside this one. Those of
events and of the timer are there only where the settings name a job for them.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from appliance_azure import http
from appliance_azure.check import inspect
from appliance_azure.failures import log_failed_session
from appliance_azure.handlers import INSTANCE, activities, error_document, stop_repack
from appliance_azure.http import Reply, Request
from appliance_azure.instances import Instances, ids_of
from appliance_azure.log import write_line
from appliance_azure.orchestrators import NEXT, batches, session
from appliance_azure.settings import Triggers, find_triggers, job_of_events, read_settings
from appliance_azure.triggers import Ordered, event_order, is_record, order_of, timer_order
from core.appliance.calls import Document, describe_failure, keys_of
from core.appliance.opening import own_version
from core.errors import ColdhaulError, ConflictError, StoreError
from core.ids import JobId
from core.limits import AZURE_INSTANCE_DAYS_MAX, AZURE_ORDER_DELAYS_SECONDS

# In UTC: early each Sunday.
FORGETTING_SCHEDULE = "0 17 3 * * 0"
Answered = tuple[int, Mapping[str, Any]]
Route = Callable[[Request, Instances], Awaitable[Answered]]


def make_app(environment: Mapping[str, str]) -> df.DFApp:
    """Return the app of an environment, of which only the triggers are read yet."""
    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    for orchestrator in (session, batches):
        app.orchestration_trigger(context_name="context")(orchestrator)
    for activity in (plan, publish):
        app.activity_trigger(input_name="call")(activity)
    app.activity_trigger(input_name="call")(_with_client(app, repack))
    app.function_name(NEXT)(app.activity_trigger(input_name="call")(_with_client(app, start_next)))
    for name, method, path, route in (
        ("deployment", "GET", "deployment", partial(tell_deployment, environment)),
        ("check", "GET", "check", partial(tell_findings, environment)),
        ("start", "POST", "sessions/{session}", start_session),
        ("status", "GET", "sessions/{session}", tell_status),
        ("running", "GET", "jobs/{job}/running", tell_running),
        ("terminate", "POST", "sessions/{session}/terminate", end_session),
    ):
        _add_route(app, name, method, path, route)
    app.timer_trigger(schedule=FORGETTING_SCHEDULE, arg_name="timer")(_with_client(app, forget))
    triggers = find_triggers(environment)
    if triggers is not None:
        _add_triggers(app, environment, triggers)
    return app


# Activities.


def plan(call: object) -> Document:
    """Plan a session, or look again after a round."""
    return activities.plan(call)


async def repack(call: object, client: Any, context: func.Context) -> Document:  # noqa: ANN401
    """Repack a batch, or go on with it.

    The calls of an instance that was ended, or has failed, wait in a queue yet, thousands of them:
    what is looked at first is whether anybody wants this one.
    """
    given = call if isinstance(call, dict) else {}
    instance = given.get(INSTANCE)
    try:
        is_over = bool(instance) and await Instances(client).is_over(str(instance))
    except ColdhaulError as error:
        return _hub_failed("repack", given, error)
    if is_over:
        return stop_repack(given)

    def work() -> Document:
        # By this a line of the log is known to be this call's.
        context.thread_local_storage.invocation_id = context.invocation_id  # type: ignore[attr-defined]
        return activities.repack(call)

    return await asyncio.to_thread(work)


def publish(call: object) -> Document:
    """End an execution's work on a session."""
    return activities.publish(call)


async def start_next(call: object, client: Any) -> Document:  # noqa: ANN401  # The SDK's, untyped.
    """Start the instance that copies the next point of a job, or of that of the app's events."""
    given = call if isinstance(call, dict) else {}
    job = JobId(given["job"]) if "job" in given else job_of_events(os.environ)
    if job is None:
        return {"instance": None}
    ordered = order_of(job, given["execution"], given["started"])
    try:
        await _start(Instances(client), ordered)
    except ColdhaulError as error:
        return _hub_failed(NEXT, {"session": ordered.instance}, error)
    return {"instance": ordered.instance}


def _hub_failed(name: str, call: Document, error: ColdhaulError) -> Document:
    """Log that the hub did not answer a call, which is made again, and return that answer."""
    failure = describe_failure(error)
    line = {**keys_of(call), "error": failure.line, **failure.keys}
    write_line(logging.ERROR, name, line)
    return error_document(failure)


def _with_client(app: df.DFApp, function: Callable[..., Any]) -> Any:  # noqa: ANN401
    """Have a function called with a client of Durable Functions as well."""
    return app.durable_client_input(client_name="client")(function)


# Routes.


def _add_route(app: df.DFApp, name: str, method: str, path: str, route: Route) -> None:
    async def answer(request: func.HttpRequest, client: Any) -> func.HttpResponse:  # noqa: ANN401
        asked = Request(
            headers=dict(request.headers), parts=request.route_params, body=request.get_body()
        )
        reply = await _reply(name, route, asked, Instances(client))
        return func.HttpResponse(reply.body, status_code=reply.status, mimetype="application/json")

    answer.__name__ = name
    app.route(route=path, methods=[method], trigger_arg_name="request")(_with_client(app, answer))


async def _reply(name: str, route: Route, asked: Request, instances: Instances) -> Reply:
    """Return the answer to a request, whatever happens."""
    if not http.has_principal(asked.headers):
        write_line(logging.WARNING, name, {"status": 401})
        return http.refusal()
    try:
        status, document = await route(asked, instances)
    except Exception as error:  # noqa: BLE001  # An entry point: what it says is ours to decide.
        failure = describe_failure(error)
        reply = http.error_reply(error)
        line = {"status": reply.status, "error": failure.line, **failure.keys}
        write_line(logging.WARNING, name, line)
        return reply
    write_line(logging.INFO, name, {"status": status})
    return Reply(status=status, document=document)


async def tell_deployment(
    environment: Mapping[str, str], _asked: Request, _instances: Instances
) -> Answered:
    """Tell what the app was deployed for."""
    return 200, http.deployment_document(read_settings(environment), own_version())


async def tell_findings(
    environment: Mapping[str, str], _asked: Request, _instances: Instances
) -> Answered:
    """Tell what the app finds wrong with itself; others are answered meanwhile."""
    return 200, http.check_document(await asyncio.to_thread(inspect, environment))


async def start_session(asked: Request, instances: Instances) -> Answered:
    """Start an attempt at a session."""
    session_id = http.read_session(asked.parts)
    order = http.read_order(session_id, asked.body, own_version())
    http.check_order(order, await instances.find(session_id))
    await instances.start(session_id, order)
    return 202, {"instance": session_id}


async def tell_status(asked: Request, instances: Instances) -> Answered:
    """Tell how the newest attempt at a session stands."""
    session_id = http.read_session(asked.parts)
    return 200, http.status_document(session_id, await instances.find(session_id))


async def tell_running(asked: Request, instances: Instances) -> Answered:
    """Tell what runs for a job that an event or the timer has ordered."""
    job = http.read_job(asked.parts)
    return 200, http.running_document(job, ids_of(await instances.running(), job))


async def end_session(asked: Request, instances: Instances) -> Answered:
    """End an attempt at a session where it is."""
    session_id = http.read_session(asked.parts)
    attempt, why = http.read_termination(asked.body)
    http.check_termination(session_id, attempt, await instances.find(session_id))
    await instances.terminate(session_id, why)
    return 202, {"instance": session_id}


# Events and timers.


async def forget(timer: func.TimerRequest, client: Any) -> None:  # noqa: ANN401
    """Have the task hub forget what ended long ago."""
    before = datetime.now(UTC) - timedelta(days=AZURE_INSTANCE_DAYS_MAX)
    write_line(logging.INFO, "forget", {"instances": await Instances(client).forget(before)})


def _add_triggers(app: df.DFApp, environment: Mapping[str, str], triggers: Triggers) -> None:
    async def on_event(event: func.EventGridEvent, client: Any) -> None:  # noqa: ANN401
        ordered = event_order(triggers.job, event.id, event.event_time or datetime.now(UTC))
        with telling_failure(ordered):
            source = read_settings(environment).ends.source.url
            if not is_record(source, event.event_type or "", event.subject or ""):
                write_line(logging.WARNING, "event", {"state": "of something else"})
                return
            await order_surely("event", Instances(client), ordered)

    async def on_time(timer: func.TimerRequest, client: Any) -> None:  # noqa: ANN401
        ordered = timer_order(triggers.job, datetime.now(UTC))
        with telling_failure(ordered):
            await order_surely("timer", Instances(client), ordered)

    if triggers.has_events:
        app.event_grid_trigger(arg_name="event")(_with_client(app, on_event))
    if triggers.schedule:
        app.timer_trigger(schedule=triggers.schedule, arg_name="timer")(_with_client(app, on_time))


@contextmanager
def telling_failure(ordered: Ordered) -> Iterator[None]:
    """Log what cannot be started, as a session that failed is."""
    try:
        yield
    except Exception as error:
        log_failed_session(ordered.instance, error)
        raise


async def order_surely(name: str, instances: Instances, ordered: Ordered) -> None:
    """Start what was ordered, tried more than once: a tick comes once, an event not for ever."""
    for delay in AZURE_ORDER_DELAYS_SECONDS:
        try:
            await _order(name, instances, ordered)
        except StoreError as error:
            line = {"session": ordered.instance, "error": describe_failure(error).line}
            write_line(logging.WARNING, name, line)
            await asyncio.sleep(delay)
        else:
            return
    await _order(name, instances, ordered)


async def _order(name: str, instances: Instances, ordered: Ordered) -> None:
    """Start what was ordered, and log it."""
    is_new = await _start(instances, ordered)
    state = "started" if is_new else "was there"
    write_line(logging.INFO, name, {"session": ordered.instance, "state": state})


async def _start(instances: Instances, ordered: Ordered) -> bool:
    """Start an instance unless it was there: what orders it may come more than once."""
    if await instances.find(ordered.instance) is not None:
        return False
    try:
        await instances.start(ordered.instance, ordered.order)
    except ConflictError:
        return False
    return True


app = make_app(os.environ)
