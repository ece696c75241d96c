"""A function's environment does to it what Lambda's does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tests.emulators.function_process import Event, FunctionProcess, NotStartedError, Outcome
from tests.emulators.programs import INSTALLED
from tests.support.waiting import wait_until

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's memory")
PATIENCE_SECONDS = 60.0
EVENT = Event(
    request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    function_arn="arn:aws:lambda:us-east-1:000000000000:function:one",
    trace_id="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
    payload='{"name": "x"}',
)

Make = Callable[..., FunctionProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[FunctionProcess] = []

    def make(code: str, *, seconds: float = 60, mebibytes: int = 512) -> FunctionProcess:
        (tmp_path / "one.py").write_text(code)
        made.append(
            FunctionProcess(
                command(),
                {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
                code=tmp_path,
                seconds=seconds,
                mebibytes=mebibytes,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.stop()


def command() -> list[str]:
    python = INSTALLED / "lambda/bin/python"
    assert python.exists(), f"{python} is missing; run: sh scripts/emulators.sh"
    return [str(python), str(Path(__file__).with_name("start_function.py")), "one.handler"]


def call(function: FunctionProcess) -> Outcome:
    return function.call(EVENT, PATIENCE_SECONDS)


def value(outcome: Outcome) -> Any:  # noqa: ANN401  # JSON.
    assert not outcome.is_error, outcome
    return json.loads(outcome.payload)


def error(outcome: Outcome) -> dict[str, Any]:
    assert outcome.is_error, outcome
    found: dict[str, Any] = json.loads(outcome.payload)
    return found


def is_running(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_function_gets_its_event_and_its_answer_comes_back(make: Make) -> None:
    function = make(
        """
def handler(event, context):
    print("called")
    return [event, context.aws_request_id, context.get_remaining_time_in_millis() // 1000]
"""
    )
    outcome = call(function)
    event, request_id, seconds = value(outcome)
    assert (event, request_id) == ({"name": "x"}, EVENT.request_id)
    assert 50 < seconds <= 60
    assert "called" in outcome.log
    assert "called" in call(function).log


def test_what_a_function_raises_is_named_with_its_class(make: Make) -> None:
    function = make(
        """
class StoreError(Exception):
    pass

def handler(event, context):
    raise StoreError("the bucket is gone")
"""
    )
    assert error(call(function))["errorType"] == "StoreError"
    assert error(call(function))["errorMessage"] == "the bucket is gone"


def test_a_module_that_cannot_be_loaded_is_said(make: Make) -> None:
    function = make("import not_there\n")
    with pytest.raises(NotStartedError, match="No module named 'not_there'") as raised:
        function.start(PATIENCE_SECONDS)
    assert json.loads(raised.value.payload)["errorType"] == "Runtime.ImportModuleError"


def test_a_start_that_failed_is_tried_once_more(make: Make, tmp_path: Path) -> None:
    function = make(
        """
import pathlib

seen = pathlib.Path(__file__).with_name("seen")
if not seen.exists():
    seen.touch()
    import not_there

def handler(event, context):
    return "loaded"
"""
    )
    assert value(call(function)) == "loaded"
    assert (tmp_path / "seen").exists()


def test_a_function_that_dies_is_started_anew(make: Make) -> None:
    function = make(
        """
import os
count = 0

def handler(event, context):
    global count
    count += 1
    if count == 2:
        os._exit(3)
    return count
"""
    )
    assert value(call(function)) == 1
    died = error(call(function))
    assert died["errorType"] == "Runtime.ExitError"
    assert died["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert value(call(function)) == 1


def test_the_time_limit_kills_a_function_with_all_it_started(make: Make, tmp_path: Path) -> None:
    function = make(
        f"""
import subprocess, time

# As it loads, which no limit of a call's cuts short.
child = subprocess.Popen(["sleep", "600"])
open({str(tmp_path / "child")!r}, "w").write(str(child.pid))

def handler(event, context):
    time.sleep(600)
""",
        seconds=1,
    )
    assert error(call(function)) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {EVENT.request_id} Error: Task timed out after 1.00 seconds",
    }
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not is_running(child))


@ON_LINUX
def test_a_function_that_takes_more_memory_than_it_has_is_killed(make: Make) -> None:
    function = make(
        """
import time

def handler(event, context):
    taken = b"x" * (200 << 20)
    time.sleep(600)
    return len(taken)
""",
        mebibytes=128,
    )
    died = error(call(function))
    assert died["errorType"] == "Runtime.ExitError"
    assert died["errorMessage"].endswith("signal: killed")


def test_locks_between_processes_are_lacking_as_in_lambda(make: Make) -> None:
    function = make(
        """
import multiprocessing

def handler(event, context):
    multiprocessing.get_context("spawn").Lock()
"""
    )
    assert "Function not implemented" in error(call(function))["errorMessage"]


def test_a_function_ends_with_whoever_started_it(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import os\ndef handler(event, context): return os.getpid()\n")
    code = f"""
import json, os, pathlib, sys, time
from tests.emulators.function_process import Event, FunctionProcess
function = FunctionProcess(
    {command()!r}, {{"PATH": os.environ["PATH"], "PYTHONPATH": {str(tmp_path)!r}}},
    code=pathlib.Path({str(tmp_path)!r}), seconds=60, mebibytes=512)
event = Event(request_id="1", function_arn="", trace_id="Root=1", payload="null")
print(function.call(event, 60).payload.decode(), flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        pid = int(other.stdout.readline())
        os.kill(pid, 0)
        other.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_running(pid), lambda: f"process {pid} outlives its parent")
