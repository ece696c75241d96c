"""What S3 answered, whichever of the two libraries read it.

Both libraries' failures are brought down to an ``Answer``: a status and a code, or what kept an
answer from coming.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import obstore.exceptions
from botocore import exceptions as botocore_exceptions
from botocore.parsers import ResponseParserError

from core.stores import tls

OBSTORE_ERRORS = (obstore.exceptions.BaseError, FileNotFoundError)
BOTO_ERRORS = (
    botocore_exceptions.BotoCoreError,
    botocore_exceptions.ClientError,
    ResponseParserError,
)

_CREDENTIAL_ERRORS = (
    botocore_exceptions.NoCredentialsError,
    botocore_exceptions.PartialCredentialsError,
    botocore_exceptions.CredentialRetrievalError,
    botocore_exceptions.RefreshWithMFAUnsupportedError,
    botocore_exceptions.InvalidConfigError,
    botocore_exceptions.ConfigNotFound,
    botocore_exceptions.ConfigParseError,
    botocore_exceptions.ProfileNotFound,
    botocore_exceptions.MetadataRetrievalError,
    botocore_exceptions.SSOError,
    botocore_exceptions.TokenRetrievalError,
    botocore_exceptions.LoginError,
)

# Ways to credentials that may fail for a moment; the others wait for somebody to do something.
FETCH_ERRORS = (
    botocore_exceptions.CredentialRetrievalError,
    botocore_exceptions.MetadataRetrievalError,
    obstore.exceptions.UnauthenticatedError,
)

_STATUS = re.compile(
    r"Server returned non-2xx status code: (\d{3})[^:\n]*: ?(.*?)(?:\n\n|\Z)", re.S
)
_CODE = re.compile(r"<Code>([\w.]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,400})</Message>")
_CLASS = re.compile(r"<StorageClass>([\w.-]{1,64})</StorageClass>")
_REGION = re.compile(r"<Region>([\w-]{1,40})</Region>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whichever library read it. ``trouble`` is set when no answer came."""

    status: int = 0
    code: str = ""
    message: str = ""
    storage_class: str = ""
    region: str = ""
    trouble: str = ""


def answer_of(error: Exception) -> Answer:
    """Bring an error of obstore's or of botocore's down to what the store answered."""
    if isinstance(error, botocore_exceptions.ClientError):
        return _answer_of_client(error.response)
    if isinstance(error, BOTO_ERRORS):
        return Answer(trouble=_trouble_of_boto(error))
    return _answer_of_obstore(error)


def _answer_of_client(response: Mapping[str, Any]) -> Answer:
    error = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    code = str(error.get("Code", ""))
    headers = metadata.get("HTTPHeaders", {})
    return Answer(
        status=int(metadata.get("HTTPStatusCode", 0)),
        # For an answer without a body botocore makes the status the code.
        code="" if code.isdigit() else code,
        message=str(error.get("Message", "")),
        storage_class=str(error.get("StorageClass", "")),
        region=str(error.get("Region", "") or headers.get("x-amz-bucket-region", "")),
    )


def _answer_of_obstore(error: Exception) -> Answer:
    text = str(error)
    found = _STATUS.search(text)
    if found is None:
        return Answer(trouble=_trouble_of_obstore(error, text))
    body = found[2]
    return Answer(
        status=int(found[1]),
        code=_first(_CODE, body),
        message=_first(_MESSAGE, body),
        storage_class=_first(_CLASS, body),
        region=_first(_REGION, body),
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


# What can have happened when no answer came, beside the failures of TLS. "silence" may have been a
# write that was done.
UNREACHABLE = "unreachable"
SILENCE = "silence"
CREDENTIALS = "credentials"
REDIRECT = "redirect"
PROXY = "proxy"
UNKNOWN = "unknown"


def _trouble_of_obstore(error: Exception, text: str) -> str:
    if isinstance(error, obstore.exceptions.UnauthenticatedError):
        return CREDENTIALS
    if "redirect without LOCATION" in text:
        return REDIRECT
    if failure := tls.find_failure(text):
        return failure
    if "kind: Connect" in text:
        return PROXY if "tunnel" in text else UNREACHABLE
    return SILENCE if "HttpError" in text or "HTTP error" in text else UNKNOWN


def _trouble_of_boto(error: Exception) -> str:
    kinds: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
        ((botocore_exceptions.ProxyConnectionError,), PROXY),
        (
            (
                botocore_exceptions.EndpointConnectionError,
                botocore_exceptions.ConnectTimeoutError,
            ),
            UNREACHABLE,
        ),
        (
            (
                botocore_exceptions.HTTPClientError,
                botocore_exceptions.ReadTimeoutError,
                botocore_exceptions.IncompleteReadError,
                botocore_exceptions.ResponseStreamingError,
                ResponseParserError,
            ),
            SILENCE,
        ),
        (_CREDENTIAL_ERRORS, CREDENTIALS),
    )
    if isinstance(error, botocore_exceptions.SSLError):
        return _trouble_of_tls(error)
    for types, trouble in kinds:
        if isinstance(error, types):
            return trouble
    return UNKNOWN


def _trouble_of_tls(error: botocore_exceptions.SSLError) -> str:
    """Tell what is so for good from a connection that broke, which is an SSLError too."""
    if isinstance(error.kwargs.get("error"), ssl.SSLCertVerificationError):
        return tls.UNTRUSTED
    return tls.find_failure(str(error)) or SILENCE
