"""A run's progress as events and metrics: what a terminal shows of ``job run``."""

import threading
import time
from collections.abc import Callable

from proxy.progress import Meter
from proxy.service.event_log import EventLog
from proxy.service.metrics import Metrics

# Once a minute tells that it goes on, and fills no disk.
_INTERVAL_SECONDS = 60.0


class RunProgress:
    """Receives what the engine tells of one job's run."""

    def __init__(
        self,
        job: str,
        log: EventLog,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch a run of ``job``."""
        self._job = job
        self._log = log
        self._done = metrics.done.labels(job)
        self._planned = metrics.planned.labels(job)
        self._clock = clock
        self._lock = threading.Lock()
        self._meter: Meter | None = None
        self._due = 0.0

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        """Begin a phase and end the one before."""
        self.finish()
        with self._lock:
            self._meter = Meter(label, total_size, total_count, self._clock)
            self._due = self._clock() + _INTERVAL_SECONDS
        self._done.set(0)
        self._planned.set(total_size or 0)

    def advance(self, size: int = 0, count: int = 0) -> None:
        """Count, and say how far it is when it is time."""
        self._done.inc(size)
        with self._lock:
            meter = self._meter
            if meter is None:
                return
            meter.size += size
            meter.count += count
            if self._clock() < self._due:
                return
            self._due = self._clock() + _INTERVAL_SECONDS
            meter.sample()
            described = meter.describe()
        self._log.info("progress", job=self._job, phase=meter.label, done=described)

    def note(self, text: str) -> None:
        """Log a line of interest."""
        self._log.info("note", job=self._job, message=text)

    def warn(self, text: str) -> None:
        """Log a line that somebody should look at."""
        self._log.warning("note", job=self._job, message=text)

    def finish(self) -> None:
        """End the current phase."""
        with self._lock:
            meter, self._meter = self._meter, None
        if meter is not None:
            self._log.info("phase", job=self._job, phase=meter.label, done=meter.summarize())
