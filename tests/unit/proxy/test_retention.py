"""Retention periods in words."""

import pytest

from core.errors import InputError
from proxy.retention import FOREVER, Retention, parse_retention


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 year", Retention(count=1, unit="year")),
        ("7 years", Retention(count=7, unit="year")),
        ("30 days", Retention(count=30, unit="day")),
        ("6 weeks", Retention(count=6, unit="week")),
        ("18 months", Retention(count=18, unit="month")),
        ("forever", FOREVER),
    ],
)
def test_a_period_is_read_and_written_alike(text: str, expected: Retention) -> None:
    assert parse_retention(text) == expected
    assert str(expected) == text


def test_the_plural_does_not_matter() -> None:
    assert str(parse_retention("1  years")) == "1 year"


@pytest.mark.parametrize(
    "text",
    ["", "7", "years", "0 days", "-1 days", "1.5 years", "1 eon", "Forever", "1\u0667 years"],
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_retention(text)
    assert "7 years" in caught.value.hint


@pytest.mark.parametrize("text", ["101 years", "36501 days", "1201 months"])
def test_more_than_a_century_is_a_slip(text: str) -> None:
    with pytest.raises(InputError, match="100 years"):
        parse_retention(text)
