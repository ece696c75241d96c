"""What came back from Azure, whichever library read it, and what it means that nothing came.

What a service answered its own ``_errors`` judges.

No text of a failure is kept but the service's own error code, a word of letters: texts quote
headers, tokens and signed URLs. For the same reason what is raised instead hides its cause.
"""

import re
from dataclasses import dataclass

import obstore.exceptions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from core.errors import ColdhaulError, StoreError
from core.limits import STORE_FIRST_TRIES_MAX
from core.stores import tls
from core.stores.pacing import Reaction, TransientError

OBSTORE_ERRORS = (obstore.exceptions.BaseError, FileNotFoundError)

_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,100})</Code>")
_WORD = re.compile(r"\w{1,100}")

# What can have happened when no answer came, beside the failures of TLS. Silence may have been a
# write that was done.
UNREACHABLE = "unreachable"
SILENCE = "silence"
CREDENTIALS = "credentials"
BAD_KEY = "bad key"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status and error code of an answer. ``trouble`` is set when no answer came."""

    status: int = 0
    code: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What to do about a service that gives no answer, by what happened."""

    broken: str
    unreachable: str
    credentials: str
    unknown: str


def judge_trouble(trouble: str, cannot: str, place: str, kind: str, hints: Hints) -> ColdhaulError:
    """Return what it means that no answer came from a place; ``kind`` is the error's class."""
    if trouble == SILENCE:
        return TransientError(f"{cannot}: the connection to {place} broke", hint=hints.broken)
    if trouble == UNREACHABLE:
        return TransientError(
            f"{cannot}: nothing answers at {place}",
            hint=hints.unreachable,
            tries_max=STORE_FIRST_TRIES_MAX,
        )
    if trouble in tls.FAILURES:
        return tls.judge(trouble, cannot, place)
    if trouble == BAD_KEY:
        return StoreError(
            f"{cannot}: the account key is not one",
            hint="An account key is 88 characters of base64; look at what account_key refers to.",
        )
    if trouble == CREDENTIALS:
        # A tool or a metadata service may have failed for a moment: the chain is asked once more.
        return TransientError(
            f"{cannot}: there are no usable credentials",
            hint=hints.credentials,
            reaction=Reaction.REFRESH,
        )
    return StoreError(f"{cannot}: {kind}", hint=hints.unknown)


def answer_of(error: Exception) -> Answer:
    """Bring an error of the SDK, of azure-identity or of obstore down to what happened."""
    if isinstance(error, AzureError):
        return _answer_of_sdk(error)
    return _answer_of_obstore(error)


def _answer_of_sdk(error: AzureError) -> Answer:
    response = error.response if isinstance(error, HttpResponseError) else None
    if response is not None:
        return Answer(status=int(response.status_code or 0), code=_code_of(error))
    return Answer(trouble=_trouble_of_sdk(error))


def _code_of(error: Exception) -> str:
    """Return the service's code, which the SDK keeps as an enumeration or as a text."""
    code = getattr(error, "error_code", None)
    text = str(getattr(code, "value", code) or "")
    return text if _WORD.fullmatch(text) else ""


def _trouble_of_sdk(error: AzureError) -> str:
    text = str(error)
    if type(error).__name__ == "AzureSigningError":
        return BAD_KEY
    if isinstance(error, ClientAuthenticationError):
        return CREDENTIALS
    if failure := tls.find_failure(text):
        return failure
    if isinstance(error, ServiceResponseError | IncompleteReadError | DecodeError):
        return SILENCE
    if isinstance(error, ServiceRequestError):
        return UNREACHABLE
    return UNKNOWN


def _answer_of_obstore(error: Exception) -> Answer:
    text = str(error)
    found = _STATUS.search(text)
    if found is not None:
        code = _CODE.search(text)
        return Answer(status=int(found[1]), code=code[1] if code else "")
    if "InvalidRangeRequest" in text:
        # Only some services refuse the range that begins just where the object ends.
        return Answer(status=416, code="InvalidRange")
    return Answer(trouble=_trouble_of_obstore(error, text))


def _trouble_of_obstore(error: Exception, text: str) -> str:
    if isinstance(error, obstore.exceptions.UnauthenticatedError):
        return BAD_KEY if "Invalid Access Key" in text else CREDENTIALS
    if "Invalid Access Key" in text:
        return BAD_KEY
    if failure := tls.find_failure(text):
        return failure
    if "kind: Connect" in text:
        return UNREACHABLE
    return SILENCE if "HttpError" in text or "HTTP error" in text else UNKNOWN
