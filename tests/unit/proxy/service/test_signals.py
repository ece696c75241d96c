"""Signals become orders, and a second one acts as ever."""

import os
import signal

import pytest

from proxy.service.signals import Orders, listening_to_signals


def test_a_reload_is_taken_once() -> None:
    orders = Orders()
    assert not orders.take_reload()
    orders.want_reload()
    assert orders.take_reload()
    assert not orders.take_reload()


def test_hangup_asks_to_read_the_configuration() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with listening_to_signals() as orders:
        os.kill(os.getpid(), signal.SIGHUP)
        assert orders.take_reload()
        assert not orders.stop()
    assert signal.getsignal(signal.SIGHUP) == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_first_ends_and_the_second_kills(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with listening_to_signals() as orders:
        os.kill(os.getpid(), number)
        assert orders.stop()
        assert orders.stop.exit_code == code
        assert signal.getsignal(number) is signal.SIG_DFL
    assert signal.getsignal(number) == before
