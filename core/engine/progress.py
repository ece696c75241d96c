"""How the engine tells whoever watches what it is doing. It never carries item names."""

from typing import Protocol


class Progress(Protocol):
    """Receives what happens; called from several threads. Every method returns at once."""

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        """Begin a phase; the totals are bytes and things, None when unknown."""

    def advance(self, size: int = 0, count: int = 0) -> None:
        """Add what has been done in the current phase since the last call."""

    def note(self, text: str) -> None:
        """Log a line of interest."""

    def warn(self, text: str) -> None:
        """Log a line that somebody should look at."""


class Silent:
    """A progress that nobody watches."""

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        """Take a phase."""

    def advance(self, size: int = 0, count: int = 0) -> None:
        """Take a step."""

    def note(self, text: str) -> None:
        """Take a line."""

    def warn(self, text: str) -> None:
        """Take a warning."""
