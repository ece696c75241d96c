"""A notice by e-mail over SMTP."""

import smtplib
import ssl
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from core import limits
from core.errors import StoreError
from proxy.secret import read_secret
from proxy.service_tables import NotifyTable, Security
from proxy.wording import show_duration, show_size

_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}
_WAIT_SECONDS = 1.0


def send_mail(name: str, table: NotifyTable, document: dict[str, object]) -> None:
    """Send a notice, or raise ``ColdhaulError``; what may pass is tried again."""
    message = _message(table, document)
    login = _login(name, table)
    for attempt in range(limits.NOTICE_TRIES_MAX):
        try:
            _deliver(table, message, login)
        # A name or password that the protocol cannot carry is a UnicodeError.
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            if attempt + 1 == limits.NOTICE_TRIES_MAX or not _may_pass(error):
                raise StoreError(
                    f"the mail server of notify.{name} does not take the notice: {_kind(error)}",
                    hint="Check host, port, security, user and password.",
                ) from None
            time.sleep(_WAIT_SECONDS * 2**attempt)
        else:
            return


def _login(name: str, table: NotifyTable) -> tuple[str, str] | None:
    if table.user is None or table.password is None:
        return None
    user = read_secret(table.user, f"notify.{name}.user")
    return user, read_secret(table.password, f"notify.{name}.password")


def _deliver(table: NotifyTable, message: EmailMessage, login: tuple[str, str] | None) -> None:
    port = table.port or _PORTS[Security(table.security)]
    context, seconds = ssl.create_default_context(), limits.NOTICE_TIMEOUT_SECONDS
    server: smtplib.SMTP
    if table.security == Security.TLS:
        server = smtplib.SMTP_SSL(table.host, port, timeout=seconds, context=context)
    else:
        server = smtplib.SMTP(table.host, port, timeout=seconds)
    with server:
        if table.security == Security.STARTTLS:
            server.starttls(context=context)
        if login is not None:
            server.login(*login)
        server.send_message(message)


def _may_pass(error: Exception) -> bool:
    """Say whether trying again may help: not after a lasting refusal, nor a bad certificate."""
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    if isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError):
        return False
    return not isinstance(error, smtplib.SMTPRecipientsRefused | UnicodeError)


def _kind(error: Exception) -> str:
    """Name an error without its text, in which a server may repeat anything."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {error.smtp_code}"
    return type(error).__name__


def _message(table: NotifyTable, document: dict[str, object]) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"coldhaul: job {document['job']}: {document['status']}"
    message["From"] = table.sender
    message["To"] = ", ".join(table.to)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=table.sender.rpartition("@")[2])
    message.set_content(_text(document))
    return message


def _text(document: dict[str, object]) -> str:
    reasons = document["reasons"]
    assert isinstance(reasons, tuple)
    lines = [f"Job {document['job']} on proxy {document['proxy']}: {document['status']}"]
    lines += [f"  reason   {reason}" for reason in reasons]
    if document["session"]:
        content, stored = (show_size(_number(document, k)) for k in ("content_size", "stored_size"))
        lines += [
            f"  session  {document['session']}",
            f"  point    {document['restore_point'] or document['source_point']}",
            f"  copied   {document['blob_count']} blobs, {content}; stored as {stored} in "
            f"{document['pack_count']} packs",
            f"  damaged  {document['damaged_item_count']} items",
            f"  time     {show_duration(_number(document, 'seconds'))}",
        ]
    return "\n".join(lines) + "\n"


def _number(document: dict[str, object], key: str) -> float:
    value = document[key]
    assert isinstance(value, int | float)
    return value
