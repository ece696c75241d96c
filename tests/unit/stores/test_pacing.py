"""Failures of a moment are tried again, in time and in order; all others pass through at once."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ColdhaulError, ConflictError, IntegrityError, NotFoundError, StoreError
from core.limits import (
    STORE_CONCURRENCY_MAX,
    STORE_DELAY_SECONDS_MAX,
    STORE_FIRST_TRIES_MAX,
    STORE_TRIES_MAX,
    STORE_TRYING_SECONDS_MAX,
)
from core.stores import pacing
from core.stores.pacing import (
    Bandwidth,
    Pacer,
    Reaction,
    TransientError,
    Window,
    draw_delay,
    is_given_up,
    share_bandwidth,
)

WAIT = TransientError("cannot read a", hint="look")
SLOW_DOWN = TransientError("cannot read a", hint="look", reaction=Reaction.SLOW_DOWN)
REFRESH = TransientError("the credentials have expired", hint="log in", reaction=Reaction.REFRESH)


class Time:
    """A clock that only its own sleep moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def paced(
    time_: Time, *, refresh: Callable[[], None] | None = None, chance: float = 0.5, most: int = 8
) -> Pacer:
    return Pacer(
        refresh=refresh,
        concurrency_max=most,
        clock=time_.clock,
        sleep=time_.sleep,
        chance=lambda: chance,
    )


