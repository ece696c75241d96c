"""The lines of an attempt: kept up to a bound, and passed on all the same."""

import pytest

from core.engine.attempt_log import Log
from core.engine.progress import Silent


class Heard(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(text)


def test_a_log_is_bounded_and_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.attempt_log._LINES_MAX", 2)
    heard = Heard()
    log = Log(heard)
    log.note("one")
    log.warn("two")
    log.note("three")
    assert [line.split(" ", 1)[1] for line in log.lines] == ["one", "warning: two"]
    assert heard.lines == ["one", "two", "three"]
