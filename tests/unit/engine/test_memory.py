"""Freed buffers are kept where the C library can be told to."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
from concurrent.futures import ThreadPoolExecutor
from core.engine.memory import keep_buffers
{ask}

def work(_):
    for size in range(1 << 20, 5 << 20, 1 << 19):
        pair = (b"x" * size, b"y" * (size // 2))

with ThreadPoolExecutor(2) as pool:
    list(pool.map(work, range(20)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(ask: str) -> int:
    command = [sys.executable, "-c", SCRIPT.format(ask=ask)]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have no such call")
def test_memory_of_a_freed_buffer_is_used_again() -> None:
    assert faults("keep_buffers()") < faults("") / 2


def test_asking_twice_is_harmless() -> None:
    faults("keep_buffers(); keep_buffers()")
