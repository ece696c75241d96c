"""A problem is one line: key path, value, what is wrong, what to do."""

import pytest

from proxy.problems import key_path, problem


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (("jobs", "nightly", "source"), "jobs.nightly.source"),
        (("jobs", "a b", "x"), 'jobs."a b".x'),
        (("jobs", 'a"b'), 'jobs."a\\"b"'),
    ],
)
def test_a_key_is_written_as_in_toml(location: tuple[str, ...], expected: str) -> None:
    assert key_path(location) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x", '"x"'),
        (3, "3"),
        (True, "true"),
        ({"a": 1}, "(a table)"),
        ([1], "(an array)"),
        ("x" * 100, '"' + "x" * 59 + "..."),
    ],
)
def test_a_value_is_shown_short(value: object, shown: str) -> None:
    assert problem(("a", "b"), value, "is wrong", "mend it") == f"a.b = {shown}: is wrong; mend it"


@pytest.mark.parametrize(
    ("location", "value"),
    [
        (("repositories", "v", "encryption", "anything"), "hunter2"),
        (("repositories", "v", "passphrase"), "hunter2"),
        (("repositories", "v", "aws_secret"), "hunter2"),
        (("repositories", "v", "access_key"), 12),
        (("repositories", "v", "url"), "s3://id:hunter2@bucket"),
        (("repositories", "v", "url"), "https://c.example/x?sig=hunter2"),
    ],
)
def test_what_may_be_secret_is_not_repeated(location: tuple[str, ...], value: object) -> None:
    assert "(hidden)" in problem(location, value, "is wrong", "mend it")


def test_braces_in_a_hint_are_only_braces() -> None:
    assert problem(("a",), 1, "{what}", "{hint}") == "a = 1: {what}; {hint}"
