"""What a running command shows: a live bar on a terminal, a plain line now and then elsewhere.

Both speak on stderr. ``advance`` is called for every blob from many threads, so it only counts;
the screen is touched a few times a second.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from core.engine.progress import Progress
from proxy.output import Output
from proxy.wording import show_duration, show_rate, show_size, show_text

LIVE_INTERVAL_SECONDS = 0.2
PLAIN_INTERVAL_SECONDS = 10.0
# The rate is of the last moments, not of the whole run: what was slow an hour ago is past.
_RATE_WINDOW_SECONDS = 15.0
# What is watched from afar moves by whole packs, minutes apart: so many moves make a rate.
_RATE_MOVES_MIN = 4
_LINE_WIDTH_MAX = 100


class Meter:
    """One phase: what is done, of how much, how fast, and how long it will still take."""

    def __init__(
        self,
        label: str,
        total_size: int | None,
        total_count: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin at nothing, now."""
        self.label = label
        self.total_size = total_size
        self.total_count = total_count
        self.size = 0
        self.count = 0
        self._clock = clock
        self.begun = clock()
        self._seen = [(self.begun, 0, 0)]

    def sample(self) -> None:
        """Remember how far things are, for the rate."""
        now, done = self._clock(), (self.size, self.count)
        if len(self._seen) > 1 and self._seen[-1][1:] == self._seen[-2][1:] == done:
            # A pause is its beginning and its end, however long it is looked at.
            self._seen.pop()
        self._seen.append((now, *done))
        while self._is_first_past(now):
            self._seen.pop(0)

    def _is_first_past(self, now: float) -> bool:
        """Say whether the rate does well without the oldest sample."""
        if len(self._seen) <= 2 or self._seen[1][0] >= now - _RATE_WINDOW_SECONDS:
            return False
        return len({sample[1:] for sample in self._seen[1:]}) > _RATE_MOVES_MIN

    @property
    def fraction(self) -> float | None:
        """The part that is done, by bytes where their total is known; None when it is not."""
        if self.total_size:
            return min(1.0, self.size / self.total_size)
        if self.total_count:
            return min(1.0, self.count / self.total_count)
        return None

    @property
    def _speed(self) -> tuple[float, float]:
        """Bytes and things a second of late."""
        begun, size, count = self._seen[0]
        seconds = self._seen[-1][0] - begun
        if seconds <= 0:
            return 0.0, 0.0
        return (self._seen[-1][1] - size) / seconds, (self._seen[-1][2] - count) / seconds

    @property
    def seconds_left(self) -> float | None:
        """The time left at the speed of late; None when nothing can be said."""
        by_size, by_count = self._speed
        if self.total_size:
            return (self.total_size - self.size) / by_size if by_size > 0 else None
        if self.total_count:
            return (self.total_count - self.count) / by_count if by_count > 0 else None
        return None

    def describe(self, *, is_short: bool = False) -> str:
        """Write all of it but the label on one line; in short without counts beside bytes."""
        parts = [self._amount(is_short=is_short)]
        by_size, by_count = self._speed
        if by_size > 0:
            parts.append(show_rate(by_size, 1))
        elif by_count > 0:
            parts.append(f"{by_count:,.0f}/s")
        left = self.seconds_left
        if left is not None and left > 0 and self.fraction != 1.0:
            parts.append(f"{show_duration(left)} left")
        return ", ".join(part for part in parts if part)

    def _amount(self, *, is_short: bool) -> str:
        texts = []
        if (self.count or self.total_count) and not (is_short and self.total_size):
            of = f" of {self.total_count:,}" if self.total_count else ""
            texts.append(f"{self.count:,}{of}")
        if self.size or self.total_size:
            of = f" of {show_size(self.total_size)}" if self.total_size else ""
            texts.append(f"{show_size(self.size)}{of}")
        if self.fraction is not None:
            texts.append(f"{self.fraction:.0%}")
        return ", ".join(texts)

    def summarize(self) -> str:
        """Write what the phase did once it is over."""
        seconds = self._clock() - self.begun
        count = f"{self.count:,} done" if self.count else ""
        amount = ", ".join(filter(None, (count, show_size(self.size) if self.size else "")))
        amount = amount or "done"
        rate = show_rate(self.size, seconds)
        words = (amount, f"in {show_duration(seconds)}", f"({rate})" if rate else "")
        return " ".join(filter(None, words))


class _Shown:
    """What both ways of showing share: counting under a lock, and phases that end."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._meter: Meter | None = None

    def start(self, label: str, total_size: int | None, total_count: int | None) -> None:
        """Begin a phase and end the one before."""
        self.finish()
        with self._lock:
            self._meter = Meter(label, total_size, total_count)
        self._begun(self._meter)

    def advance(self, size: int = 0, count: int = 0) -> None:
        """Count."""
        with self._lock:
            if self._meter is not None:
                self._meter.size += size
                self._meter.count += count

    def note(self, text: str) -> None:
        """Say a line of interest."""
        self._output.say(text)

    def warn(self, text: str) -> None:
        """Say a line that somebody should look at."""
        self._output.warn(text)

    def finish(self) -> None:
        """End the current phase with one line about it."""
        with self._lock:
            meter, self._meter = self._meter, None
        if meter is not None:
            self._output.say(f"{meter.label}: {meter.summarize()}")

    def _begun(self, meter: Meter) -> None:
        """Take note of a new phase."""


class PlainProgress(_Shown):
    """Writes lines: at the beginning and end of a phase, and every few seconds between."""

    def __init__(self, output: Output, interval_seconds: float = PLAIN_INTERVAL_SECONDS) -> None:
        """Say a line each ``interval_seconds`` at most."""
        super().__init__(output)
        self._interval = interval_seconds
        self._due = time.monotonic() + interval_seconds

    def _begun(self, meter: Meter) -> None:
        self._due = time.monotonic() + self._interval

    def advance(self, size: int = 0, count: int = 0) -> None:
        """Count, and say a line when it is time."""
        line = ""
        with self._lock:
            if self._meter is None:
                return
            self._meter.size += size
            self._meter.count += count
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + self._interval
                self._meter.sample()
                line = f"{self._meter.label}: {self._meter.describe() or 'under way'}"
        if line:
            self._output.say(line)


class LiveProgress(_Shown):
    """Keeps one line at the bottom of the terminal up to date; other lines scroll above it."""

    def __rich__(self) -> Table | Text:
        """Draw the current phase; called by the thread that refreshes the screen."""
        with self._lock:
            if self._meter is None:
                return Text("")
            self._meter.sample()
            label, fraction = self._meter.label, self._meter.fraction
            described = self._meter.describe(is_short=True)
        # The bar takes what the words leave of a line.
        line = Table.grid(padding=(0, 1), expand=True)
        line.width = min(self._output.errors.width, _LINE_WIDTH_MAX)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        is_known = fraction is not None
        bar = ProgressBar(
            total=1.0 if is_known else None, completed=fraction or 0.0, pulse=not is_known
        )
        line.add_row(Text(show_text(label), style="bold"), bar, Text(described))
        return line


def _is_live(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal and sys.stderr.isatty()


@contextmanager
def shown_progress(output: Output) -> Iterator[Progress]:
    """Lend a progress that suits stderr, and leave the screen in order afterwards."""
    if not _is_live(output.errors):
        plain = PlainProgress(output)
        yield plain
        plain.finish()
        return
    live = LiveProgress(output)
    rate = 1 / LIVE_INTERVAL_SECONDS
    with Live(live, console=output.errors, refresh_per_second=rate, transient=True):
        yield live
        live.finish()
