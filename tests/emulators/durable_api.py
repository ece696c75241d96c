"""The HTTP API of the Durable Functions extension that its clients in a function app call.

The answers are those of the extension's ``HttpApiHandler``, to start, look at, list, terminate and
purge instances: all that a client of the SDK can ask of it here.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.emulators.task_hub import RUNNING, Instance, TaskHub

_PATH = "/durabletask/"
_CONTINUATION = "x-ms-continuation-token"


class LocalServer(ThreadingHTTPServer):
    """A server on a port of its own, to this machine alone. Callers may vanish: they are killed."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Say nothing of a caller that has gone; all else is a problem of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class DurableApi(LocalServer):
    """Serves a hub."""

    def __init__(self, hub: TaskHub, orchestrators: set[str]) -> None:
        super().__init__(_Handler)
        self.hub = hub
        self.orchestrators = orchestrators
        # As the extension lists, whose pages are of what a table was searched for: they may be
        # empty, and others follow.
        self.page_size = 100

    @property
    def binding(self) -> str:
        """What a function with a durable client is called with."""
        base = f"http://127.0.0.1:{self.server_address[1]}{_PATH}"
        urls = {"id": "INSTANCEID", "statusQueryGetUri": f"{base}instances/INSTANCEID"}
        return json.dumps(
            {
                "taskHubName": "TestHubName",
                "creationUrls": {
                    "createNewInstancePostUri": f"{base}orchestrators/{{functionName}}"
                },
                "managementUrls": urls,
                "rpcBaseUrl": base,
            }
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DurableApi

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401
        pass

    def do_POST(self) -> None:
        """Start an instance or terminate one."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        match self._parts():
            case ["orchestrators", name, instance]:
                self._start(name, instance, body)
            case ["instances", instance, "terminate"]:
                found = self.server.hub.instances.get(instance)
                if found is None:
                    self._answer(404)
                elif self.server.hub.terminate(instance, self._query().get("reason", "")):
                    self._answer(202)
                else:
                    self._answer(410)
            case _:
                self._answer(404)

    def do_GET(self) -> None:
        """Tell of one instance or of many."""
        hub = self.server.hub
        match self._parts():
            case ["instances"] | ["instances", ""]:
                self._list(list(hub.instances.values()))
            case ["instances", instance] if instance in hub.instances:
                one = hub.instances[instance]
                self._answer(202 if one.status in RUNNING else 200, _status(one))
            case _:
                self._answer(404)

    def do_DELETE(self) -> None:
        """Purge an instance, or many."""
        match self._parts():
            case ["instances"] | ["instances", ""]:
                self._purge_many()
            case ["instances", instance] if instance in self.server.hub.instances:
                if self.server.hub.instances[instance].status in RUNNING:
                    self._answer(412, "Only orchestrations in a terminal state can be purged")
                    return
                self.server.hub.purge(instance)
                self._answer(200, {"instancesDeleted": 1})
            case _:
                self._answer(404)

    def _list(self, instances: list[Instance]) -> None:
        wanted = self._query()
        statuses = wanted.get("runtimeStatus", "").split(",")
        prefix = wanted.get("instanceIdPrefix", "")
        first = int(self.headers.get(_CONTINUATION, 0))
        after = first + self.server.page_size
        found = [
            _status(each)
            for each in instances[first:after]
            if each.id.startswith(prefix) and (statuses == [""] or each.status in statuses)
        ]
        self._answer(200, found, {_CONTINUATION: str(after)} if instances[after:] else {})

    def _purge_many(self) -> None:
        """Purge what was made between two moments, of the statuses that are named."""
        wanted = self._query()
        statuses = set(wanted.get("runtimeStatus", "").split(",")) - RUNNING
        if "createdTimeFrom" not in wanted:
            self._answer(400, "Please provide value for 'createdTimeFrom' parameter.")
            return
        first = datetime.fromisoformat(wanted["createdTimeFrom"])
        last = datetime.fromisoformat(wanted.get("createdTimeTo", datetime.now(UTC).isoformat()))
        hub = self.server.hub
        found = [
            each.id
            for each in list(hub.instances.values())
            if first <= each.created <= last and each.status in statuses
        ]
        for instance in found:
            hub.purge(instance)
        self._answer(200 if found else 404, {"instancesDeleted": len(found)} if found else None)

    def _start(self, name: str, instance: str, given: str) -> None:
        if name not in self.server.orchestrators:
            self._refuse(400, "One or more of the arguments submitted is incorrect", name)
        elif self.server.hub.start(name, instance, given):
            self._answer(202, {"id": instance})
        else:
            self._refuse(500, "Something went wrong while processing your request", instance)

    def _refuse(self, status: int, message: str, what: str) -> None:
        told = f"{what} cannot be started"
        self._answer(status, {"Message": message, "ExceptionMessage": told})

    def _parts(self) -> list[str]:
        path = unquote(urlsplit(self.path).path)
        return path.removeprefix(_PATH).split("/")

    def _query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def _answer(
        self, status: int, document: object = None, more: Mapping[str, str] | None = None
    ) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _status(instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": instance.status,
        "input": json.loads(instance.input),
        "customStatus": instance.custom_status,
        "output": instance.output,
        "createdTime": _seconds(instance.created),
        "lastUpdatedTime": _seconds(instance.updated),
    }


def _seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
