"""Requests that fail for a moment are tried again, and a store that asks for less gets less.

A store's edge turns what the vendor's library raises into the errors of ``core.errors``. A failure
that another try may mend it raises as a ``TransientError``; a ``Pacer`` answers that with a new
try after a random wait, with fewer requests at once, or with new credentials. Every other error
passes through at once.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from types import TracebackType
from typing import TypeVar

from core.errors import ConflictError, StoreError
from core.limits import (
    BANDWIDTH_BURST_SECONDS,
    STOP_CHECK_SECONDS,
    STORE_CONCURRENCY_MAX,
    STORE_DELAY_SECONDS_MAX,
    STORE_DELAY_SECONDS_MIN,
    STORE_FIRST_TRIES_MAX,
    STORE_TRIES_MAX,
    STORE_TRYING_SECONDS_MAX,
)

Result = TypeVar("Result")


class Reaction(Enum):
    """What to do before the next try."""

    WAIT = auto()
    """The store failed or the connection did."""
    SLOW_DOWN = auto()
    """The store is there and asks for fewer requests: 503, 429."""
    REFRESH = auto()
    """The credentials have expired: fetch them anew, once."""


class TransientError(StoreError):
    """A failure that another try may mend. It never leaves a ``Pacer``."""

    def __init__(  # noqa: PLR0913  The parts of every error, and two more.
        self,
        message: str,
        *,
        hint: str = "",
        problems: Sequence[str] = (),
        items: Sequence[str] = (),
        reaction: Reaction = Reaction.WAIT,
        tries_max: int = STORE_TRIES_MAX,
    ) -> None:
        """Keep the reaction, and how often it makes sense to try, beside the error's parts."""
        super().__init__(message, hint=hint, problems=problems, items=items)
        self.reaction = reaction
        self.tries_max = tries_max


def never() -> bool:
    """Say that nobody asks to end."""
    return False


def draw_delay(tries: int, chance: float) -> float:
    """Return how long to wait after so many tries: full jitter, ``chance`` is in [0, 1)."""
    return chance * min(STORE_DELAY_SECONDS_MAX, STORE_DELAY_SECONDS_MIN * 2.0**tries)


def is_given_up(tries: int, seconds: float, tries_max: int = STORE_TRIES_MAX) -> bool:
    """Say whether a request that failed so often and took so long, next wait included, is over."""
    return tries >= tries_max or seconds > STORE_TRYING_SECONDS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How many requests may be under way at once: additive increase, multiplicative decrease."""

    size: float
    ceiling: int
    halved_at: float = float("-inf")

    def grown(self) -> "Window":
        """Return the window after a success: one more after a whole window of them."""
        if self.size >= self.ceiling:
            return self
        return replace(self, size=min(self.ceiling, self.size + 1 / self.size))

    def shrunk(self, begun: float, now: float, running: int) -> "Window":
        """Return the window after one of ``running`` requests was refused for load.

        It halves what was really under way. All that began before it was last halved speak of the
        same moment as the request then: they count once.
        """
        if begun <= self.halved_at:
            return self
        return replace(self, size=max(1.0, min(self.size, running) / 2), halved_at=now)


class Gate:
    """Lets as many threads through at once as its window says."""

    def __init__(self, ceiling: int) -> None:
        """Begin wide open."""
        self._free = threading.Condition(threading.Lock())
        self._running = 0
        self._waiting = 0
        self.window = Window(size=ceiling, ceiling=ceiling)

    def __enter__(self) -> None:
        """Wait for a place and take it."""
        with self._free:
            while self._running >= int(self.window.size):
                self._waiting += 1
                self._free.wait()
                self._waiting -= 1
            self._running += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the place back; a success widens the window."""
        with self._free:
            self._running -= 1
            if kind is None:
                self.window = self.window.grown()
            if self._waiting:
                self._free.notify(max(1, int(self.window.size) - self._running))

    def slow_down(self, begun: float, now: float) -> None:
        """Narrow the window after a request that began at ``begun`` and has left the gate."""
        with self._free:
            self.window = self.window.shrunk(begun, now, self._running + 1)