def answers(*results: object) -> Callable[[], object]:
    """Return a request that gives these answers, one at a time; errors it raises."""
    rest: Iterator[object] = iter(results)

    def attempt() -> object:
        result = next(rest)
        if isinstance(result, ColdhaulError):
            raise result
        return result

    return attempt


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does, but not for ever."""
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# --- Trying again --------------------------------------------------------------------------------


def test_success_needs_no_second_try() -> None:
    clock = Time()
    pacer = paced(clock)
    assert pacer.run(answers("x")) == "x"
    assert (clock.slept, pacer.retry_count, pacer.throttle_count) == ([], 0, 0)


def test_failure_is_tried_again_after_growing_waits() -> None:
    clock = Time()
    pacer = paced(clock)
    assert pacer.run(answers(WAIT, WAIT, WAIT, "x")) == "x"
    assert clock.slept == pytest.approx([0.1, 0.2, 0.4])
    assert (pacer.retry_count, pacer.throttle_count) == (3, 0)


@pytest.mark.parametrize("kind", [NotFoundError, ConflictError, StoreError, IntegrityError])
def test_other_error_passes_through_at_once(kind: type[ColdhaulError]) -> None:
    clock = Time()
    error = kind("no")
    with pytest.raises(kind) as caught:
        paced(clock).run(answers(error, "x"))
    assert caught.value is error
    assert clock.slept == []


def test_it_gives_up_after_so_many_tries_and_says_so() -> None:
    clock = Time()
    with pytest.raises(StoreError, match=r"cannot read a \(tried 10 times in \d+ s\)") as caught:
        paced(clock, chance=0.1).run(answers(*[WAIT] * STORE_TRIES_MAX, "never"))
    assert not isinstance(caught.value, TransientError)
    assert caught.value.hint == "look"
    assert len(clock.slept) == STORE_TRIES_MAX - 1


def test_it_gives_up_when_the_next_wait_would_be_too_late() -> None:
    clock = Time()

    def slow() -> None:
        clock.now += 50
        raise WAIT

    with pytest.raises(StoreError, match="tried 3 times in 15"):
        paced(clock).run(slow)
    assert len(clock.slept) == 2


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_wait_is_bounded_whatever_the_tries(tries: int, chance: float) -> None:
    assert 0 <= draw_delay(min(tries, 1000), chance) < STORE_DELAY_SECONDS_MAX


def test_request_is_over_by_tries_or_by_time() -> None:
    assert not is_given_up(STORE_TRIES_MAX - 1, STORE_TRYING_SECONDS_MAX)
    assert is_given_up(STORE_TRIES_MAX, 0)
    assert is_given_up(1, STORE_TRYING_SECONDS_MAX + 0.1)


# --- Credentials ---------------------------------------------------------------------------------


def test_expired_credentials_are_fetched_anew_once() -> None:
    clock = Time()
    refreshed: list[None] = []
    pacer = paced(clock, refresh=lambda: refreshed.append(None))
    assert pacer.run(answers(REFRESH, WAIT, "x")) == "x"
    assert len(refreshed) == 1


def test_credentials_that_stay_expired_are_one_clear_error() -> None:
    refreshed: list[None] = []
    pacer = paced(Time(), refresh=lambda: refreshed.append(None))
    with pytest.raises(StoreError, match=r"^the credentials have expired$") as caught:
        pacer.run(answers(REFRESH, WAIT, REFRESH, "never"))
    assert (caught.value.hint, len(refreshed)) == ("log in", 1)
    with pytest.raises(StoreError, match=r"^the credentials have expired$"):
        paced(Time()).run(answers(REFRESH, "never"))


# --- Create-only writes --------------------------------------------------------------------------

CONFLICT = ConflictError("a exists already")


def test_conflict_at_the_first_try_is_nobody_s_doubt() -> None:
    with pytest.raises(ConflictError):
        paced(Time()).create(answers(CONFLICT), answers(AssertionError("not asked")))


def test_conflict_after_a_lost_answer_is_judged() -> None:
    assert paced(Time()).create(answers(WAIT, CONFLICT), answers("ours")) == "ours"
    with pytest.raises(ConflictError):
        paced(Time()).create(answers(WAIT, CONFLICT), answers(None))


def test_judging_is_tried_again_as_well() -> None:
    clock = Time()
    create = paced(clock).create
    assert create(answers(WAIT, CONFLICT, CONFLICT), answers(WAIT, "ours")) == "ours"
    assert len(clock.slept) == 2


# --- Concurrency ---------------------------------------------------------------------------------


def test_store_that_asks_for_less_gets_less_and_all_again_later() -> None:
    pacer = paced(Time(), most=8)
    pacer.run(answers(SLOW_DOWN, SLOW_DOWN, "x"))
    # One at a time was refused; after its success there may be one more.
    assert (pacer.concurrency, pacer.throttle_count, pacer.retry_count) == (2, 2, 2)
    count = 0
    while pacer.concurrency < 8:
        pacer.run(lambda: None)
        count += 1
    assert 20 < count < 40


def test_failure_without_throttling_lowers_nothing() -> None:
    pacer = paced(Time(), most=8)
    pacer.run(answers(WAIT, WAIT, "x"))
    assert pacer.concurrency == 8


def test_refusals_of_one_moment_count_once() -> None:
    window = Window(size=64, ceiling=64)
    for _ in range(60):
        window = window.shrunk(begun=10.0, now=11.0, running=64)
    assert window.size == 32
    assert window.shrunk(begun=11.5, now=12.0, running=40).size == 16


def test_what_is_halved_is_what_was_under_way() -> None:
    window = Window(size=64, ceiling=64)
    assert window.shrunk(begun=10.0, now=11.0, running=16).size == 8
    assert window.shrunk(begun=10.0, now=11.0, running=1).size == 1


@given(st.lists(st.booleans(), max_size=300))
def test_window_stays_between_one_and_its_ceiling(steps: list[bool]) -> None:
    window = Window(size=STORE_CONCURRENCY_MAX, ceiling=STORE_CONCURRENCY_MAX)
    for moment, is_throttled in enumerate(steps):
        before = window.size
        window = window.shrunk(moment, moment + 0.5, 64) if is_throttled else window.grown()
        assert 1 <= window.size <= STORE_CONCURRENCY_MAX
        assert window.size <= before if is_throttled else window.size >= before


def test_never_more_requests_are_under_way_than_the_window_says() -> None:
    pacer = Pacer(concurrency_max=3, sleep=lambda _: None)
    lock = threading.Lock()
    running = most = 0

    def request() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(pacer.run, request) for _ in range(200)]:
            future.result()
    assert (most, running) == (3, 0)


def test_narrowed_gate_holds_threads_back_and_lets_all_through_in_the_end() -> None:
    pacer = Pacer(concurrency_max=16, sleep=lambda _: None)
    local = threading.local()

    def request() -> int:
        local.count = getattr(local, "count", 0) + 1
        if local.count % 3 == 0:
            raise SLOW_DOWN
        return 1

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(pacer.run, request) for _ in range(600)]
        assert sum(future.result() for future in futures) == 600
    assert pacer.throttle_count == pacer.retry_count > 200


def test_a_request_that_waited_for_its_place_begins_when_it_has_it() -> None:
    """What it is refused for then is no moment that counts already."""
    clock = Time()
    pacer = paced(clock, most=4, chance=0.0)
    go_on = [threading.Event() for _ in range(5)]

    def request(number: int, *outcomes: object) -> Future[object]:
        answer = answers(*outcomes)

        def attempt() -> object:
            go_on[number].wait()
            return answer()

        return pool.submit(pacer.run, attempt)

    with ThreadPoolExecutor(5) as pool:
        ended = [request(0, SLOW_DOWN, "x"), *(request(number, "x") for number in (1, 2, 3))]
        wait_until(lambda: pacer._gate._running == 4)
        ended.append(request(4, SLOW_DOWN, "x"))
        wait_until(lambda: pacer._gate._waiting == 1)
        clock.now += 1
        go_on[0].set()
        wait_until(lambda: pacer.concurrency == 2)
        clock.now += 1
        for event in go_on:
            event.set()
        assert [future.result() for future in ended] == ["x"] * 5
    assert pacer._gate.window.halved_at == clock.now


def test_error_gives_its_place_back() -> None:
    pacer = paced(Time(), most=1)
    for _ in range(3):
        with pytest.raises(NotFoundError):
            pacer.run(answers(NotFoundError("no")))
    assert pacer.run(answers("x")) == "x"


# --- Ending --------------------------------------------------------------------------------------


def test_a_sleep_ends_when_the_work_is_to_end() -> None:
    clock = Time()
    pacer = paced(clock)
    pacer.stop = lambda: clock.now >= 1003
    pacer.sleep(60)
    assert clock.now == pytest.approx(1003, abs=0.3)
    pacer.sleep(60)
    assert clock.now == pytest.approx(1003, abs=0.3)


def test_a_sleep_that_nobody_ends_is_one_sleep_of_that_length() -> None:
    clock = Time()
    paced(clock).sleep(60)
    assert clock.slept == [60]
    watched = paced(clock)
    watched.stop = lambda: False
    watched.sleep(1.1)
    assert sum(clock.slept) == pytest.approx(61.1)


def test_few_tries_are_left_when_the_work_is_to_end() -> None:
    clock = Time()
    pacer = paced(clock)
    pacer.stop = lambda: True
    with pytest.raises(StoreError, match=f"tried {STORE_FIRST_TRIES_MAX} times") as caught:
        pacer.run(answers(*[WAIT] * 20))
    assert type(caught.value) is StoreError
    assert clock.slept == []
    assert pacer.run(answers(WAIT, "x")) == "x"


# --- Bandwidth -----------------------------------------------------------------------------------


def test_no_limit_never_waits() -> None:
    clock = Time()
    Bandwidth(0, clock=clock.clock).take(1 << 60, clock.sleep)
    assert clock.slept == []


def test_bytes_are_spread_at_the_rate_after_a_burst() -> None:
    clock = Time()
    bandwidth = Bandwidth(1000, clock=clock.clock)
    for _ in range(50):
        bandwidth.take(100, clock.sleep)
    # 5,000 bytes, the first thousand at once.
    assert clock.now == pytest.approx(1004)


def test_one_large_object_is_paid_for_before_the_next() -> None:
    clock = Time()
    bandwidth = Bandwidth(1000, clock=clock.clock)
    bandwidth.take(10_000, clock.sleep)
    assert clock.slept == [pytest.approx(9)]


def test_idle_time_saves_up_no_more_than_a_burst() -> None:
    clock = Time()
    bandwidth = Bandwidth(1000, clock=clock.clock)
    clock.now += 3600
    bandwidth.take(1000, clock.sleep)
    assert clock.slept == []
    bandwidth.take(1000, clock.sleep)
    assert clock.slept == [pytest.approx(1)]


def test_stores_at_one_place_share_a_limit() -> None:
    assert share_bandwidth("read s3://a", 5) is share_bandwidth("read s3://a", 5)
    assert share_bandwidth("read s3://a", 5) is not share_bandwidth("write s3://a", 5)


def test_stores_that_are_opened_at_once_share_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    class MadeAtOnce(Bandwidth):
        def __init__(self, rate: int) -> None:
            with suppress(threading.BrokenBarrierError):
                both.wait(1)
            super().__init__(rate)

    monkeypatch.setattr(pacing, "Bandwidth", MadeAtOnce)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: share_bandwidth("read s3://b", 5), range(2))
    assert one is other
