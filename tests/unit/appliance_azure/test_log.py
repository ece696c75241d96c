"""A line of the log is JSON, in which a query finds what it looks for."""

import json
import logging

import pytest

from appliance_azure.log import FAILED_SESSIONS, write_line


def test_a_line_is_json_of_what_happened(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "coldhaul"):
        write_line(logging.WARNING, "publish", {"session": "S", FAILED_SESSIONS: 1})
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("coldhaul", "WARNING")
    told = {"message": "publish", "session": "S", "failed_sessions": 1}
    assert json.loads(record.getMessage()) == told
    # As it stands in the query of the alert.
    assert '"failed_sessions": 1' in record.getMessage()


def test_a_percent_sign_is_no_place_for_anything(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "coldhaul"):
        write_line(logging.INFO, "plan", {"error": "100 %s"})
    assert json.loads(caplog.records[0].getMessage())["error"] == "100 %s"
