"""Run a function app under Microsoft's own worker library. Run by the Python of the functions.

``start_functions_worker.py FOLDER``. Calls come in as lines of JSON and go out as such; the app's
log is lines of JSON too, on standard error. In Azure all this is protocol buffers over gRPC, whose
classes the library is handed: here they are the plain ones below. It ends with whoever started it.
"""

import asyncio
import base64
import json
import logging
import os
import signal
import sys
import threading
from typing import Any

# The folder of this file holds the tests' modules, whose names the app's may have too.
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.abspath(sys.argv[1])
# As in Azure: what is in the package comes before what the worker has.
sys.path[:0] = [FOLDER, os.path.join(FOLDER, ".python_packages/lib/site-packages")]
os.chdir(FOLDER)


class Message:
    """A message of the protocol: what it was made with; everything else is not set."""

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> None:
        if name.startswith("__") or name[0].isupper():
            raise AttributeError(name)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  # The protocol's name.
        """Return which of its fields is set."""
        return next((name for name, value in self.__dict__.items() if value is not None), None)


class Parameter(Message):
    """A named value that a function is called with."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802
        """Return where the value is."""
        return "data"


class StatusResult(Message):
    """How something ended."""

    Failure = "failure"
    Success = "success"


class BindingInfo(Message):
    """A binding, with the numbers of its directions and types."""

    out, inout, undefined = 1, 2, 0


setattr(BindingInfo, "in", 0)


class Protocol:
    """The classes of the protocol."""

    BindingInfo = BindingInfo
    FunctionLoadResponse = Message
    FunctionMetadataResponse = Message
    InvocationResponse = Message
    ParameterBinding = Parameter
    RpcException = Message
    RpcFunctionMetadata = Message
    RpcHttp = Message
    StatusResult = StatusResult
    TypedData = Message
    WorkerInitResponse = Message
    WorkerMetadata = Message


class LineFormatter(logging.Formatter):
    """Writes a record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def value_of(given: dict[str, Any]) -> Message:
    """Return a value that came as JSON in the protocol's form."""
    if "http" not in given:
        return Message(**given)
    http = given["http"]
    body = Message(bytes=base64.b64decode(http["body"]))
    return Message(http=Message(**{**http, "body": body}))


def plain(value: Message | None) -> object:
    """Return a value of the protocol as JSON."""
    if value is None:
        return None
    http: Any = value.http
    if http is None:
        return value.__dict__
    body = base64.b64encode(http.body.bytes or b"").decode()
    return {"http": {"status": int(http.status_code), "headers": http.headers, "body": body}}


class Worker:
    """Answers calls, any number at once: the library has threads of its own for each."""

    def __init__(self, library: Any, events: Any) -> None:  # noqa: ANN401
        self._library = library
        self._events = events
        self._lock = threading.Lock()

    async def index(self) -> dict[str, Any]:
        """Load the app and return its functions with their bindings, or why it was not loaded."""
        asked = Message(
            request=Message(
                worker_init_request=Message(capabilities={}, function_app_directory=FOLDER)
            ),
            properties={"host": "127.0.0.1", "protos": Protocol},
        )
        loaded = await self._events.worker_init_request(asked)
        if loaded.result.status != StatusResult.Success:
            return {"problem": loaded.result.exception.message}
        self._library.start_threadpool_executor()
        found = await self._events.functions_metadata_request(Message(request=None))
        functions = {
            each.name: {
                "id": each.function_id,
                "bindings": [json.loads(binding) for binding in each.raw_bindings],
            }
            for each in found.function_metadata_results
        }
        return {"functions": functions}

    async def call(self, given: dict[str, Any]) -> None:
        """Make a call and write what came of it."""
        inputs = [
            Parameter(name=name, data=value_of(value)) for name, value in given["inputs"].items()
        ]
        call = Message(
            invocation_id=given["id"],
            function_id=given["function"],
            input_data=inputs,
            trigger_metadata={},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0),
        )
        answer = await self._events.invocation_request(
            Message(request=Message(invocation_request=call))
        )
        is_well = answer.result.status == StatusResult.Success
        self.write(
            {
                "id": given["id"],
                "value": plain(answer.return_value) if is_well else None,
                "error": None if is_well else answer.result.exception.message,
            }
        )

    def write(self, document: dict[str, Any]) -> None:
        """Write a line."""
        with self._lock:
            OUT.write(json.dumps(document).encode() + b"\n")
            OUT.flush()

    def read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take calls until nobody makes them any more; then end at once, whatever is under way."""
        for line in sys.stdin.buffer:
            asyncio.run_coroutine_threadsafe(self.call(json.loads(line)), loop)
        os.killpg(0, signal.SIGKILL)


async def main() -> None:
    """Load the app, say what is in it, and serve calls."""
    # Of the functions' environment, not of ours.
    import azure_functions_runtime as library  # type: ignore[import-not-found]
    from azure_functions_runtime import handle_event as events

    worker = Worker(library, events)
    worker.write(await worker.index())
    loop = asyncio.get_running_loop()
    threading.Thread(target=worker.read, args=(loop,), daemon=True).start()
    await asyncio.Event().wait()


# Whatever the app prints is not an answer.
OUT = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
handler = logging.StreamHandler(sys.stderr)
handler.setFormatter(LineFormatter())
logging.basicConfig(level=logging.INFO, handlers=[handler])
asyncio.run(main())
