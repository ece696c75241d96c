"""The instances of the session's orchestrator, as the Durable client of a function sees them.

This is the edge to that client: whatever it raises becomes an error of ours here.
"""

import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from azure.durable_functions import DurableOrchestrationClient, OrchestrationRuntimeStatus
from azure.durable_functions.models.DurableOrchestrationStatus import DurableOrchestrationStatus
from azure.durable_functions.models.RpcManagementOptions import RpcManagementOptions
from azure.durable_functions.models.utils import http_utils

from appliance_azure.failures import read_failure
from appliance_azure.groups import IS_ENDING, attempt_of, session_instance
from core.errors import ConflictError, StoreError

SESSION = "session"
Result = TypeVar("Result")

_RUNNING = (
    OrchestrationRuntimeStatus.Running,
    OrchestrationRuntimeStatus.Pending,
    OrchestrationRuntimeStatus.ContinuedAsNew,
    OrchestrationRuntimeStatus.Suspended,
)
_STOPPED = (OrchestrationRuntimeStatus.Terminated, OrchestrationRuntimeStatus.Canceled)
_ENDED = [each for each in OrchestrationRuntimeStatus if each not in _RUNNING]
_CONTINUATION = "x-ms-continuation-token"
# Before any instance was made; the hub asks for a moment to begin with.
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One attempt at a session. ``order`` is what it was started with.

    ``error`` and ``cause`` are what it failed with, class and message, where it said so itself.
    """

    id: str
    name: str
    standing: str
    order: Mapping[str, Any] = field(default_factory=dict)
    started: datetime
    ended: datetime | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    cause: str = ""

    @property
    def is_running(self) -> bool:
        """Whether anything of it may be called yet."""
        return self.standing == "running"

    @property
    def attempt(self) -> int:
        """Its number; what an event or the timer ordered is the first of its session."""
        number = self.order.get("attempt", 1)
        return number if isinstance(number, int) else 1


class Instances:
    """What is asked of the task hub."""

    def __init__(self, client: DurableOrchestrationClient) -> None:
        """Ask nothing yet."""
        self._client = client

    async def find(self, instance: str) -> Instance | None:
        """Return the newest attempt of an id, None if there was none."""
        asked = self._client.get_status(instance, show_input=True)
        return read_status(await _ask("look at the instance", instance, asked))

    async def is_over(self, instance: str) -> bool:
        """Say whether an instance has ended or failed, or the attempt that began it.

        One that nothing is known of has not: the hub sends out an instance's first calls before it
        writes the first status of the instance; what is there until then may be of one that had
        this id before the session was forgotten. An attempt may begin instances after it was
        ordered to end, and those end by this alone, as do those of one that the hub itself has
        ended: whatever has taken its place by now. One that failed ends once all its calls have.
        """
        session = await self.find(session_instance(instance))
        if session is not None and (_is_ending(session) or _is_newer(session, instance)):
            return True
        own = await self.find(instance)
        if own is None or (session is not None and own.started < session.started):
            return False
        return _is_ending(own)

    async def running(self) -> list[Instance]:
        """Return all attempts at sessions that run."""
        statuses = await self._list(None)
        found = [read_status(status) for status in statuses]
        ids = [each.id for each in found if each is not None and each.name == SESSION]
        # A list may come without what each was started with.
        looked = [await self.find(each) for each in ids]
        return [each for each in looked if each is not None and each.is_running]

    async def start(self, instance: str, order: Mapping[str, Any]) -> None:
        """Start an attempt; ``ConflictError`` while another one of this id runs."""
        await self.refuse_running(instance)
        asked = self._client.start_new(SESSION, instance, dict(order))
        try:
            await _ask("start the instance", instance, asked)
        except StoreError:
            # Two may start at once: the hub takes one of them, and refuses the other in no
            # particular way.
            await self.refuse_running(instance)
            raise

    async def refuse_running(self, instance: str) -> None:
        """Raise ``ConflictError`` if an attempt of this id runs."""
        found = await self.find(instance)
        if found is not None and found.is_running:
            raise ConflictError(f"attempt {found.attempt} at the session {instance} runs")

    async def terminate(self, instance: str, why: str) -> None:
        """End an attempt, and all that it started of its own; one that is over stays as it is."""
        await _ask("end the instance", instance, self._client.terminate(instance, why))
        # What an instance waits for does not end with it.
        for status in await self._list(instance):
            if status.instance_id != instance:
                ended = self._client.terminate(status.instance_id, why)
                await _ask("end the instance", status.instance_id, ended)

    async def forget(self, before: datetime) -> int:
        """Have the hub forget all that has ended of what was begun before a moment; count it."""
        asked = self._client.purge_instance_history_by(_EARLIEST, before, _ENDED)
        found = await _ask("forget the instances", f"begun before {before:%Y-%m-%d}", asked)
        return int(found.instances_deleted)

    async def _list(self, prefix: str | None) -> list[DurableOrchestrationStatus]:
        """Return the statuses of all that run, by their ids' prefix."""
        options = RpcManagementOptions(runtime_status=list(_RUNNING), instance_id_prefix=prefix)
        url = options.to_url(self._client._orchestration_bindings.rpc_base_url)
        return await _ask("list the instances", "that run", _read_pages(url))


