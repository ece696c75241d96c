"""How often something happens."""

import pytest

from core.errors import InputError
from proxy.interval import parse_interval


@pytest.mark.parametrize(
    ("text", "seconds"), [("1 s", 1), ("30 s", 30), ("1  min", 60), ("2 h", 7200), ("24 h", 86400)]
)
def test_an_interval_is_read(text: str, seconds: int) -> None:
    assert parse_interval(text) == seconds


@pytest.mark.parametrize("text", ["", "0 s", "30", "1min", "-1 s", "1 day", "1.5 min", "25 h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_interval(text)
    assert caught.value.hint
