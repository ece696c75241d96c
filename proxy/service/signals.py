"""Signals as orders to the service: end, or read the configuration again."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from proxy.interrupt import Stop

_ENDING = (signal.SIGINT, signal.SIGTERM)


class Orders:
    """What signals have asked for. ``stop`` says whether to end, and by which signal."""

    def __init__(self) -> None:
        """Nobody has asked for anything."""
        self.stop = Stop()
        self._is_reload_wanted = False

    def want_reload(self) -> None:
        """Ask for the configuration to be read again."""
        self._is_reload_wanted = True

    def take_reload(self) -> bool:
        """Say whether the configuration is to be read again, once for each time asked."""
        is_wanted, self._is_reload_wanted = self._is_reload_wanted, False
        return is_wanted


@contextmanager
def listening_to_signals() -> Iterator[Orders]:
    """Turn SIGINT, SIGTERM and SIGHUP into orders; a second SIGINT or SIGTERM acts as ever."""
    orders = Orders()

    def end(number: int, _frame: FrameType | None) -> None:
        orders.stop.signal = signal.Signals(number)
        for each in _ENDING:
            signal.signal(each, signal.SIG_DFL)

    def reload(_number: int, _frame: FrameType | None) -> None:
        orders.want_reload()

    before = {each: signal.signal(each, end) for each in _ENDING}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, reload)
    try:
        yield orders
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
