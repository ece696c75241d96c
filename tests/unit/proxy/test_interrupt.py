"""The first signal asks, the second kills."""

import os
import signal
import subprocess
import sys

import pytest

from proxy.interrupt import stoppable

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


def test_the_second_signal_kills() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == b""


def test_afterwards_signals_mean_what_they_meant() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stoppable("coldhaul x"):
        pass
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
