"""Telling people how sessions end: what is told, and the thread that sends it.

What cannot be sent is logged and counted, and fails nothing.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from core import limits
from core.engine.run import SessionOutcome
from core.errors import ColdhaulError
from core.plan.placement import is_fallback
from proxy.service.event_log import EventLog
from proxy.service.mail import send_mail
from proxy.service.metrics import Metrics
from proxy.service.webhook import send_hook
from proxy.service_tables import ERROR, NotifyKind, NotifyTable

_NOTHING_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """How a run of a job ended. Counts and sizes, and no names of items."""

    proxy: str
    job: str
    time: str
    status: str
    reasons: tuple[str, ...]
    session: str = ""
    source_point: str = ""
    restore_point: str = ""
    damaged_item_count: int = 0
    blob_count: int = 0
    pack_count: int = 0
    content_size: int = 0
    stored_size: int = 0
    seconds: float = 0.0
    # Whoever is told at all is told of this, whatever statuses were chosen.
    is_urgent: bool = False

    def document(self) -> dict[str, object]:
        """Write it as a JSON object."""
        return {key: value for key, value in asdict(self).items() if key != "is_urgent"}


def outcome_notice(proxy: str, job: str, time: str, outcome: SessionOutcome, why: str) -> Notice:
    """Make the notice of a run that came to an end; ``why`` says why it ran where it did.

    A fallback is told whatever its status is: its appliance is broken, and content costs egress.
    """
    report, record, moved = outcome.report, outcome.record, outcome.transfer
    reasons = report.reasons if report else record.warnings if record else ()
    fell_back = is_fallback(why)
    return Notice(
        proxy=proxy,
        job=job,
        time=time,
        status=outcome.status.value,
        reasons=(why, *reasons) if fell_back else reasons,
        session=outcome.session_id,
        source_point=outcome.source_point,
        restore_point=record.id if record else "",
        damaged_item_count=len(report.items) if report else record.damaged_count if record else 0,
        blob_count=moved.blob_count,
        pack_count=moved.pack_count,
        content_size=moved.content_size,
        stored_size=moved.stored_size,
        seconds=round(outcome.seconds, 3),
        is_urgent=fell_back,
    )


def error_notice(proxy: str, job: str, time: str, error: ColdhaulError, session: str) -> Notice:
    """Make the notice of a look or a run that ended in an error."""
    parts = (error.message, *error.problems, error.hint)
    return Notice(
        proxy=proxy,
        job=job,
        time=time,
        status=ERROR,
        reasons=tuple(part for part in parts if part),
        session=session,
        is_urgent=error.category == "integrity",
    )


class Notifier:
    """Sends notices from a thread of its own, one at a time."""

    def __init__(self, log: EventLog, metrics: Metrics) -> None:
        """Start with nothing to send."""
        self._log = log
        self._metrics = metrics
        self._waiting: queue.Queue[tuple[str, NotifyTable, Notice]] = queue.Queue(
            limits.NOTICE_QUEUE_MAX
        )
        self._sending: tuple[str, Notice] | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def tell(self, receivers: Mapping[str, NotifyTable], notice: Notice) -> None:
        """Have a notice sent to those who chose its status."""
        for name, table in receivers.items():
            if notice.status in table.on or notice.is_urgent:
                self._put(name, table, notice)

    def _put(self, name: str, table: NotifyTable, notice: Notice) -> None:
        try:
            self._waiting.put_nowait((name, table, notice))
        except queue.Full:
            self._lose(name, notice, "too many notices wait")

    def close(self) -> None:
        """Send what is waiting, for a while, and end."""
        deadline = time.monotonic() + limits.NOTICE_DRAIN_SECONDS
        while self._waiting.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(_NOTHING_SECONDS / 4)
        self._is_over.set()
        self._thread.join(_NOTHING_SECONDS * 2)
        while not self._waiting.empty():
            name, _, notice = self._waiting.get_nowait()
            self._lose(name, notice, "the service ends")
        # Taken once: it may be done at this moment.
        sending = self._sending
        if sending is not None:
            self._lose(*sending, "the service ends while it is being sent")

    def _work(self) -> None:
        while not self._is_over.is_set():
            try:
                name, table, notice = self._waiting.get(timeout=_NOTHING_SECONDS)
            except queue.Empty:
                continue
            self._sending = (name, notice)
            self._send(name, table, notice)
            self._sending = None
            self._waiting.task_done()

    def _send(self, name: str, table: NotifyTable, notice: Notice) -> None:
        send: Callable[[str, NotifyTable, dict[str, object]], None]
        send = send_hook if table.kind == NotifyKind.WEBHOOK else send_mail
        try:
            send(name, table, notice.document())
        except ColdhaulError as error:
            self._lose(name, notice, error.message)
        # The thread's entry point: no notice may end it, or nobody is told anything again.
        except Exception as bug:  # noqa: BLE001
            # Its text may repeat a secret.
            self._lose(name, notice, f"this is a bug in coldhaul: {type(bug).__name__}")
        else:
            self._metrics.notices.labels(name, "sent").inc()

    def _lose(self, name: str, notice: Notice, why: str) -> None:
        self._metrics.notices.labels(name, "lost").inc()
        self._log.warning(
            "notice lost",
            notify=name,
            job=notice.job,
            session=notice.session or None,
            status=notice.status,
            message=why,
        )
