"""Freed buffers are kept where the C library can be told to, and old objects left alone."""

import gc
import platform
import subprocess
import sys

import pytest

from core.engine.memory import set_aside

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


def test_what_was_there_is_set_aside_and_comes_back() -> None:
    old: list[object] = [[]]
    with set_aside():
        new: list[object] = [[]]
        looked_at = {id(each) for each in gc.get_objects()}
        assert id(new) in looked_at
        assert id(old) not in looked_at
    assert id(old) in {id(each) for each in gc.get_objects()}
    assert gc.get_freeze_count() == 0


def test_it_comes_back_after_a_failure_too() -> None:
    with pytest.raises(ValueError, match="broken"), set_aside():
        raise ValueError("broken")
    assert gc.get_freeze_count() == 0
