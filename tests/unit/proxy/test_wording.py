"""Sizes, counts, times and paths in words."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wording import (
    path_fields,
    show_count,
    show_duration,
    show_path,
    show_rate,
    show_size,
    show_text,
    show_time,
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1024, "1.00 KiB"),
        (1023 * 1024, "1.00 MiB"),
        (10 << 20, "10.0 MiB"),
        (512 << 20, "512 MiB"),
        (3 << 30, "3.00 GiB"),
        (5 << 60, "5120 PiB"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(size: int, expected: str) -> None:
    assert show_size(size) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 items"), (1, "1 item"), (12345, "12,345 items")]
)
def test_a_count_agrees_with_its_noun(count: int, expected: str) -> None:
    assert show_count(count, "item") == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (9.5, "9.5 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7260, "2 h 1 min")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, expected: str) -> None:
    assert show_duration(seconds) == expected


def test_a_rate_is_said_only_when_there_is_one() -> None:
    assert show_rate(10 << 20, 2) == "5.00 MiB/s"
    assert show_rate(0, 2) == ""
    assert show_rate(5, 0) == ""


def test_a_time_is_written_to_the_second() -> None:
    moment = datetime(2026, 3, 1, 2, 3, 4, 567890, tzinfo=UTC)
    assert show_time(moment) == "2026-03-01 02:03:04 UTC"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"a/b c", "a/b c"),
        ("grüße".encode(), "grüße"),
        (b"a\nb", '"a\\nb"'),
        (b"a\xffb", '"a\\xffb"'),
        (b"a\\xffb", "a\\xffb"),
        (b"\x1b[2J", '"\\x1b[2J"'),
        (b'"a"', '"\\"a\\""'),
        ("a\u202eb".encode(), '"a\\u202eb"'),
    ],
)
def test_a_path_cannot_harm_a_terminal(path: bytes, expected: str) -> None:
    assert show_path(path) == expected


@given(st.binary(), st.binary())
def test_different_paths_are_shown_differently(one: bytes, other: bytes) -> None:
    assert (show_path(one) == show_path(other)) == (one == other)


@given(st.binary())
def test_a_path_survives_json(path: bytes) -> None:
    fields = json.loads(json.dumps(path_fields(path)))
    again = bytes.fromhex(fields["path_hex"]) if "path_hex" in fields else fields["path"].encode()
    assert again == path


@given(st.text())
def test_a_text_from_elsewhere_stays_on_its_line(text: str) -> None:
    assert show_text(text).isprintable()
