"""Days of the week, read in any order and written in one."""

import pytest

from core.errors import InputError
from proxy.weekdays import EVERY_DAY, parse_weekdays, show_weekdays


@pytest.mark.parametrize(
    ("text", "days", "written"),
    [
        ("Mon", (0,), "Mon"),
        ("Mon-Fri", (0, 1, 2, 3, 4), "Mon-Fri"),
        ("workdays", (0, 1, 2, 3, 4), "Mon-Fri"),
        ("weekends", (5, 6), "Sat-Sun"),
        ("Wed,Mon", (0, 2), "Mon,Wed"),
        ("Fri-Mon", (0, 4, 5, 6), "Mon,Fri-Sun"),
        ("Mon-Tue,Thu,Sat-Sun", (0, 1, 3, 5, 6), "Mon-Tue,Thu,Sat-Sun"),
        ("Mon-Sun", EVERY_DAY, "Mon-Sun"),
        ("Tue-Mon", EVERY_DAY, "Mon-Sun"),
    ],
)
def test_days_are_read_and_written(text: str, days: tuple[int, ...], written: str) -> None:
    assert parse_weekdays(text) == days
    assert show_weekdays(days) == written


@pytest.mark.parametrize(
    "text",
    ["", "mon", "Monday", "Mon-", "-Mon", "Mon-Mon", "Mon,Mon", "Mon-Wed,Tue", "Mon Fri", "Mon,"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_weekdays(text)
    assert "workdays" in caught.value.hint
