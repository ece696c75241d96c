"""Emulators are started once a run, stop with it however it ends, and say why they do not start."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.emulators.folder import RunFolder
from tests.emulators.starting import emulator, run_of_tests
from tests.support.waiting import wait_until

# The one that starts in a moment and needs nothing but the environment of the tests.
QUICK = "rclone-s3"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this")

OTHER_RUN = f"""
import json, time
from tests.emulators.starting import emulator, run_of_tests
with run_of_tests() as run:
    found = emulator(run, {QUICK!r})
    print(json.dumps([str(run.path), found.endpoint]), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def run() -> Iterator[RunFolder]:
    with run_of_tests() as folder:
        yield folder


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=60):
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return True
    except OSError:
        return False


def test_all_who_ask_get_the_same_one() -> None:
    """Processes as the workers of a run are; threads would share their locks."""
    code = "import sys, pathlib; from tests.emulators import folder, starting; "
    code += f"print(starting.emulator(folder.RunFolder(pathlib.Path(sys.argv[1])), {QUICK!r}))"

    def ask(folder: Path) -> str:
        command = [sys.executable, "-c", code, str(folder)]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    with run_of_tests() as run, ThreadPoolExecutor(3) as pool:
        found = list(pool.map(ask, [run.path] * 3))
        assert len(set(found)) == 1
        assert str(emulator(run, QUICK)) == found[0].strip()
        assert answers(emulator(run, QUICK).endpoint)


def test_it_is_stopped_before_the_run_is_over() -> None:
    with run_of_tests() as run:
        endpoint = emulator(run, QUICK).endpoint
        assert answers(endpoint)
    assert not answers(endpoint)
    assert not run.path.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_stops_with_a_run_that_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_RUN],
        cwd=ROOT,
        # What nobody is left to remove, logs, stays in the test's own folder.
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        folder, endpoint = json.loads(other.stdout.readline())
        assert answers(endpoint)
        other.send_signal(number)
    data = RunFolder(Path(folder)).data(QUICK)
    wait_until(
        lambda: not answers(endpoint) and not data.exists(), lambda: f"{endpoint} outlives its run"
    )


@ON_LINUX
def test_it_stops_with_a_keeper_that_is_killed(run: RunFolder) -> None:
    found = emulator(run, QUICK)
    os.kill(found.keeper, signal.SIGKILL)
    wait_until(lambda: not answers(found.endpoint), lambda: f"{found.endpoint} outlives its keeper")


def test_what_is_not_installed_is_said_with_the_command_that_does(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDHAUL_EMULATORS", str(tmp_path))
    with pytest.raises(AssertionError, match=r"sh scripts/emulators\.sh"):
        emulator(run, "ministack")


def test_one_that_does_not_start_shows_its_last_words_and_is_not_tried_again(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "ministack/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho one more >> tries\necho 'no disk left on drive A'\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setenv("COLDHAUL_EMULATORS", str(tmp_path))
    for _ in range(2):
        with pytest.raises(AssertionError, match="no disk left on drive A"):
            emulator(run, "ministack")
    assert run.log("ministack").read_text().count("no disk left") == 1


@ON_LINUX
def test_one_runs_with_nothing_of_the_users_own(run: RunFolder) -> None:
    """Neither credentials nor proxies of whoever runs the tests reach it."""
    keeper = emulator(run, QUICK).keeper
    (child,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    words = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
    names = {word.partition(b"=")[0].decode() for word in words if word}
    assert names <= {"PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "RCLONE_AUTH_KEY"}
