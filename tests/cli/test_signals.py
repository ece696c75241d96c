"""Ctrl-C stops cleanly, at once, and says how to go on; the second one kills."""

import json
import random
import signal
import subprocess
import time

import pytest

from tests.cli.place import Place

SIZE = 24 << 20
FILES = 12


@pytest.fixture
def ready(place: Place) -> Place:
    """A place with a job and a backup that takes a while to copy."""
    place.drop_encryption()
    place.done("repository", "create", "primary")
    place.done("repository", "create", "vault")
    place.done("job", "create", "nightly")
    numbers = random.Random(7)
    for number in range(FILES):
        (place.tree / f"{number}").write_bytes(numbers.randbytes(SIZE))
    return place


def interrupt(process: "subprocess.Popen[str]", seen: str, number: signal.Signals) -> str:
    """Send a signal once ``seen`` has been said on stderr; return what was said by then."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if seen in line:
            process.send_signal(number)
            return said
    pytest.fail(f"the command ended too early: {said}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_copy_that_is_interrupted_goes_on_where_it_was(
    ready: Place, number: signal.Signals, code: int
) -> None:
    ready.done("backup", str(ready.tree), "--to", "primary")
    process = ready.start("job", "run", "nightly", "--json")
    interrupt(process, "planned", number)
    begun = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - begun < 30
    assert process.returncode == code, err
    assert "what is finished is kept" in err
    session = json.loads(out)["session"]
    assert session["status"] == "Stopped"
    resumed = ready.json("session", "resume", session["id"])["session"]
    assert (resumed["id"], resumed["status"]) == (session["id"], "Success")


def test_people_are_told_the_command_that_goes_on(ready: Place) -> None:
    ready.done("backup", str(ready.tree), "--to", "primary")
    process = ready.start("job", "run", "nightly")
    interrupt(process, "planned", signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    (line,) = [line for line in out.splitlines() if "To go on" in line]
    words = line.split("coldhaul ", 1)[1].split()
    assert ready.done(*words).code == 0


def test_a_backup_that_is_interrupted_publishes_nothing_and_says_so(ready: Place) -> None:
    process = ready.start("backup", str(ready.tree), "--to", "primary")
    interrupt(process, "Scanning", signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"coldhaul backup {ready.tree} --to primary" in err
    assert ready.json("restore-point", "list", "primary")["restore_points"] == []
    ready.done("backup", str(ready.tree), "--to", "primary")


def test_a_second_signal_kills_and_a_rerun_finishes(ready: Place) -> None:
    ready.done("backup", str(ready.tree), "--to", "primary")
    process = ready.start("job", "run", "nightly")
    interrupt(process, "planned", signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    session = ready.json("job", "run", "nightly")["session"]
    assert session["status"] == "Success"
    assert len(ready.json("session", "list", "nightly")["sessions"]) == 1
