"""The first signal asks, the second kills."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core.errors import ColdhaulError, IntegrityError, NotReadyError, StoreError
from proxy.interrupt import InterruptedRunError, stoppable

TWICE = """
import os, signal
from proxy.interrupt import stoppable
with stoppable("coldhaul x") as stop:
    os.kill(os.getpid(), signal.SIGINT)
    assert stop()
    os.kill(os.getpid(), signal.SIGINT)
    print("still alive")
"""


def test_nobody_has_asked_at_first() -> None:
    with stoppable("coldhaul x") as stop:
        assert not stop()
    assert stop.exit_code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_and_the_code_tells_which(
    number: signal.Signals, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with stoppable("coldhaul x") as stop:
        os.kill(os.getpid(), number)
        assert stop()
    assert stop.exit_code == code
    assert "what is finished is kept" in capfd.readouterr().err


@contextmanager
def unread_stderr() -> Iterator[None]:
    """Lend a stderr whose reader has ended, as the signal may end that of ``2>&1 | tee log``."""
    before, (read, write) = os.dup(2), os.pipe()
    os.close(read)
    os.dup2(write, 2)
    os.close(write)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def test_a_signal_that_has_ended_whoever_reads_asks_all_the_same() -> None:
    with unread_stderr(), stoppable("coldhaul x") as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()


def test_the_second_signal_kills() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == b""


@pytest.fixture
def python_like() -> Iterator[None]:
    """SIGINT as Python has it at first; whoever starts it may have it ignored, as nohup does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_like")
def test_afterwards_signals_mean_what_they_meant() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stoppable("coldhaul x"):
        pass
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


FAILURES = [NotReadyError("it was stopped"), StoreError("the connection broke", hint="look")]


def end_by(error: ColdhaulError, *, is_asked: bool) -> None:
    with stoppable("coldhaul x"):
        if is_asked:
            os.kill(os.getpid(), signal.SIGINT)
        raise error


@pytest.mark.parametrize("error", FAILURES)
def test_what_follows_a_signal_is_an_interruption(error: ColdhaulError) -> None:
    """A store that fails while the work is to end is tried less often."""
    with pytest.raises(InterruptedRunError) as caught:
        end_by(error, is_asked=True)
    assert (caught.value.message, caught.value.exit_code) == (error.message, 130)
    assert caught.value.hint == "To go on: coldhaul x"


@pytest.mark.parametrize("error", [*FAILURES, IntegrityError("it is damaged")])
def test_what_no_signal_preceded_is_what_it_is(error: ColdhaulError) -> None:
    with pytest.raises(type(error)) as caught:
        end_by(error, is_asked=False)
    assert caught.value is error


def test_damage_is_told_whatever_was_asked() -> None:
    with pytest.raises(IntegrityError):
        end_by(IntegrityError("it is damaged"), is_asked=True)
