"""Backup windows, read and written."""

import pytest

from core.errors import InputError
from proxy.window import Window, parse_window


@pytest.mark.parametrize(
    "text", ["20:00-06:00", "00:00-24:00", "Mon-Fri 20:00-06:00", "Sat-Sun 08:30-24:00"]
)
def test_a_window_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_window(text)) == text


def test_a_window_knows_its_span() -> None:
    assert parse_window("weekends  22:30-06:00") == Window(days=(5, 6), begin=1350, end=360)
    assert parse_window("22:30-06:00").ends_next_day
    assert not parse_window("06:00-24:00").ends_next_day


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a window"),
        ("Mon-Fri", "not a window"),
        ("20:00", "not a window"),
        ("24:00-06:00", "not a window"),
        ("8:00-09:00", "not a window"),
        ("08:00-24:01", "after 24:00"),
        ("08:00-08:00", "when it begins"),
        ("Mo 08:00-09:00", "no day"),
    ],
)
def test_anything_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_window(text)
    assert caught.value.hint
