"""Run mutants: each in a copy of the tree of its own, its tests first without it, then with it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutants.patch import Mutant, PatchError, apply_mutant

# A mutant may make its test wait for ever; no honest test of an invariant takes so long.
TEST_SECONDS_MAX = 900
_PYTEST_PASSED = 0
_PYTEST_FAILED = 1


class Verdict(StrEnum):
    """What became of a mutant. Only a killed one is good."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    DOES_NOT_APPLY = "DOES NOT APPLY"
    TEST_FAILS_UNPATCHED = "TEST FAILS WITHOUT IT"
    TEST_DID_NOT_RUN = "TEST DID NOT RUN"
    HUNG = "HUNG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A mutant, what became of it, and what there is to see where that is not good."""

    mutant: Mutant
    verdict: Verdict
    seconds: float
    detail: str = ""


def run_mutants(
    mutants: Sequence[Mutant], root: Path, *, workers: int, done: Callable[[Outcome], None]
) -> list[Outcome]:
    """Run them on copies of the tree at ``root``, a few at a time; outcomes in their order."""

    def run(mutant: Mutant) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="coldhaul-mutant-") as folder:
            outcome = _run_mutant(mutant, root, Path(folder) / "tree")
        done(outcome)
        return outcome

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, mutants))


def _run_mutant(mutant: Mutant, root: Path, tree: Path) -> Outcome:
    begun = time.monotonic()

    def outcome(verdict: Verdict, detail: str = "") -> Outcome:
        seconds = time.monotonic() - begun
        return Outcome(mutant=mutant, verdict=verdict, seconds=seconds, detail=detail)

    _copy(root, tree)
    for test in mutant.tests:
        code, output = _run_test(tree, test)
        if code != _PYTEST_PASSED:
            return outcome(Verdict.TEST_FAILS_UNPATCHED, output)
    try:
        apply_mutant(mutant, tree)
    except PatchError as error:
        return outcome(Verdict.DOES_NOT_APPLY, str(error))
    for test in mutant.tests:
        code, output = _run_test(tree, test)
        if code is None:
            return outcome(Verdict.HUNG, output)
        if code == _PYTEST_PASSED:
            return outcome(Verdict.SURVIVED, f"{test} passes although: {mutant.breaks}")
        if code != _PYTEST_FAILED:
            return outcome(Verdict.TEST_DID_NOT_RUN, output)
    return outcome(Verdict.KILLED)


def _copy(root: Path, tree: Path) -> None:
    made = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", ".demo", ".bench")
    shutil.copytree(root, tree, ignore=made, symlinks=True)


def _run_test(tree: Path, test: str) -> tuple[int | None, str]:
    """Return pytest's exit code, None when it had to be ended, and the end of what it wrote."""
    environment = os.environ | {
        # The environment's own link to the project must not win over the copy.
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CI": "true",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", test]
    try:
        ended = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TEST_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"{test}: not ended after {TEST_SECONDS_MAX} seconds"
    return ended.returncode, ended.stdout.decode(errors="replace")[-4000:]
