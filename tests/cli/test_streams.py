"""What goes where: one object on stdout, everything else on stderr, whatever they lead to."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.place import PASSPHRASE, ROOT, Place

ESCAPE = "\x1b"


@pytest.fixture
def primary(place: Place) -> Place:
    """A place with the hot repository and something to back up."""
    place.done("repository", "create", "primary")
    for number in range(50):
        (place.tree / f"file {number}").write_bytes(b"%d" % number)
    return place


def test_json_has_stdout_to_itself(primary: Place) -> None:
    answer = primary.spawn("--json", "backup", str(primary.tree), "--to", "primary")
    assert answer.code == 0
    assert json.loads(answer.out)["restore_point"]["item_count"] == 50
    assert "Reading" in answer.err


def test_no_terminal_means_no_escape_sequences(primary: Place) -> None:
    answer = primary.spawn("backup", str(primary.tree), "--to", "primary")
    assert ESCAPE not in answer.out + answer.err


def test_whoever_stops_reading_ends_the_command_quietly(primary: Place) -> None:
    process = primary.start("repository", "check", "primary")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141
    assert err == ""


@pytest.mark.parametrize("words", [["key", "list", "vault"], ["key", "list", "vault", "--json"]])
def test_an_answer_that_finds_the_disk_full_is_a_store_error(
    primary: Place, words: list[str]
) -> None:
    primary.done("repository", "create", "vault")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from proxy.start import main; main()", *words],
            cwd=primary.root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 6
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def run_on_terminal(place: Place, *words: str, code: int = 0, **environment: str) -> str:
    """Run a command whose stderr is a terminal; return all that appeared there."""
    master, slave = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from proxy.start import main; main()", *words],
        cwd=place.root,
        env={**plain, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
        stdout=subprocess.DEVNULL,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 1 << 16)
        except OSError:
            # The terminal's other end is closed: the command is over.
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait(60) == code
    return shown.decode()


def test_a_terminal_gets_a_live_line(primary: Place) -> None:
    shown = run_on_terminal(primary, "backup", str(primary.tree), "--to", "primary")
    assert ESCAPE in shown
    assert "Reading" in shown


def test_no_color_is_respected(primary: Place) -> None:
    primary.edit("version = 1", "version = 1\nnonsense = 1")
    words = ("repository", "check", "primary")
    environments: list[tuple[dict[str, str], bool]] = [({}, True), ({"NO_COLOR": "1"}, False)]
    for environment, is_coloured in environments:
        shown = run_on_terminal(primary, *words, code=2, **environment)
        assert "nonsense" in shown
        assert (f"{ESCAPE}[1;31m" in shown) is is_coloured


def test_a_passphrase_appears_nowhere(primary: Place) -> None:
    answers = [
        primary.run("repository", "create", "vault"),
        primary.run("repository", "check", "vault"),
        primary.run("job", "create", "nightly"),
        primary.run("backup", str(primary.tree), "--to", "primary"),
        primary.run("job", "run", "nightly"),
        primary.run("key", "list", "vault", "--json"),
    ]
    for answer in answers:
        assert PASSPHRASE not in answer.out + answer.err
    for path in (primary.root / "vault").rglob("*"):
        assert not path.is_file() or PASSPHRASE.encode() not in path.read_bytes()
