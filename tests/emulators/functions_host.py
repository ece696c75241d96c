"""A host of Azure Functions: a packaged app in real workers, HTTP and triggers in front of them.

Microsoft's own is not in any package that can be pinned, so this one does what an app can see of
it: routes behind App Service authentication, the task hub of Durable Functions, events and ticks of
the timer. Workers are processes of Microsoft's own library (``functions_worker``).
"""

import base64
import contextlib
import json
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.emulators.durable_api import DurableApi, LocalServer
from tests.emulators.functions_worker import Function, FunctionsWorker, WorkerLostError
from tests.emulators.task_hub import TaskHub

# Headers of App Service authentication, which nobody outside can set.
_PRINCIPAL = "x-ms-client-principal"
_START_SECONDS_MAX = 120
_HTTP_SECONDS_MAX = 230
# What a process needs of ours; everything else an app has from its settings.
_KEPT = ("PATH", "HOME", "LANG", "TZ")


class FunctionsHost:
    """Runs an app while it is entered.

    ``settings`` are the app's settings. ``sign_in`` says who shows a token, None for nobody who is
    let in; without it authentication is switched off. ``worker_count`` is how many instances the
    app has, each with one activity at a time.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        sign_in: Callable[[str], str | None] | None,
        worker_count: int = 1,
        timer_seconds_max: float = 1.0,
    ) -> None:
        self._folder = folder
        self._settings = dict(settings)
        self._sign_in = sign_in
        self._host = json.loads((folder / "host.json").read_text())
        self._own = Path(tempfile.mkdtemp(prefix="functions-"))
        self._log = self._own / "log"
        self._log.touch()
        self._end = contextlib.ExitStack()
        self._starting = threading.RLock()
        self._is_closing = False
        self._workers: list[FunctionsWorker] = []
        self._worker_count = worker_count
        self._timer_seconds_max = timer_seconds_max
        self.functions: dict[str, Function] = {}
        self.hub: TaskHub
        self.url = ""

    def __enter__(self) -> Self:
        self._end.callback(shutil.rmtree, self._own, ignore_errors=True)
        self._end.callback(self._close_workers)
        try:
            self._start_workers()
            self.hub = TaskHub(
                self._call_durable,
                self.restart,
                place_count=self._worker_count,
                timer_seconds_max=self._timer_seconds_max,
            )
            self._end.callback(self.hub.close)
            # Before the hub is closed: what it waits for ends with the workers.
            self._end.callback(self._stop)
            self._api = DurableApi(self.hub, self._named("orchestrationTrigger"))
            self._serve(self._api)
            front = _Front(self)
            self._serve(front)
            self.url = f"http://127.0.0.1:{front.server_address[1]}"
        except BaseException:
            self._end.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    # --- What a test does with it ----------------------------------------------------------------

    def restart(self) -> None:
        """Take all workers away, whatever they are doing, and have others in their place."""
        with self._starting:
            self._close_workers()
            self._start_workers()

    def kill(self) -> None:
        """Kill all workers in the middle of what they do, as if they had died of it."""
        for worker in self._workers:
            worker.crash()

    @contextlib.contextmanager
    def limited(self, seconds: int) -> Iterator[None]:
        """Give functions no more time than this."""
        kept = self._host["functionTimeout"]
        self._host["functionTimeout"] = f"00:00:{seconds:02}"
        try:
            yield
        finally:
            self._host["functionTimeout"] = kept

    def configure(self, **settings: str) -> None:
        """Change settings of the app, which restarts it, as in Azure; an empty one is removed."""
        with self._starting:
            self._settings |= settings
            self._settings = {name: value for name, value in self._settings.items() if value}
            self.restart()

    def deliver(self, event: Mapping[str, object]) -> None:
        """Hand an event of Event Grid in; an error of the function comes through."""
        (name,) = self._named("eventGridTrigger")
        self._trigger(name, json.dumps(event))

    def tick(self, name: str) -> None:
        """Let the moment of a timer come."""
        self._trigger(name, json.dumps({"IsPastDue": False}))

    def logged(self) -> list[dict[str, Any]]:
        """Return what the workers have logged: level, logger and message of each line."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def printed(self) -> str:
        """Return all that the workers have written."""
        return self._log.read_text(errors="replace")

    # --- Calls -----------------------------------------------------------------------------------

    def call(self, name: str, inputs: dict[str, object], seconds: float, place: int = 0) -> Any:  # noqa: ANN401
        """Call a function in the worker of a place; one that has died is started anew."""
        with self._starting:
            if self._is_closing:
                raise WorkerLostError(name)
            worker = self._workers[place]
            if not worker.is_alive:
                worker.close()
                worker = self._workers[place] = self._start_worker()
        function = self.functions[name]
        for parameter in function.named("durableClient"):
            inputs[parameter] = {"string": self._api.binding}
        return worker.call(name, inputs, seconds)

    def _call_durable(self, name: str, given: str, place: int) -> Any:  # noqa: ANN401
        parameter = self.functions[name].trigger["name"]
        return self.call(name, {parameter: {"json": given}}, self._function_seconds, place)

    def _trigger(self, name: str, given: str) -> None:
        parameter = self.functions[name].trigger["name"]
        self.call(name, {parameter: {"json": given}}, self._function_seconds)

    @property
    def _function_seconds(self) -> float:
        hours, minutes, seconds = map(int, self._host["functionTimeout"].split(":"))
        return float(hours * 3600 + minutes * 60 + seconds)

    def _named(self, kind: str) -> set[str]:
        return {name for name, each in self.functions.items() if each.trigger["type"] == kind}

    def _start_workers(self) -> None:
        self._workers = []

        def start(_: int) -> None:
            self._workers.append(self._start_worker())

        with ThreadPoolExecutor(self._worker_count) as pool:
            list(pool.map(start, range(self._worker_count)))
        self.functions = self._workers[0].functions

    def _start_worker(self) -> FunctionsWorker:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        temporary = self._own / f"tmp-{uuid.uuid4().hex[:8]}"
        temporary.mkdir()
        # Beside the package, not in it: it is kept, and what is deployed has none.
        kept["PYTHONPYCACHEPREFIX"] = str(self._folder.with_suffix(".bytecode"))
        environment = {**kept, "TMPDIR": str(temporary), **self._settings}
        worker = FunctionsWorker(self._folder, environment, self._log)
        worker.start(_START_SECONDS_MAX)
        return worker

    def _stop(self) -> None:
        self._is_closing = True
        self._close_workers()

    def _close_workers(self) -> None:
        for worker in self._workers:
            worker.close()

    def _serve(self, server: LocalServer) -> None:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self._end.callback(thread.join)
        self._end.callback(server.server_close)
        self._end.callback(server.shutdown)

    # --- What comes over HTTP ---------------------------------------------------------------------

    def authenticate(self, authorization: str) -> dict[str, str] | None:
        """Return the headers of who shows a token that is known; None: nobody is let in."""
        if self._sign_in is None:
            return {}
        kind, _, token = authorization.partition(" ")
        name = self._sign_in(token) if kind == "Bearer" else None
        if name is None:
            return None
        claims = [{"typ": "name", "val": name}]
        principal = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles"}
        encoded = base64.b64encode(json.dumps(principal).encode()).decode()
        return {
            _PRINCIPAL: encoded, f"{_PRINCIPAL}-name": name, f"{_PRINCIPAL}-idp": "aad",
            f"{_PRINCIPAL}-id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        }  # fmt: skip

    def route(self, method: str, path: str) -> tuple[Function, dict[str, str]] | None:
        """Return the function of a route and what its parameters are."""
        prefix = self._host.get("extensions", {}).get("http", {}).get("routePrefix", "api")
        for function in self.functions.values():
            trigger = function.trigger
            if trigger["type"] != "httpTrigger":
                continue
            found = _match(f"{prefix}/{trigger['route']}", path.strip("/"))
            if found is not None and method in {each.upper() for each in trigger["methods"]}:
                return function, found
        return None

    def answer(self, call: "_Call") -> tuple[int, Mapping[str, str], bytes]:
        """Answer a request as the host does."""
        let_in = self.authenticate(call.headers.get("authorization", ""))
        if let_in is None:
            return 401, {"WWW-Authenticate": "Bearer"}, b""
        found = self.route(call.method, urlsplit(call.url).path)
        if found is None:
            return 404, {}, b""
        function, parts = found
        outside = {n: v for n, v in call.headers.items() if not n.startswith(_PRINCIPAL)}
        http = {
            "method": call.method,
            "url": call.url,
            # Without authentication they are whoever's who sends them.
            "headers": (call.headers if self._sign_in is None else outside) | let_in,
            "query": dict(parse_qsl(urlsplit(call.url).query)),
            "params": parts,
            "body": base64.b64encode(call.body).decode(),
        }
        inputs: dict[str, object] = {function.trigger["name"]: {"http": http}}
        answer = self.call(function.name, inputs, _HTTP_SECONDS_MAX)["http"]
        return answer["status"], answer["headers"], base64.b64decode(answer["body"])


class _Call:
    """A request as it came."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.url = url
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body


class _Front(LocalServer):
    """What the app's address leads to."""

    def __init__(self, host: FunctionsHost) -> None:
        super().__init__(_Handler)
        self.host = host


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Front

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = f"{self.server.host.url}{self.path}"
        try:
            status, headers, content = self.server.host.answer(
                _Call(self.command, url, dict(self.headers.items()), body)
            )
        except Exception:  # noqa: BLE001  # A function that fails is this to whoever called it.
            status, headers, content = 500, {}, b""
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        """Answer as the app does."""
        self._serve()

    def do_POST(self) -> None:
        """Answer as the app does."""
        self._serve()


def _match(route: str, path: str) -> dict[str, str] | None:
    """Return the parameters of a path by its route, like ``sessions/{session}``."""
    wanted, given = route.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    found = {}
    for one, other in zip(wanted, given, strict=True):
        if one.startswith("{"):
            found[one.strip("{}")] = other
        elif one.lower() != other.lower():
            return None
    return found


def created_event(container: str, name: str) -> dict[str, object]:
    """Return the event that Event Grid sends when a blob is created."""
    return {
        "id": str(uuid.uuid4()),
        "topic": "/subscriptions/0/resourceGroups/tests/providers/Microsoft.Storage/accounts/tests",
        "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": datetime.now(UTC).isoformat(),
        "data": {"api": "PutBlob", "blobType": "BlockBlob"},
        "dataVersion": "",
        "metadataVersion": "1",
    }
