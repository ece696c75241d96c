"""What S3 and the libraries that speak to it refuse, said so that a user knows what to do.

An ``Answer``, whichever library read it, is judged in one place. No text of a credential's failure
is passed on, and no header or signed URL is in any message.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.limits import STORE_FIRST_TRIES_MAX
from core.stores import tls
from core.stores.pacing import Reaction, TransientError
from core.stores.s3_answers import (
    CREDENTIALS,
    FETCH_ERRORS,
    PROXY,
    REDIRECT,
    SILENCE,
    UNREACHABLE,
    Answer,
    answer_of,
)

_THROTTLES = frozenset(
    {
        "SlowDown",
        "ServiceUnavailable",
        "ServerBusy",
        "Throttled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
    }
)
# A damaged or short body is the connection's doing: what was sent can be sent again.
_TRANSIENTS = frozenset(
    {"InternalError", "RequestTimeout", "IncompleteBody", "BadDigest", "OperationAborted"}
    | {"ConditionalRequestConflict", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
)
_STALE = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_CREDENTIALS = {
    "InvalidAccessKeyId": "the store does not know this access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "InvalidToken": "the session token is malformed or of another account",
    "InvalidClientTokenId": "the store does not know this access key",
    "InvalidSecurity": "the store does not accept these credentials",
    "UnrecognizedClientException": "the store does not know this access key",
    "AccountProblem": "the vendor has a problem with the account",
    "NotSignedUp": "the account is not signed up for S3",
}
_REGIONS = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed"}
    | {"IllegalLocationConstraintException"}
)

_ACTION = re.compile(r"perform: ((?:s3|kms):\w+)")

CREDENTIALS_HINT = (
    "The usual places are asked in order: the environment, the profile in ~/.aws, the role of the "
    "machine. `aws sts get-caller-identity` with the same profile shows what they give."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked of the store, for messages: "cannot ``doing`` ``location``".

    ``items`` are keys of others that it is about: no message has them.
    """

    doing: str
    location: str
    permission: str
    bucket: str
    resource: str
    items: tuple[str, ...] = ()


def judge(error: Exception, request: Request, endpoint: str) -> ColdhaulError:
    """Return what a failure means to a user; ``TransientError`` where another try may mend it."""
    answer = answer_of(error)
    operation = getattr(error, "operation_name", "")
    if operation.startswith("AssumeRole"):
        return _judge_role(answer, request)
    if answer.trouble:
        return _judge_trouble(answer.trouble, error, request, endpoint).about(request.items)
    return judge_answer(answer, request)


def judge_answer(answer: Answer, request: Request) -> ColdhaulError:
    """Return what an answer of the store means."""
    return _judge_answer(answer, request).about(request.items)


def _judge_answer(answer: Answer, request: Request) -> ColdhaulError:
    found = _judge_code(answer, request)
    if found is not None:
        return found
    cannot = f"cannot {request.doing} {request.location}"
    if answer.status == 404:
        return NotFoundError(f"{request.location} is not there")
    if answer.status in {412, 304}:
        return ConflictError(f"{request.location} exists already")
    if answer.status in {429, 503}:
        return TransientError(
            f"{cannot}: the store asks for fewer requests ({answer.status})",
            hint="Run fewer sessions against this store at once, or set a limit of bandwidth.",
            reaction=Reaction.SLOW_DOWN,
        )
    if answer.status in {408, 409, 500, 502, 504}:
        return TransientError(
            f"{cannot}: the store failed with {answer.status} {answer.code}".rstrip(),
            hint="The store has a problem; look at its vendor's status page.",
        )
    if answer.status == 401:
        return _bad_credentials(request, "the store does not accept these credentials")
    if answer.status == 403:
        return _denied(answer, request)
    if answer.status in {301, 307}:
        return _wrong_region(answer, request)
    said = f"{answer.status} {answer.code}".rstrip()
    # A store may repeat a key in what it says.
    more = "" if request.items else answer.message
    return StoreError(f"{cannot}: the store answered {said}: {more}".rstrip(": "))


def _judge_code(answer: Answer, request: Request) -> ColdhaulError | None:
    code = answer.code
    cannot = f"cannot {request.doing} {request.location}"
    if code == "NoSuchBucket":
        return missing_bucket(request.bucket)
    if code == "InvalidObjectState":
        return not_ready(request.location, answer.storage_class)
    if code in _THROTTLES:
        return TransientError(
            f"{cannot}: the store asks for fewer requests ({code})",
            hint="Run fewer sessions against this store at once, or set a limit of bandwidth.",
            reaction=Reaction.SLOW_DOWN,
        )
    if code in _TRANSIENTS:
        return TransientError(f"{cannot}: the store failed with {answer.status} {code}")
    if code in _STALE:
        return TransientError(
            f"{cannot}: the credentials have expired",
            hint=CREDENTIALS_HINT,
            reaction=Reaction.REFRESH,
        )
    if code in _CREDENTIALS:
        return _bad_credentials(request, _CREDENTIALS[code])
    if code == "RequestTimeTooSkewed":
        return StoreError(
            f"{cannot}: this machine's clock is wrong",
            hint="Set the clock; the store refuses requests that are more than 15 minutes off.",
        )
    if code in _REGIONS:
        return _wrong_region(answer, request)
    if code.startswith("KMS."):
        return StoreError(
            f"{cannot}: the KMS key refuses ({code})",
            hint="Look at the key's state and region; kms_key in the configuration names it.",
        )
    if code == "InvalidStorageClass":
        return InputError(
            f"{cannot}: the store does not have this storage class",
            hint="Choose a class that its vendor documents, or leave storage_class and "
            "metadata_class out.",
        )
    return None


