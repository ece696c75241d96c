"""How this process treats its memory on the data path: large buffers and what lives long."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

# From malloc.h of glibc: blocks from this size on are mapped and unmapped one by one, and free
# memory at the end of an area is given back from that size on.
_MMAP_THRESHOLD = -3
_TRIM_THRESHOLD = -1
# The largest that every version of glibc takes; frames and their stored bytes are smaller.
_MMAP_SIZE = 32 << 20
_TRIM_SIZE = 128 << 20


@cache
def keep_buffers() -> None:
    """Keep freed buffers for the next frame; ask once a process, before its work begins.

    Otherwise each frame's buffers are mapped, cleared page by page and unmapped again, which
    takes a seventeenth of the processor's time. C libraries other than glibc do as they like.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _MMAP_SIZE)
        mallopt(_TRIM_THRESHOLD, _TRIM_SIZE)


@contextmanager
def set_aside() -> Iterator[None]:
    """Keep the collector of cycles off everything that is there at the beginning.

    Libraries leave a hundred thousand objects that live as long as the process. The rows of a pack
    make the collector look at all of them again and again, for a thirtieth of the processor's time.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
