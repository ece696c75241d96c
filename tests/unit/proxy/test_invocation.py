"""Common options before, between and after a command's words."""

import json
from pathlib import Path
from typing import Annotated

import pytest
import typer

from proxy.config import DEFAULT_PATH
from proxy.invocation import Invocation, command, new_group

seen: list[tuple[Invocation, str, bool]] = []


def note(
    invocation: Invocation, word: str, is_loud: Annotated[bool, typer.Option("--loud")] = False
) -> int:
    """Note what came in.

    The second paragraph is written
    on two lines.
    """
    seen.append((invocation, word, is_loud))
    invocation.output.show({"word": word})
    return 0


def run(*words: str) -> int:
    app = new_group("All.")
    inner = new_group("Some.")
    command(inner, "note")(note)
    app.add_typer(inner, name="inner")
    seen.clear()
    code = app(list(words), prog_name="coldhaul", standalone_mode=False)
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(
    "words",
    [
        ["--config", "x.toml", "--json", "inner", "note", "w"],
        ["inner", "--config", "x.toml", "--json", "note", "w"],
        ["inner", "note", "--config", "x.toml", "--json", "w"],
        ["--json", "inner", "note", "w", "--config=x.toml"],
        ["--config", "first.toml", "--json", "inner", "note", "w", "--config", "x.toml"],
    ],
)
def test_common_options_may_stand_anywhere(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 0
    (invocation, word, is_loud) = seen[0]
    assert (invocation.config_path, word, is_loud) == (Path("x.toml"), "w", False)
    assert json.loads(capsys.readouterr().out) == {"word": "w"}


def test_a_command_keeps_its_own_options() -> None:
    run("inner", "note", "w", "--loud")
    invocation, _, is_loud = seen[0]
    assert is_loud
    assert (invocation.config_path, invocation.is_json) == (DEFAULT_PATH, False)


def test_help_breaks_lines_where_the_terminal_does(capsys: pytest.CaptureFixture[str]) -> None:
    run("inner", "note", "--help")
    assert "The second paragraph is written on two lines." in capsys.readouterr().out


def test_a_command_to_go_on_with_can_be_typed_as_it_is() -> None:
    plain = Invocation(config_path=DEFAULT_PATH, is_json=False)
    assert plain.command_line("job", "run", "n") == "coldhaul job run n"
    other = Invocation(config_path=Path("my config.toml"), is_json=True)
    assert other.command_line("job", "run") == "coldhaul job run --config 'my config.toml'"