def missing_bucket(bucket: str) -> StoreError:
    """Return the error for a bucket that does not exist."""
    return StoreError(
        f"there is no bucket {bucket}",
        hint=f"Create it, as with `aws s3 mb s3://{bucket}`, or correct the URL, the endpoint or "
        "the account in the configuration.",
    )


def not_ready(location: str, storage_class: str) -> NotReadyError:
    """Return the error for an object that needs a retrieval first."""
    named = f" in the class {storage_class}" if storage_class else ""
    return NotReadyError(
        f"{location} is archived{named} and cannot be read yet",
        hint="Restore it with the vendor's tool (`aws s3api restore-object`), wait until it is "
        "done, and run this again.",
    )


def unexplained(request: Request, status: int) -> TransientError:
    """Return the error for a refused HEAD, which says no reason, where nothing else is refused."""
    return TransientError(
        f"cannot {request.doing} {request.location}: the store answered {status} and no reason",
        items=request.items,
    )


def unusable_credentials(error: Exception, request: Request) -> StoreError:
    """Return the error for credentials that could not be fetched.

    A tool or a machine's metadata service may have failed for a moment: they are asked once more,
    and no oftener, since a tool that sends a wrong password may lock its user out.
    """
    failure = _bad_credentials(request, f"there are no usable credentials ({_kind(error)})")
    if isinstance(error, FETCH_ERRORS):
        return TransientError(failure.message, hint=failure.hint, reaction=Reaction.REFRESH)
    return failure


def _bad_credentials(request: Request, reason: str) -> StoreError:
    return StoreError(f"cannot {request.doing} {request.location}: {reason}", hint=CREDENTIALS_HINT)


def _judge_role(answer: Answer, request: Request) -> ColdhaulError:
    if answer.status >= 500 or answer.code in _THROTTLES:
        return TransientError(f"cannot {request.doing} {request.location}: STS fails for a moment")
    return StoreError(
        f"cannot {request.doing} {request.location}: role_arn cannot be assumed ({answer.code})",
        hint="Allow sts:AssumeRole on the role to the identity of these credentials, and name it "
        "in the role's trust policy.",
    )


def _denied(answer: Answer, request: Request) -> StoreError:
    """Name the permission: the one that the store names, or the one that the request needs."""
    permission = (
        found[1] if (found := _ACTION.search(answer.message)) else ""
    ) or request.permission
    if permission.startswith("kms:") or "kms" in answer.message.lower():
        permission = permission if permission.startswith("kms:") else _kms_permission(request)
        return StoreError(
            f"cannot {request.doing} {request.location}: {permission} is not allowed",
            hint="Allow kms:GenerateDataKey and kms:Decrypt on the bucket's key to the identity of "
            "these credentials, in its policy or in the key's.",
        )
    hint = f"Allow {permission} on {request.resource} to the identity of these credentials."
    if request.doing == "look at":
        # Without the permission to list, S3 does not say that an object is missing either.
        hint += (
            f" Or it is not there: without s3:ListBucket on arn:aws:s3:::{request.bucket} the "
            "store does not say."
        )
    return StoreError(
        f"cannot {request.doing} {request.location}: {permission} is not allowed", hint=hint
    )


def _kms_permission(request: Request) -> str:
    return "kms:Decrypt" if request.permission == "s3:GetObject" else "kms:GenerateDataKey"


def _wrong_region(answer: Answer, request: Request) -> StoreError:
    is_known = f"It is in {answer.region}: set" if answer.region else "Set"
    return StoreError(
        f"cannot {request.doing} {request.location}: the bucket {request.bucket} is in another "
        "region",
        hint=f"{is_known} region in the configuration, or leave it out to have it found.",
    )


def _judge_trouble(
    trouble: str, error: Exception, request: Request, endpoint: str
) -> ColdhaulError:
    """Return what it means that no answer came."""
    cannot = f"cannot {request.doing} {request.location}"
    # STS and the like are elsewhere; a URL's path and query are nobody's business.
    asked = urlsplit(getattr(error, "kwargs", {}).get("endpoint_url") or endpoint)
    endpoint = f"{asked.scheme}://{asked.netloc}" if asked.netloc else endpoint
    if trouble == SILENCE:
        return TransientError(
            f"{cannot}: the connection to {endpoint} broke",
            hint="Look at the network between this machine and the store.",
        )
    if trouble == UNREACHABLE:
        return TransientError(
            f"{cannot}: nothing answers at {endpoint}",
            hint="Look at endpoint and http_proxy in the configuration, at DNS and at firewalls.",
            tries_max=STORE_FIRST_TRIES_MAX,
        )
    if trouble == PROXY:
        return TransientError(
            f"{cannot}: the HTTP proxy lets nothing through to {endpoint}",
            hint="Look at http_proxy in the configuration and at the proxy's own log.",
            tries_max=STORE_FIRST_TRIES_MAX,
        )
    if trouble in tls.FAILURES:
        return tls.judge(trouble, cannot, endpoint)
    if trouble == REDIRECT:
        return _wrong_region(Answer(), request)
    if trouble == CREDENTIALS:
        return unusable_credentials(error, request)
    return StoreError(f"{cannot}: {_kind(error)}")


def _kind(error: Exception) -> str:
    """Return an error's kind alone: its text may quote what a credential process printed."""
    return type(error).__name__
