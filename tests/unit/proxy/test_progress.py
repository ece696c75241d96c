"""Progress counts at once, shows now and then, and never floods."""

import re
import threading

import pytest

from proxy.output import Output
from proxy.progress import LiveProgress, Meter, PlainProgress, shown_progress

MIB = 1 << 20


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def meter(total_size: int | None, total_count: int | None) -> tuple[Meter, Clock]:
    clock = Clock()
    return Meter("Copying", total_size, total_count, clock), clock


def move(one: Meter, clock: Clock, *, seconds: float, size: int = 0, count: int = 0) -> None:
    clock.now += seconds
    one.size += size
    one.count += count
    one.sample()


def test_a_phase_knows_its_rate_and_the_time_left() -> None:
    copying, clock = meter(100 * MIB, 50)
    move(copying, clock, seconds=2, size=20 * MIB, count=10)
    assert copying.fraction == 0.2
    assert copying.seconds_left == pytest.approx(8)
    assert copying.describe() == "10 of 50, 20.0 MiB of 100 MiB, 20%, 10.0 MiB/s, 8.0 s left"


def test_the_rate_is_of_late() -> None:
    copying, clock = meter(1000 * MIB, None)
    move(copying, clock, seconds=10, size=500 * MIB)
    for _ in range(40):
        move(copying, clock, seconds=1, size=MIB)
    assert "1.00 MiB/s" in copying.describe()


def test_what_moves_by_whole_packs_has_a_steady_rate() -> None:
    """A session in an appliance, looked at each second and moving each minute."""
    watched, clock = meter(6000 * MIB, None)
    told = []
    for second in range(1, 1801):
        move(watched, clock, seconds=1, size=0 if second % 60 else 60 * MIB)
        if second > 300:
            told.append(watched.seconds_left)
    assert all(left is not None for left in told)
    assert watched.seconds_left == pytest.approx(4200, rel=0.3)
    assert len(watched._seen) < 20


def test_without_totals_nothing_is_promised() -> None:
    listing, clock = meter(None, None)
    move(listing, clock, seconds=1, count=30)
    assert listing.fraction is None
    assert listing.seconds_left is None
    assert listing.describe() == "30, 30/s"


def test_counts_alone_have_a_time_left_too() -> None:
    listing, clock = meter(None, 100)
    move(listing, clock, seconds=5, count=50)
    assert listing.describe() == "50 of 100, 50%, 10/s, 5.0 s left"


def test_more_than_was_announced_is_not_more_than_all() -> None:
    copying, clock = meter(10, None)
    move(copying, clock, seconds=1, size=20)
    assert copying.fraction == 1.0
    assert "left" not in copying.describe()


def test_an_empty_phase_divides_by_nothing() -> None:
    empty, clock = meter(0, 0)
    move(empty, clock, seconds=0)
    assert empty.fraction is None
    assert empty.describe() == ""


def test_plain_progress_says_where_each_phase_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress(Output(is_json=True)) as progress:
        progress.start("Copying", 4 * MIB, 2)
        progress.advance(size=2 * MIB, count=1)
        progress.advance(size=2 * MIB, count=1)
        progress.note("half way")
        progress.start("Publishing", None, None)
        progress.warn("something odd")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.sub(r" in [^\n]*", "", printed.err).splitlines() == [
        "half way",
        "Copying: 2 done, 4.00 MiB",
        "warning: something odd",
        "Publishing: done",
    ]


def test_plain_progress_says_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(Output(is_json=False), interval_seconds=0)
    progress.start("Copying", 4 * MIB, None)
    progress.advance(size=MIB)
    assert capsys.readouterr().err.startswith("Copying: 1.00 MiB of 4.00 MiB, 25%")
    quiet = PlainProgress(Output(is_json=False), interval_seconds=60)
    quiet.start("Copying", 4 * MIB, None)
    for _ in range(10_000):
        quiet.advance(size=1)
    assert capsys.readouterr().err == ""


def test_a_phase_without_counts_says_that_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(Output(is_json=False), interval_seconds=0)
    progress.start("Publishing", None, None)
    progress.advance()
    assert "Publishing: under way\n" in capsys.readouterr().err


def test_what_many_threads_count_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(Output(is_json=False))
    progress.start("Copying", None, None)

    def work() -> None:
        for _ in range(5_000):
            progress.advance(size=1, count=1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.finish()
    assert "20,000 done" in capsys.readouterr().err


def test_counting_before_any_phase_is_harmless() -> None:
    LiveProgress(Output(is_json=False)).advance(size=1)
    PlainProgress(Output(is_json=False)).advance(size=1)


def test_the_live_line_shows_the_current_phase() -> None:
    output = Output(is_json=False)
    progress = LiveProgress(output)
    progress.start("Copying", 4 * MIB, 2)
    progress.advance(size=MIB, count=1)
    with output.errors.capture() as captured:
        output.errors.print(progress)
    assert "Copying" in captured.get()
    assert "1.00 MiB of 4.00 MiB, 25%" in captured.get()
    assert len(captured.get().splitlines()) == 1
