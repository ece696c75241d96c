"""Who is told what, and what happens to a notice that cannot be sent."""

import io
import json
import socket
import time
from dataclasses import replace
from typing import Any, cast

import pytest

from core import limits
from core.engine.run import SessionOutcome
from core.engine.state import DamagedItem, Report, Transfer
from core.errors import IntegrityError, StoreError
from core.ids import PointId, SessionId
from core.model import SessionStatus
from core.plan.placement import NOT_CONFIGURED, fallback_reason
from proxy.service import webhook
from proxy.service.event_log import EventLog
from proxy.service.metrics import Metrics
from proxy.service.notices import Notice, Notifier, error_notice, outcome_notice
from proxy.service_tables import NotifyTable
from tests.support.receivers import mail_receiver, web_receiver
from tests.support.waiting import wait_until

NOTICE = Notice(proxy="hq", job="nightly", time="now", status="Failed", reasons=("why",))


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_WAIT_FACTOR", 0)


def hook(url: str, *on: str) -> NotifyTable:
    return NotifyTable.model_validate({"kind": "webhook", "url": url, "on": list(on)})


def notifier() -> tuple[Notifier, io.StringIO, Metrics]:
    stream, metrics = io.StringIO(), Metrics()
    return Notifier(EventLog(stream, is_json=True), metrics), stream, metrics


def fates(metrics: Metrics) -> list[float]:
    """Return how many notices were sent, and how many lost."""
    return [metrics.notices.labels("ops", fate)._value.get() for fate in ("sent", "lost")]


def test_an_outcome_is_told_in_counts() -> None:
    outcome = SessionOutcome(
        session_id=SessionId("a" * 32),
        source_point=PointId("p"),
        status=SessionStatus.FAILED,
        record=None,
        report=Report(reasons=("1 item",), items=(DamagedItem(path="61", reason="gone"),)),
        plan=None,
        transfer=Transfer(pack_count=1, blob_count=2, content_size=30, stored_size=4),
        seconds=1.23456,
    )
    assert outcome_notice("hq", "nightly", "now", outcome, NOT_CONFIGURED).document() == {
        "proxy": "hq",
        "job": "nightly",
        "time": "now",
        "status": "Failed",
        "reasons": ("1 item",),
        "session": "a" * 32,
        "source_point": "p",
        "restore_point": "",
        "damaged_item_count": 1,
        "blob_count": 2,
        "pack_count": 1,
        "content_size": 30,
        "stored_size": 4,
        "seconds": 1.235,
    }


def test_a_fallback_is_urgent_however_well_it_ended() -> None:
    outcome = SessionOutcome(
        session_id=SessionId("a" * 32),
        source_point=PointId("p"),
        status=SessionStatus.SUCCESS,
        record=None,
        report=None,
        plan=None,
        transfer=Transfer(),
        seconds=1.0,
    )
    why = fallback_reason(StoreError("the stack is gone"))
    told = outcome_notice("hq", "nightly", "now", outcome, why)
    assert (told.status, told.is_urgent, told.reasons) == ("Success", True, (why,))
    quiet = outcome_notice("hq", "nightly", "now", outcome, NOT_CONFIGURED)
    assert (quiet.is_urgent, quiet.reasons) == (False, ())


def test_damage_is_urgent_and_other_errors_are_not() -> None:
    damage = error_notice("hq", "nightly", "now", IntegrityError("bad", problems=["x"]), "s")
    assert (damage.status, damage.is_urgent, damage.reasons) == ("Error", True, ("bad", "x"))
    away = error_notice("hq", "nightly", "now", StoreError("away", hint="wait"), "")
    assert (away.is_urgent, away.reasons) == (False, ("away", "wait"))


def test_those_are_told_who_chose_the_status_and_all_of_what_is_urgent() -> None:
    with web_receiver(200) as one, web_receiver(200) as other:
        receivers = {"one": hook(one.url, "Failed"), "other": hook(other.url, "Success")}
        notices, _, metrics = notifier()
        notices.tell(receivers, NOTICE)
        urgent = error_notice("hq", "nightly", "now", IntegrityError("bad"), "")
        notices.tell(receivers, urgent)
        notices.close()
    assert [each["status"] for each in one.received] == ["Failed", "Error"]
    assert [each["status"] for each in other.received] == ["Error"]
    assert metrics.notices.labels("one", "sent")._value.get() == 2


def test_what_cannot_be_sent_is_logged_and_counted() -> None:
    with web_receiver(500) as receiver:
        notices, stream, metrics = notifier()
        notices.tell({"ops": hook(receiver.url, "Failed")}, NOTICE)
        notices.close()
    event = json.loads(stream.getvalue())
    assert (event["event"], event["notify"], event["job"]) == ("notice lost", "ops", "nightly")
    assert "hunter2" not in stream.getvalue()
    assert metrics.notices.labels("ops", "lost")._value.get() == 1


def test_the_end_of_the_service_waits_for_nobody_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "NOTICE_DRAIN_SECONDS", 0)
    monkeypatch.setattr(limits, "NOTICE_QUEUE_MAX", 2)
    with web_receiver(200) as receiver:
        notices, _, metrics = notifier()
        begun = time.monotonic()
        for _ in range(50):
            notices.tell({"ops": hook(receiver.url, "Failed")}, NOTICE)
        notices.close()
        assert time.monotonic() - begun < limits.NOTICE_TIMEOUT_SECONDS
        # One may be on its way yet.
        wait_until(lambda: sum(fates(metrics)) >= 50)
    assert fates(metrics)[1] > 0


def test_what_is_being_sent_when_the_service_ends_is_told_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "NOTICE_DRAIN_SECONDS", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        notices, stream, metrics = notifier()
        port = silent.getsockname()[1]
        notices.tell({"ops": hook(f"http://127.0.0.1:{port}", "Failed")}, NOTICE)
        connection, _ = silent.accept()
        with connection:
            notices.close()
            event = json.loads(stream.getvalue())
            lost = metrics.notices.labels("ops", "lost")._value.get()
    assert (event["event"], event["notify"], event["job"]) == ("notice lost", "ops", "nightly")
    assert lost == 1


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_a_sender_loses_one_notice_and_no_other() -> None:
    with mail_receiver() as mail, web_receiver(200) as web:
        values = {"kind": "mail", "host": "127.0.0.1", "port": mail.port, "security": "none"}
        letter = NotifyTable.model_validate({**values, "from": "a@example.com", "to": ["b@c.org"]})
        notices, stream, metrics = notifier()
        # What no notice has: the letter's text is written of a tuple.
        odd = replace(NOTICE, reasons=cast(Any, ["hunter2"]), is_urgent=True)
        notices.tell({"post": letter}, odd)
        notices.tell({"ops": hook(web.url, "Failed")}, NOTICE)
        notices.close()
    event = json.loads(stream.getvalue())
    assert (event["event"], event["notify"]) == ("notice lost", "post")
    assert event["message"].endswith("AssertionError")
    assert metrics.notices.labels("post", "lost")._value.get() == 1
    assert [each["status"] for each in web.received] == ["Failed"]
