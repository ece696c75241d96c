"""Answers go to stdout, everything else to stderr; JSON is exactly one object."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import IntegrityError
from proxy.output import Output, add_row, make_table


def rows(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"number": number, "text": "ü\n"}


def test_json_is_one_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=True).show({"a": [1, 2], "b": "ü\u2028"}, "for people")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"a": [1, 2], "b": "ü\u2028"}
    assert printed.out.isascii()
    assert printed.err == ""


def test_people_get_the_words_instead(capsys: pytest.CaptureFixture[str]) -> None:
    table = make_table("name", "size", right=["size"])
    add_row(table, "[bold]x[/bold]\x1b[2J", 12)
    Output(is_json=False).show({"a": 1}, "One line.", table)
    printed = capsys.readouterr().out
    assert "One line." in printed
    assert "[bold]x[/bold]\\x1b[2J" in printed
    assert "\x1b" not in printed


def test_no_text_is_taken_for_a_style_or_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    output, text = Output(is_json=False), "arn:aws:secretsmanager:eu:1:secret:[bold]vault[/bold]"
    table = make_table("arn")
    add_row(table, text)
    output.show({}, text, table)
    output.say(text)
    printed = capsys.readouterr()
    assert printed.out.count(text) == 2
    assert text in printed.err


def test_a_wide_row_stays_one_line_where_no_terminal_limits_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = make_table("id")
    add_row(table, "x" * 500)
    Output(is_json=False).show({}, table, "y" * 500)
    assert {line.strip() for line in capsys.readouterr().out.splitlines()} >= {"x" * 500, "y" * 500}


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("head", [{}, {"point": "p", "counts": {"a": 1}}])
def test_a_stream_of_any_length_is_one_object(
    capsys: pytest.CaptureFixture[str], count: int, head: dict[str, Any]
) -> None:
    Output(is_json=True).stream(head, "items", rows(count), [])
    assert json.loads(capsys.readouterr().out) == {**head, "items": list(rows(count))}


def test_a_stream_that_fails_leaves_stdout_untouched(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield {"number": 1}
        raise IntegrityError("damaged")

    with pytest.raises(IntegrityError):
        Output(is_json=True).stream({}, "items", broken(), [])
    assert capsys.readouterr().out == ""


def test_people_get_a_stream_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=False).stream({}, "items", rows(3), ["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"


def test_what_is_said_on_the_way_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(is_json=True)
    output.say("a [red]line[/red]\x07")
    output.warn("look")
    printed = capsys.readouterr()
    assert printed.err == "a [red]line[/red]\\x07\nwarning: look\n"
    assert printed.out == ""
