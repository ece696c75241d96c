"""The lines of one attempt at a session, kept for its report while they are passed on."""

import threading

from core import ids
from core.engine.progress import Progress
from core.engine.session import system_clock

_LINES_MAX = 10_000


class Log:
    """Passes progress on and keeps its lines for the session's report."""

    def __init__(self, progress: Progress) -> None:
        """Keep nothing yet."""
        self._progress = progress
        self._lock = threading.Lock()
        self.lines: list[str] = []

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        """Begin a phase."""
        self._keep(label)
        self._progress.start(label, total_size, total_count)

    def advance(self, size: int = 0, count: int = 0) -> None:
        """Pass on what was done."""
        self._progress.advance(size, count)

    def note(self, text: str) -> None:
        """Log a line."""
        self._keep(text)
        self._progress.note(text)

    def warn(self, text: str) -> None:
        """Log a warning."""
        self._keep(f"warning: {text}")
        self._progress.warn(text)

    def _keep(self, text: str) -> None:
        with self._lock:
            if len(self.lines) < _LINES_MAX:
                self.lines.append(f"{ids.format_time(system_clock())} {text}")
