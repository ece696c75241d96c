"""The service in a thread of this process, as a test watches it."""

import io
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from proxy.invocation import Invocation
from proxy.service.event_log import EventLog
from proxy.service.service import Service
from proxy.service.signals import Orders
from tests.cli.place import Place
from tests.support.waiting import wait_until


class Running:
    """A service in a thread; ``stream`` has its log, in JSON."""

    def __init__(self, place: Place) -> None:
        """Start nothing yet."""
        self.stream, self.orders = io.StringIO(), Orders()
        invocation = Invocation(config_path=place.config, is_json=False)
        self.service = Service(invocation, EventLog(self.stream, is_json=True))
        self.thread = threading.Thread(target=self.service.run, args=(self.orders,))

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return all events of a name so far."""
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    def wait(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so, which has to be in time."""
        wait_until(is_so, self.stream.getvalue)

    def job(self, name: str) -> dict[str, Any]:
        """Return what its health says of a job."""
        (found,) = [job for job in self.service.health()["jobs"] if job["name"] == name]
        return dict(found)


@contextmanager
def running(place: Place) -> Iterator[Running]:
    """Lend a running service; it is stopped as by SIGTERM."""
    service = Running(place)
    service.thread.start()
    try:
        yield service
    finally:
        service.orders.stop.signal = signal.SIGTERM
        service.thread.join(60)
        assert not service.thread.is_alive()
