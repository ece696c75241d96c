"""A notice by e-mail to a real mail server, encrypted or not."""

import time
from email.message import Message
from pathlib import Path

import pytest

from core import limits
from core.errors import StoreError
from proxy.service import mail
from proxy.service.mail import send_mail
from proxy.service_tables import NotifyTable
from tests.support.receivers import mail_receiver, make_certificate

NOTICE: dict[str, object] = {
    "proxy": "hq",
    "job": "nightly",
    "status": "Failed",
    "reasons": ("2 items are damaged",),
    "session": "a" * 32,
    "source_point": "p",
    "restore_point": "",
    "damaged_item_count": 2,
    "blob_count": 3,
    "pack_count": 1,
    "content_size": 3 << 20,
    "stored_size": 1 << 20,
    "seconds": 75.0,
}


def table(port: int, security: str = "none", *, login: bool = False) -> NotifyTable:
    values: dict[str, object] = {
        "kind": "mail",
        "host": "127.0.0.1",
        "port": port,
        "security": security,
        "from": "coldhaul@example.com",
        "to": ["one@example.com", "two@example.com"],
    }
    if login:
        values |= {"user": "env:MAIL_USER", "password": "env:MAIL_PASSWORD"}
    return NotifyTable.model_validate(values)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "_WAIT_SECONDS", 0)
    monkeypatch.setenv("MAIL_USER", "coldhaul")
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")


def text(message: Message) -> str:
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_a_notice_arrives_and_says_what_happened() -> None:
    with mail_receiver() as receiver:
        send_mail("ops", table(receiver.port), NOTICE)
    (message,) = receiver.messages
    assert message["Subject"] == "coldhaul: job nightly: Failed"
    assert message["To"] == "one@example.com, two@example.com"
    for words in ("2 items are damaged", "a" * 32, "3 blobs, 3.00 MiB", "1 min 15 s"):
        assert words in text(message)


def test_an_error_without_a_session_is_a_notice_too() -> None:
    with mail_receiver() as receiver:
        send_mail("ops", table(receiver.port), {**NOTICE, "session": ""})
    assert "blobs" not in text(receiver.messages[0])


# The server does not see that its port is encrypted from the start.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_is_encrypted_and_logs_in(
    security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = make_certificate(tmp_path)
    with mail_receiver(**{security: context}, password=b"hunter2") as receiver:
        with pytest.raises(StoreError, match="SSLCertVerificationError"):
            send_mail("ops", table(receiver.port, security, login=True), NOTICE)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        send_mail("ops", table(receiver.port, security, login=True), NOTICE)
    assert len(receiver.messages) == 1
    assert receiver.logins == [(b"coldhaul", b"hunter2")]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_wrong_password_is_no_reason_to_try_again_or_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with mail_receiver(tls=context, password=b"other") as receiver:
        with pytest.raises(StoreError) as caught:
            send_mail("ops", table(receiver.port, "tls", login=True), NOTICE)
        assert len(receiver.logins) == 1
    assert "SMTPAuthenticationError 535" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_a_server_without_encryption_is_not_told_anything() -> None:
    with mail_receiver() as receiver, pytest.raises(StoreError, match="SMTPNotSupportedError"):
        send_mail("ops", table(receiver.port, "starttls"), NOTICE)
    assert receiver.messages == []


def test_what_may_pass_is_tried_again_and_what_lasts_is_not() -> None:
    with mail_receiver("451 later", "451 later") as receiver:
        send_mail("ops", table(receiver.port), NOTICE)
        assert (receiver.attempts, len(receiver.messages)) == (3, 1)
    with mail_receiver(*["451 later"] * 9) as receiver:
        with pytest.raises(StoreError, match="SMTPDataError 451"):
            send_mail("ops", table(receiver.port), NOTICE)
        assert receiver.attempts == limits.NOTICE_TRIES_MAX
    with mail_receiver("554 never: hunter2") as receiver:
        with pytest.raises(StoreError, match="SMTPDataError 554") as caught:
            send_mail("ops", table(receiver.port), NOTICE)
        assert receiver.attempts == 1
        assert "hunter2" not in caught.value.message


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_password_that_the_protocol_cannot_carry_is_a_lasting_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setenv("MAIL_PASSWORD", "h\u00fcnter2")
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with mail_receiver(tls=context, password=b"other") as receiver:
        with pytest.raises(StoreError, match="UnicodeEncodeError") as caught:
            send_mail("ops", table(receiver.port, "tls", login=True), NOTICE)
        assert (receiver.messages, waits) == ([], [])
    assert "nter2" not in caught.value.message