class Pacer:
    """Runs the requests of one store, of all its threads. Belongs to one process.

    ``refresh`` fetches the credentials anew. ``retry_count`` and ``throttle_count`` only grow.
    Once ``stop`` says that the work is to end, nobody sleeps any more and few tries are left.
    """

    def __init__(
        self,
        *,
        refresh: Callable[[], None] | None = None,
        concurrency_max: int = STORE_CONCURRENCY_MAX,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Begin without any doubt about the store."""
        self._refresh = refresh
        self._gate = Gate(concurrency_max)
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._counting = threading.Lock()
        self.stop: Callable[[], bool] = never
        self.retry_count = 0
        self.throttle_count = 0

    @property
    def concurrency(self) -> int:
        """How many requests may be under way at once now."""
        return int(self._gate.window.size)

    def run(self, attempt: Callable[[], Result]) -> Result:
        """Return what ``attempt`` returns, trying it again while it raises ``TransientError``.

        ``attempt`` makes its requests itself and calls no method of this pacer.
        """
        begun = self._clock()
        tries = 0
        is_refreshed = False
        while True:
            try:
                with self._gate:
                    # Whoever waited for a place has seen the window halved before it asked.
                    started = self._clock()
                    return attempt()
            except TransientError as error:
                is_stale = error.reaction is Reaction.REFRESH
                if is_stale and (is_refreshed or self._refresh is None):
                    raise StoreError(error.message, hint=error.hint, items=error.items) from error
                is_refreshed |= is_stale
                tries += 1
                self._answer(error, tries, begun, started)

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until ``stop`` says so."""
        while seconds > 0 and not self.stop():
            # Without anybody who could say so there is no need to look.
            step = seconds if self.stop is never else min(seconds, STOP_CHECK_SECONDS)
            self._sleep(step)
            seconds -= step

    def create(
        self, attempt: Callable[[], Result], find_own: Callable[[], Result | None]
    ) -> Result:
        """Run a create-only write.

        When it meets an existing object after a failure, its own first try may have made that
        object: ``find_own`` looks at it and returns what ``attempt`` would have, or None when it
        is another's, which stays a ``ConflictError``.
        """
        is_doubtful = False

        def attempt_knowingly() -> Result:
            nonlocal is_doubtful
            try:
                return attempt()
            except TransientError:
                is_doubtful = True
                raise
            except ConflictError:
                own = find_own() if is_doubtful else None
                if own is None:
                    raise
                return own

        return self.run(attempt_knowingly)

    def _answer(self, failure: TransientError, tries: int, begun: float, started: float) -> None:
        """Do what the failure asks for before the next try, or raise when there is none."""
        now = self._clock()
        is_throttled = failure.reaction is Reaction.SLOW_DOWN
        if is_throttled:
            self._gate.slow_down(started, now)
        with self._counting:
            self.throttle_count += is_throttled
        if failure.reaction is Reaction.REFRESH and self._refresh is not None:
            self._refresh()
            delay = 0.0
        else:
            delay = draw_delay(tries, self._chance())
        most = min(failure.tries_max, STORE_FIRST_TRIES_MAX) if self.stop() else failure.tries_max
        if is_given_up(tries, now - begun + delay, most):
            raise StoreError(
                f"{failure.message} (tried {tries} times in {now - begun:.0f} s)",
                hint=failure.hint,
                items=failure.items,
            ) from failure
        with self._counting:
            self.retry_count += 1
        self.sleep(delay)


class Bandwidth:
    """Spreads bytes over time: a bucket of tokens that may go into debt. Rate 0 has no limit."""

    def __init__(self, rate: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Let ``rate`` bytes a second pass, beginning with a full bucket."""
        self._rate = rate
        self._clock = clock
        self._changing = threading.Lock()
        self._paid_until = clock() - BANDWIDTH_BURST_SECONDS

    def take(self, size: int, sleep: Callable[[float], None]) -> None:
        """Count so many bytes and ``sleep`` until they are paid for."""
        if not self._rate:
            return
        with self._changing:
            now = self._clock()
            # What was saved up while nothing moved is at most the burst.
            start = max(self._paid_until, now - BANDWIDTH_BURST_SECONDS)
            self._paid_until = start + size / self._rate
            wait = self._paid_until - now
        if wait > 0:
            sleep(wait)


_shared: dict[tuple[str, int], Bandwidth] = {}


def share_bandwidth(place: str, rate: int) -> Bandwidth:
    """Return this process's one limit for a place, such as "write s3://bucket/prefix"."""
    # In one step: two threads that open their stores at once would each keep one of their own.
    return _shared.setdefault((place, rate), Bandwidth(rate))
