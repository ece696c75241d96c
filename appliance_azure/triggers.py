"""The orders of events and of the timer: what starts a session where no proxy does.

An order names the job, and has an id and a moment by which it is the same however often it comes:
from them follows the id of the session that it claims, and its instance has that id as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.engine.steps import session_id_of
from core.format import names
from core.ids import JobId
from core.stores.address import parse_address

_CREATED = "Microsoft.Storage.BlobCreated"
_CONTAINERS = "/blobServices/default/containers/"
_BLOBS = "/blobs/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An instance to start, and its order."""

    instance: str
    order: Mapping[str, Any]


def order_of(job: JobId, execution: str, started: str) -> Ordered:
    """Return the order for whatever a job copies now."""
    order = {"job": job, "execution": execution, "started": started}
    return Ordered(instance=session_id_of(execution, started), order=order)


def event_order(job: JobId, event_id: str, moment: datetime) -> Ordered:
    """Return the order of an event, which may be delivered more than once."""
    return order_of(job, f"event {event_id}", moment.isoformat())


def timer_order(job: JobId, moment: datetime) -> Ordered:
    """Return the order of a tick of the timer."""
    started = moment.isoformat()
    return order_of(job, f"timer {started}", started)


def is_record(source_url: str, event_type: str, subject: str) -> bool:
    """Say whether an event tells of a new restore point of the source."""
    address = parse_address(source_url)
    container, found, name = subject.removeprefix(_CONTAINERS).partition(_BLOBS)
    prefix = f"{address.prefix}/" if address.prefix else ""
    is_ours = found and container == address.container and name.startswith(prefix)
    return bool(event_type == _CREATED and is_ours and names.is_record(name.removeprefix(prefix)))
