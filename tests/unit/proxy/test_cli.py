"""The command as a whole: what it offers, how it refuses."""

import re

import pytest

from proxy.cli import spell_out
from tests.cli.place import Place

COMMANDS = [
    "init",
    "repository",
    "backup",
    "job",
    "session",
    "restore-point",
    "item",
    "restore",
    "verify",
    "rebuild",
    "key",
]


def test_help_names_every_command(place: Place) -> None:
    answer = place.run("--help")
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", answer.out)


def test_without_a_command_help_is_shown_and_nothing_done(place: Place) -> None:
    answer = place.spawn()
    assert answer.code == 2
    assert "Usage: coldhaul" in answer.out


def test_the_version_is_said(place: Place) -> None:
    answer = place.spawn("--version")
    assert answer.code == 0
    assert re.fullmatch(r"coldhaul (\d+\.\d+\.\d+\S*|\(run from its source tree\))\n", answer.out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["repository", "creat", "x"], "creat"),
        (["repository", "create"], "Missing argument"),
        (["key", "list", "vault", "--frobnicate"], "--frobnicate"),
    ],
)
def test_a_wrong_command_line_is_an_input_error(place: Place, words: list[str], said: str) -> None:
    answer = place.run(*words)
    assert answer.code == 2
    assert said in answer.err
    assert "--help" in answer.err
    error = place.json(*words, code=2)["error"]
    assert (error["category"], error["exit_code"]) == ("input", 2)


def test_a_broken_configuration_lists_every_problem_as_an_object(place: Place) -> None:
    place.edit("version = 1", "version = 9")
    place.edit('"daily 22:00"', '"hourly"')
    error = place.json("repository", "check", "vault", code=2)["error"]
    assert [problem.split(" = ")[0] for problem in error["problems"]] == [
        "version",
        "jobs.nightly.schedule",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["verify", "v", "--read-data"], ["verify", "v", "--read-data=all"]),
        (["verify", "--read-data", "v"], ["verify", "--read-data=all", "v"]),
        (["verify", "--read-data", "10%", "v"], ["verify", "--read-data=10%", "v"]),
        (["verify", "--read-data=5%", "v"], ["verify", "--read-data=5%", "v"]),
        (["verify", "10%"], ["verify", "10%"]),
    ],
)
def test_an_option_may_have_a_value_or_none(words: list[str], expected: list[str]) -> None:
    assert spell_out(words) == expected
