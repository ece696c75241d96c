"""Ctrl-C: the first asks the running work to end cleanly, the second kills.

Outside of such work a Ctrl-C ends the command where it is, as usual: nothing is half done then,
because every object is created whole or not at all.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from core.errors import NotReadyError, StoreError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPING = b"\nStopping; what is finished is kept. Once more kills at once.\n"
LEAVING = b"\nLeaving; the appliance works on. Once more kills this command at once.\n"


class InterruptedRunError(Exception):
    """Work ended because a signal asked for it. ``hint`` says how to go on."""

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        """Keep the parts apart, as the errors of ``core`` do."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class Stop:
    """Tells work whether to end. Called, it answers; ``signal`` says what asked for it.

    ``notice`` is what a user reads at once who has asked.
    """

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.signal: signal.Signals | None = None
        self.notice = STOPPING

    def __call__(self) -> bool:
        """Say whether to end as soon as it is clean."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """The exit code of a command that a signal ended, as shells count; 0 without one."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stoppable(go_on: str) -> Iterator[Stop]:
    """Turn the first SIGINT or SIGTERM into a request; the second acts as ever.

    ``go_on`` is the command that goes on with the work. Work that says ``NotReadyError`` because
    of the request becomes an ``InterruptedRunError``. So does a ``StoreError`` after it: there are
    fewer tries then.
    """
    stop = Stop()

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.signal = signal.Signals(number)
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        # A handler may interrupt a write to stderr, so it does not go through Python's buffer. Who
        # reads it may have got the signal too: an error would end the work wherever it is.
        with suppress(OSError):
            os.write(2, stop.notice)

    before = {each: signal.signal(each, ask) for each in _SIGNALS}
    try:
        yield stop
    except (NotReadyError, StoreError) as error:
        if stop.signal is None:
            raise
        hint = f"To go on: {go_on}"
        raise InterruptedRunError(error.message, hint, stop.exit_code) from error
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
