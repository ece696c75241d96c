"""What the service says on stderr: one event a line, as JSON for programs or as text for people.

No item names and no secrets are in it: it gets the messages of ``core.errors`` and counts.
"""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from core.errors import ColdhaulError
from proxy.wording import show_text

Field = str | int | float | bool | None | list[str]


def _now() -> datetime:
    return datetime.now(UTC)


class EventLog:
    """Writes events from any thread; once nobody reads them any more it is silent."""

    def __init__(
        self, stream: TextIO, *, is_json: bool, clock: Callable[[], datetime] = _now
    ) -> None:
        """Write to ``stream``."""
        self._stream: TextIO | None = stream
        self._is_json = is_json
        self._clock = clock
        self._lock = threading.Lock()

    def info(self, event: str, **fields: Field) -> None:
        """Log what happened; fields that are None are left out."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        """Log what somebody should look at."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Field) -> None:
        """Log what somebody has to mend."""
        self._write("error", event, fields)

    def refusal(self, event: str, error: ColdhaulError, **fields: Field) -> None:
        """Log an error with all its parts."""
        self.error(
            event,
            **fields,
            category=error.category,
            message=error.message,
            problems=list(error.problems) or None,
            hint=error.hint or None,
        )

    def _write(self, level: str, event: str, fields: dict[str, Field]) -> None:
        time = self._clock().isoformat(timespec="milliseconds")
        known = {key: value for key, value in fields.items() if value is not None}
        if self._is_json:
            line = json.dumps({"time": time, "level": level, "event": event, **known})
        else:
            shown = (f"{key}={_show(value)}" for key, value in known.items())
            line = " ".join((time, level, event, *shown))
        with self._lock:
            if self._stream is None:
                return
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except OSError:
                # Nobody reads: the work goes on.
                self._stream = None


def _show(value: Field) -> str:
    text = show_text("; ".join(value) if isinstance(value, list) else str(value))
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
