"""Run a function under Amazon's own runtime client. Run by the Python of the functions.

``start_function.py HANDLER``. What Lambda's environment lacks is made to lack here too, and the
function ends with whoever started it.
"""

import errno
import multiprocessing.synchronize
import os
import signal
import sys
import threading

# Of the functions' environment, not of ours.
from awslambdaric.__main__ import main  # type: ignore[import-not-found]


class _NoSemaphore:
    """Lambda has no /dev/shm: locks and queues between processes cannot be made there."""

    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


# The folder of this file holds the tests' modules, whose names a function's may have too.
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
multiprocessing.synchronize._multiprocessing.SemLock = _NoSemaphore  # type: ignore[attr-defined]
threading.Thread(target=_end_with_parent, daemon=True).start()
main(sys.argv)
