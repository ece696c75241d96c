"""Every way to end has its code, its words and, asked for, its object."""

import json
import re
from pathlib import Path

import pytest

from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from proxy.exits import report_usage, run_command
from proxy.interrupt import InterruptedRunError
from proxy.output import Output


def end_with(error: BaseException, *, is_json: bool = False) -> int:
    def body() -> int:
        raise error

    return run_command(body, Output(is_json=is_json))


@pytest.mark.parametrize("code", [0, 8])
def test_a_command_that_ends_well_names_its_code(code: int) -> None:
    assert run_command(lambda: code, Output(is_json=False)) == code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (InputError, 2),
        (NotFoundError, 3),
        (ConflictError, 4),
        (NotReadyError, 5),
        (StoreError, 6),
        (IntegrityError, 7),
    ],
)
def test_each_category_has_its_code(kind: type[ColdhaulError], code: int) -> None:
    assert end_with(kind("wrong")) == code


def test_people_get_the_message_every_problem_and_the_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problems, items = ["one [b]", "two"], ["a\x1b", "b\udc80"]
    end_with(InputError("two things\x07", problems=problems, items=items, hint="mend them"))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: two things\\x07",
        "  - one [b]",
        "  - two",
        "  - a\\x1b",
        "  - b\\x80",
        "hint: mend them",
    ]


def test_very_many_problems_do_not_scroll_the_message_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = ConflictError("in the way", problems=[f"item {number}" for number in range(1_000)])
    end_with(error, is_json=True)
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 102
    assert "900 more" in printed.err
    assert len(json.loads(printed.out)["error"]["problems"]) == 1_000


def test_programs_get_the_error_as_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    end_with(StoreError("full", problems=["p"], items=["a/b"], hint="make room"), is_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "error": {
            "category": "store",
            "exit_code": 6,
            "message": "full",
            "problems": ["p"],
            "items": ["a/b"],
            "hint": "make room",
        }
    }


@pytest.mark.parametrize("error", [AssertionError("we erred"), KeyError("k"), OSError(5, "io")])
def test_a_bug_keeps_its_traceback_in_a_file_and_asks_for_a_report(
    error: Exception,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert end_with(error) == 1
    printed = capsys.readouterr().err
    assert "bug in coldhaul" in printed
    assert "Please report it" in printed
    match = re.search(r"the file (\S+\.txt)", printed)
    assert match
    kept = Path(match.group(1))
    assert "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_a_bug_is_an_object_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    end_with(AssertionError("we erred"), is_json=True)
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["category"], error["exit_code"]) == ("bug", 1)


def test_damage_without_a_hint_of_its_own_still_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert end_with(IntegrityError("it is damaged")) == 7
    assert "hint: 'coldhaul verify' says what suffers" in capsys.readouterr().err
    end_with(IntegrityError("it is damaged", hint="look here"))
    assert capsys.readouterr().err.endswith("hint: look here\n")


def test_ctrl_c_outside_of_long_work_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_with(KeyboardInterrupt(), is_json=True) == 130
    printed = capsys.readouterr()
    assert "interrupted" in printed.err
    assert json.loads(printed.out)["error"]["category"] == "interrupted"


def test_work_that_was_interrupted_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    error = InterruptedRunError("it was stopped", "To go on: coldhaul job run n", 143)
    assert end_with(error) == 143
    assert capsys.readouterr().err.endswith("hint: To go on: coldhaul job run n\n")


def test_a_wrong_command_line_names_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    report_usage(Output(is_json=False), "No such option: --x", "coldhaul verify")
    assert "coldhaul verify --help" in capsys.readouterr().err
