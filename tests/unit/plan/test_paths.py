"""Hostile paths are refused, shown harmlessly, and found by patterns as a shell would."""

import pytest

from core.errors import InputError
from core.plan.paths import Selection, ancestors, display_path, path_problem


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/etc/passwd",
        b"..",
        b"../x",
        b"a/../x",
        b"a/..",
        b".",
        b"./x",
        b"a/./x",
        b"a//x",
        b"a/",
        b"a\0b",
        b"x" * 256,
        b"a/" + b"x" * 256 + b"/b",
        b"a/" * 40_000 + b"b",
    ],
)
def test_a_path_that_leads_elsewhere_or_cannot_be_is_refused(path: bytes) -> None:
    assert path_problem(path)


@pytest.mark.parametrize(
    "path",
    [b"a", b"...", b"..a", b"a..", b".a/b.", b"-rf", b"\xff\xfe", b"new\nline", b"x" * 255, b"\\"],
)
def test_an_odd_path_that_is_legal_is_not_refused(path: bytes) -> None:
    assert path_problem(path) == ""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"plain name", "plain name"),
        ("Grüße/日本語".encode(), "Grüße/日本語"),
        (b"bad\xff", "bad\\xff"),
        (b"new\nline", "new\\nline"),
        (b"red\x1b[31m", "red\\x1b[31m"),
        ("right-to-left\u202e".encode(), "right-to-left\\u202e"),
    ],
)
def test_a_path_is_shown_without_what_a_terminal_obeys(path: bytes, text: str) -> None:
    assert display_path(path) == text


def test_ancestors_come_nearest_first() -> None:
    assert list(ancestors(b"a/b/c")) == [b"a/b", b"a"]
    assert list(ancestors(b"a")) == []


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("a", [b"a", b"a/b", b"a/b/c"], [b"ab", b"b/a", b"A"]),
        ("a/", [b"a", b"a/b"], [b"ab"]),
        ("./a", [b"a"], [b"b"]),
        ("a/b", [b"a/b", b"a/b/c"], [b"a", b"a/bc", b"x/a/b"]),
        ("*.txt", [b"x.txt", b".txt", b"x.txt/below"], [b"d/x.txt", b"x.txtx"]),
        ("*", [b"a", b"a/b", b".hidden", b"new\nline"], []),
        ("*/b", [b"a/b", b"a/b/c"], [b"b", b"a/c/b"]),
        ("**", [b"a", b"a/b/c"], []),
        ("**/b", [b"b", b"a/b", b"a/c/b", b"a/b/c"], [b"ab", b"a/bc"]),
        ("a/**", [b"a/b", b"a/b/c"], [b"a", b"ab/c"]),
        ("a/**/z", [b"a/z", b"a/b/z", b"a/b/c/z"], [b"z", b"a/b"]),
        ("a**z", [b"az", b"a/b/z", b"abcz"], [b"a/b", b"b/z"]),
        ("?", [b"a", "é".encode(), b"\xff"], [b"ab", b""]),
        ("a?c", [b"abc"], [b"a/c", b"ac"]),
        ("[a-c]", [b"a", b"c"], [b"d", b"-"]),
        ("[!a-c]", [b"d", b"-"], [b"a"]),
        ("[^a]", [b"b"], [b"a"]),
        ("a[!b]c", [b"axc"], [b"a/c", b"abc"]),
        ("a[.-0]c", [b"a.c", b"a0c"], [b"a/c"]),
        ("[]]", [b"]"], [b"a"]),
        ("[a-]", [b"a", b"-"], [b"b"]),
        ("[z-a]x", [], [b"zx", b"ax", b"mx"]),
        ("[é]", ["é".encode()], [b"e"]),
        ("[[&|~]", [b"[", b"&", b"|", b"~"], [b"a"]),
        ("\\*", [b"*"], [b"a"]),
        ("a\\", [b"a\\"], [b"a"]),
        ("a.c", [b"a.c"], [b"abc"]),
        ("(a|b)+$", [b"(a|b)+$"], [b"a"]),
        ("\udcff*", [b"\xff", b"\xffx"], [b"\xfe"]),
        ("new\nline", [b"new\nline"], [b"new"]),
    ],
)
def test_a_pattern_takes_what_a_shell_would(
    pattern: str, taken: list[bytes], left: list[bytes]
) -> None:
    selection = Selection([pattern])
    assert [path for path in (*taken, *left) if selection.takes(path)] == taken


def test_no_pattern_takes_everything() -> None:
    selection = Selection([])
    assert selection.takes_all
    assert selection.takes(b"anything")
    assert selection.unmatched() == ()


def test_several_patterns_take_what_any_of_them_takes() -> None:
    selection = Selection(["a", "*.txt"])
    assert [path for path in (b"a", b"b", b"c.txt") if selection.takes(path)] == [b"a", b"c.txt"]


def test_a_pattern_that_took_nothing_is_told() -> None:
    selection = Selection(["a", "b", "a*"])
    assert selection.unmatched() == ("a", "b", "a*")
    assert selection.takes(b"ab/c")
    assert selection.unmatched() == ("a", "b")
    assert selection.takes(b"a")
    assert selection.unmatched() == ("b",)


@pytest.mark.parametrize("pattern", ["", "/", "/etc", "a//b", "../a", "a/../b", "a/./b", ".", "./"])
def test_a_pattern_that_can_fit_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="fits no item"):
        Selection([pattern])


@pytest.mark.parametrize("pattern", ["[", "a[b", "[!]", "[]"])
def test_a_bracket_that_is_not_closed_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="without its"):
        Selection([pattern])
