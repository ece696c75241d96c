"""A call ends with time to close a pack, and before a host that is taken away is."""

import time

from appliance_azure.deadline import call_deadline, whole_deadline
from core.limits import (
    AZURE_CALL_SECONDS_MAX,
    AZURE_FUNCTION_SECONDS_MAX,
    FUNCTION_MARGIN_SECONDS,
)


def test_a_call_that_can_go_on_later_ends_within_the_grace_of_a_host() -> None:
    assert 0 <= call_deadline() - time.monotonic() <= AZURE_CALL_SECONDS_MAX
    assert AZURE_CALL_SECONDS_MAX + FUNCTION_MARGIN_SECONDS < 600


def test_a_call_that_cannot_has_all_the_time_of_a_function() -> None:
    left = whole_deadline() - time.monotonic()
    assert call_deadline() < whole_deadline()
    assert 0 < left <= AZURE_FUNCTION_SECONDS_MAX - FUNCTION_MARGIN_SECONDS
