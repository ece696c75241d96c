"""A call ends before Lambda ends it, with time to close a pack."""

import time
from dataclasses import dataclass

import pytest

from appliance_aws.deadline import deadline_of
from core.limits import FUNCTION_MARGIN_SECONDS


@dataclass(frozen=True)
class Remaining:
    """A context with so much time left."""

    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return round(1000 * self.seconds)


@pytest.mark.parametrize(
    ("remaining", "work"),
    [
        (900, 900 - FUNCTION_MARGIN_SECONDS),
        (2 * FUNCTION_MARGIN_SECONDS, FUNCTION_MARGIN_SECONDS),
        (20, 10),
        (0, 0),
        (-5, 0),
    ],
)
def test_what_is_left_is_enough_to_close_a_pack(remaining: float, work: float) -> None:
    before = time.monotonic()
    assert 0 <= deadline_of(Remaining(remaining)) - before - work < 5