async def _read_pages(url: str) -> list[DurableOrchestrationStatus]:
    """Read a list to its end, of which the client of the SDK reads the first page alone.

    A page is what one search of the hub's table has come to: it may be empty, and others follow.
    """
    found: list[DurableOrchestrationStatus] = []
    headers: dict[str, str] = {}
    session = await http_utils._get_session()
    while True:
        async with session.get(url, headers=headers, raise_for_status=True) as answer:
            found += map(DurableOrchestrationStatus.from_json, await answer.json())
            token = answer.headers.get(_CONTINUATION)
        if not token:
            return found
        headers = {_CONTINUATION: token}


async def _ask(doing: str, what: str, asked: Awaitable[Result]) -> Result:
    try:
        return await asked
    except Exception as error:  # noqa: BLE001  # The client raises nothing narrower.
        # Its text is the host's whole answer, which may hold anything.
        raise StoreError(
            f"cannot {doing} {what}: Durable Functions refused or failed ({type(error).__name__})",
            hint="The log of the function app says more. It is worth another try.",
        ) from None


def read_status(status: Any) -> Instance | None:  # noqa: ANN401  # Its class has no types.
    """Return what a status says; None for the one that says that there is no instance."""
    if not status:
        return None
    standing = _standing(status.runtime_status)
    error, cause = read_failure(_text(status.output)) if standing == "failed" else ("", "")
    return Instance(
        id=str(status.instance_id),
        name=str(status.name),
        standing=standing,
        order=_mapping(_json(status.input_)),
        started=status.created_time,
        ended=None if standing == "running" else status.last_updated_time,
        counts=_mapping(_json(status.custom_status)),
        error=error,
        cause=cause,
    )


def _is_ending(found: Instance) -> bool:
    """Say whether no call of an instance that has not begun is wanted any more."""
    return not found.is_running or bool(found.counts.get(IS_ENDING))


def _is_newer(found: Instance, instance: str) -> bool:
    """Say whether an attempt is another than the one that began a group's instance."""
    attempt = attempt_of(instance)
    is_known = found.name == SESSION and bool(found.order)
    return is_known and attempt is not None and attempt != found.attempt


def _standing(runtime: OrchestrationRuntimeStatus | None) -> str:
    """Return one of the proxy's words."""
    if runtime in _RUNNING:
        return "running"
    if runtime in _STOPPED:
        return "aborted"
    return "succeeded" if runtime is OrchestrationRuntimeStatus.Completed else "failed"


def _text(output: object) -> str:
    return output if isinstance(output, str) else json.dumps(output)


def _json(value: Any) -> Any:  # noqa: ANN401  # JSON.
    """Return a value that has crossed once or twice as a text of JSON."""
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value)
        except ValueError:
            break
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def ids_of(instances: Sequence[Instance], job: str) -> list[str]:
    """Return the ids of those that an event or the timer ordered for a job."""
    return [each.id for each in instances if each.order.get("job") == job]
