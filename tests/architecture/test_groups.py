"""Tests that are marked as one group share a worker.

They share a stack, or something else of which there is one. What tells the workers apart is a
convention between pytest and its plugin, which a release of either may end without a word.
"""

import subprocess
import sys
from pathlib import Path

_TESTS = """
import pytest
pytestmark = pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_worker(number, worker_id):
    with open("workers", "a") as file:
        file.write(worker_id + chr(10))
"""


def test_a_group_is_run_by_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_group.py").write_text(_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    workers = (tmp_path / "workers").read_text().split()
    assert len(workers) == 8
    assert len(set(workers)) == 1
