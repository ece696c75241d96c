"""Everything that a command takes is counted, its children included."""

import sys
from pathlib import Path

import pytest

from benchmarks.measure import CommandError, Usage, run

BURN = "import time\nwhile time.process_time() < 0.3: pass"
HOLD = "held = bytearray(64 << 20); print(len(held), flush=True); input()"
# Both hold theirs for longer than it takes to look at them.
HOLD_BOTH = f"""
import subprocess, sys, time
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
both = [subprocess.Popen([sys.executable, "-c", {HOLD!r}], **pipes) for _ in range(2)]
for each in both:
    print(each.stdout.readline())
time.sleep(1)
for each in both:
    each.communicate("end\\n")
"""


def test_cpu_of_children_counts(tmp_path: Path) -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"
    usage, _ = run([sys.executable, "-c", script], tmp_path)
    assert usage.cpu >= 0.3
    assert usage.wall >= 0.3


def test_memory_is_that_of_the_largest_process_and_of_all(tmp_path: Path) -> None:
    usage, text = run([sys.executable, "-c", HOLD_BOTH], tmp_path)
    assert text.split() == [str(64 << 20)] * 2
    assert 64 << 20 <= usage.peak < 110 << 20
    assert usage.peak_sum >= 128 << 20


def test_temporary_files_are_counted_while_they_are_there(tmp_path: Path) -> None:
    script = (
        "import os, tempfile, time\n"
        "file = tempfile.NamedTemporaryFile()\n"
        "file.write(os.urandom(8 << 20)); file.flush(); time.sleep(0.3); file.close()"
    )
    usage, _ = run([sys.executable, "-c", script], tmp_path)
    assert 8 << 20 <= usage.temporary < 9 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such luck"):
        run([sys.executable, "-c", "raise SystemExit('no such luck')"], tmp_path)


def test_runs_add_up_and_peaks_do_not() -> None:
    one = Usage(wall=1, cpu=2, peak=3, peak_sum=4)
    assert one.plus(Usage(wall=1, cpu=1, peak=5, peak_sum=1)) == Usage(
        wall=2, cpu=3, peak=5, peak_sum=4
    )
