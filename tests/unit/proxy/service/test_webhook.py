"""A notice to a real web server: sent once, tried again where that may help, never told where."""

import socket
import time

import pytest

from core import limits
from core.errors import InputError, StoreError
from proxy.service import webhook
from proxy.service.webhook import send_hook
from proxy.service_tables import NotifyTable
from tests.support.receivers import web_receiver

NOTICE: dict[str, object] = {"job": "nightly", "reasons": ("a",)}


def hook(url: str) -> NotifyTable:
    return NotifyTable.model_validate({"kind": "webhook", "url": url})


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_WAIT_FACTOR", 0)


def test_a_notice_arrives_as_one_object() -> None:
    with web_receiver(204) as receiver:
        send_hook("ops", hook(receiver.url), NOTICE)
    assert receiver.received == [{"job": "nightly", "reasons": ["a"]}]


def test_an_answer_that_may_pass_is_tried_again() -> None:
    with web_receiver(503, 429, 200) as receiver:
        send_hook("ops", hook(receiver.url), NOTICE)
    assert len(receiver.received) == 3


@pytest.mark.parametrize(("status", "tries"), [(500, limits.NOTICE_TRIES_MAX), (404, 1), (302, 1)])
def test_a_refusal_is_an_error_without_the_address(status: int, tries: int) -> None:
    with web_receiver(status) as receiver, pytest.raises(StoreError) as caught:
        send_hook("ops", hook(receiver.url), NOTICE)
    assert len(receiver.received) == tries
    assert "notify.ops" in caught.value.message
    assert str(status) in caught.value.message
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_nobody_there_is_an_error_without_the_address() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    with pytest.raises(StoreError) as caught:
        send_hook("ops", hook(f"http://127.0.0.1:{port}/hunter2"), NOTICE)
    assert "NewConnectionError" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_one_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "NOTICE_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hunter2"
        begun = time.monotonic()
        with pytest.raises(StoreError, match="ReadTimeoutError"):
            send_hook("ops", hook(url), NOTICE)
        assert time.monotonic() - begun < 10


def test_a_url_by_reference_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = hook("env:HOOK_URL")
    with pytest.raises(InputError, match=r"notify\.ops\.url refers to .*HOOK_URL"):
        send_hook("ops", table, NOTICE)
    with web_receiver(200) as receiver:
        monkeypatch.setenv("HOOK_URL", receiver.url)
        send_hook("ops", table, NOTICE)
    assert len(receiver.received) == 1
