"""Restores from an archive that take their time, in front of emulators where they take none.

An order to make an object readable is answered and held back until the test lets it through: so
the emulator itself refuses to read the object until then.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.emulators.faults import Refusal, refusal
from tests.emulators.operations import Kind
from tests.emulators.wire import Request, Response

_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
_DESCRIBING = {"HeadObject", "GetBlobProperties"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A held request, whole."""

    path: str
    data: bytes
    tier: str


class Restores:
    """The orders on their way. ``is_archived`` looks at the emulator itself, past the proxy."""

    def __init__(self, kind: Kind, is_archived: Callable[[str], bool]) -> None:
        self._kind = kind
        self._is_archived = is_archived
        self._lock = threading.Lock()
        self._orders: dict[str, Order] = {}

    @property
    def paths(self) -> list[str]:
        """The paths of the objects on their way."""
        with self._lock:
            return list(self._orders)

    def is_order(self, operation: str, request: Request) -> bool:
        """Say whether a request orders an archived object; others are none of our business."""
        if operation == "SetBlobTier":
            if request.headers.get("x-ms-access-tier", "").lower() == "archive":
                return False
        elif operation != "RestoreObject":
            return False
        return self._is_archived(request.path)

    def order(self, request: Request, body: bytes) -> bytes:
        """Hold an order back and return the vendor's answer to it."""
        tier = request.headers.get("x-ms-access-tier", "")
        with self._lock:
            if request.path in self._orders:
                return self._already().encode(self._kind, request.method)
            self._orders[request.path] = Order(
                path=request.path, data=request.raw + body, tier=tier
            )
        return _ACCEPTED

    def describe(self, operation: str, request: Request, response: Response) -> Response:
        """Add to an object's description that it is on its way."""
        with self._lock:
            order = self._orders.get(request.path)
        if order is None or operation not in _DESCRIBING:
            return response
        if self._kind == "s3":
            return response.with_header("x-amz-restore", 'ongoing-request="true"')
        status = f"rehydrate-pending-to-{order.tier.lower()}"
        return response.with_header("x-ms-archive-status", status)

    def take(self) -> list[Order]:
        """Return all that is held and hold it no longer."""
        with self._lock:
            orders = list(self._orders.values())
            self._orders.clear()
        return orders

    def _already(self) -> Refusal:
        name = "RestoreAlreadyInProgress" if self._kind == "s3" else "BlobBeingRehydrated"
        return refusal(self._kind, name)
