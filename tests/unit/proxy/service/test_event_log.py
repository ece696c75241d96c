"""Events: one a line, whole, and nothing that could break a line."""

import io
import json
from datetime import UTC, datetime

from core.errors import InputError
from proxy.service.event_log import EventLog

MOMENT = datetime(2026, 5, 4, 22, 0, 0, 123456, tzinfo=UTC)


def written(*, is_json: bool) -> tuple[EventLog, io.StringIO]:
    stream = io.StringIO()
    return EventLog(stream, is_json=is_json, clock=lambda: MOMENT), stream


def test_an_event_is_one_object_a_line() -> None:
    log, stream = written(is_json=True)
    log.info("session ended", job="nightly", session=None, count=3, reasons=["a", "b"])
    log.warning("note", message="two\nlines")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {
        "time": "2026-05-04T22:00:00.123+00:00",
        "level": "info",
        "event": "session ended",
        "job": "nightly",
        "count": 3,
        "reasons": ["a", "b"],
    }
    assert second["message"] == "two\nlines"


def test_people_read_the_same_as_words() -> None:
    log, stream = written(is_json=False)
    log.info("session ended", job="nightly", message="all is\nwell \x1b[31m", reasons=["a", "b c"])
    assert stream.getvalue() == (
        "2026-05-04T22:00:00.123+00:00 info session ended job=nightly "
        'message="all is\\\\nwell \\\\x1b[31m" reasons="a; b c"\n'
    )


def test_an_error_is_logged_with_all_its_parts() -> None:
    log, stream = written(is_json=True)
    log.refusal("refused", InputError("no", hint="do", problems=["a", "b"]), job="nightly")
    event = json.loads(stream.getvalue())
    assert (event["level"], event["category"], event["message"]) == ("error", "input", "no")
    assert (event["problems"], event["hint"], event["job"]) == (["a", "b"], "do", "nightly")


class Gone(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_when_nobody_reads_the_work_goes_on() -> None:
    log = EventLog(Gone(), is_json=True)
    log.info("one")
    log.info("two")
