"""A notice to a webhook: one JSON object by POST. Its URL may be a secret and is never repeated."""

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from core import limits
from core.errors import StoreError
from proxy.service_tables import NotifyTable

# Answers after which trying again may help. A notice that arrives twice is harmless.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_WAIT_FACTOR = 0.5


def send_hook(name: str, table: NotifyTable, document: dict[str, object]) -> None:
    """Send a notice, or raise ``ColdhaulError``."""
    assert table.url is not None
    url = table.url.read(f"notify.{name}.url")
    retries = urllib3.Retry(
        total=limits.NOTICE_TRIES_MAX - 1,
        redirect=False,
        status_forcelist=_PASSING,
        allowed_methods=None,
        backoff_factor=_WAIT_FACTOR,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    timeout = urllib3.Timeout(total=limits.NOTICE_TIMEOUT_SECONDS)
    try:
        with urllib3.PoolManager(retries=retries, timeout=timeout) as pool:
            answer = pool.request("POST", url, json=document, redirect=False)
    except HTTPError as error:
        raise _failure(name, _kind(error)) from None
    if not 200 <= answer.status < 300:
        raise _failure(name, f"the answer is {answer.status}")


def _kind(error: HTTPError) -> str:
    """Name an error without its text, which repeats the URL."""
    reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    return type(reason).__name__


def _failure(name: str, why: str) -> StoreError:
    return StoreError(
        f"the webhook of notify.{name} does not take the notice: {why}",
        hint="Check its URL, and that this machine reaches it.",
    )
