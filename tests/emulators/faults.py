"""What can go wrong between a client and a store, and the rules that say when it does."""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.emulators.operations import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong; ``name`` is what counts call it."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Fault):
    """The vendor's answer is an error and the request was not done."""

    status: int
    message: str = "as a test has it"
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, kind: Kind, method: str) -> bytes:
        """Return the answer as the vendor writes it."""
        if kind == "aws":
            return self._encode_json()
        text = f"<Code>{self.name}</Code><Message>{self.message}</Message>"
        body = f'<?xml version="1.0" encoding="utf-8"?><Error>{text}</Error>'.encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        headers["x-amz-request-id" if kind == "s3" else "x-ms-request-id"] = "FAULT"
        if kind == "azure":
            headers |= {"x-ms-error-code": self.name, "x-ms-version": "2021-12-02"}
        lines = [f"{name}: {value}" for name, value in {**headers, **self.headers}.items()]
        head = "\r\n".join([f"HTTP/1.1 {self.status} {self.name}", *lines, "", ""])
        return head.encode() + (b"" if method == "HEAD" else body)

    def _encode_json(self) -> bytes:
        body = json.dumps({"__type": self.name, "message": self.message}).encode()
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "Content-Length": str(len(body)),
            "x-amzn-RequestId": "FAULT",
            **self.headers,
        }
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"HTTP/1.1 {self.status} {self.name}", *lines, "", ""])
        return head.encode() + body


# The request never reaches the store.
RESET_BEFORE = Fault(name="reset before")
# The request was done, and its answer is lost.
RESET_AFTER = Fault(name="reset after")
# Half of the body comes, and then the end.
CUT_BODY = Fault(name="cut body")
# A listing that was shown once is shown once more, as if nothing had changed since.
LATE_LISTING = Fault(name="late listing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Fault):
    """Whatever happens happens later."""

    name: str = "delay"
    seconds: float


def refusal(kind: Kind, name: str) -> Refusal:
    """Return a refusal by the code that the vendor gives it."""
    return Refusal(name=name, status=_STATUSES[kind][name], headers=_HEADERS.get(name, {}))


_STATUSES: dict[Kind, dict[str, int]] = {
    "s3": {
        "InternalError": 500,
        "ServiceUnavailable": 503,
        "SlowDown": 503,
        "TooManyRequests": 429,
        "RequestTimeout": 400,
        "ExpiredToken": 400,
        "InvalidAccessKeyId": 403,
        "SignatureDoesNotMatch": 403,
        "RequestTimeTooSkewed": 403,
        "AccessDenied": 403,
        "InvalidObjectState": 403,
        "RestoreAlreadyInProgress": 409,
        "OperationAborted": 409,
        "ConditionalRequestConflict": 409,
        "PreconditionFailed": 412,
    },
    "azure": {
        "InternalError": 500,
        "OperationTimedOut": 500,
        "ServerBusy": 503,
        "TooManyRequests": 429,
        "InvalidAuthenticationInfo": 401,
        "AuthenticationFailed": 403,
        "AuthorizationFailure": 403,
        "AuthorizationPermissionMismatch": 403,
        "BlobArchived": 409,
        "BlobBeingRehydrated": 409,
        "BlobAlreadyExists": 409,
        "ConditionNotMet": 412,
    },
    "aws": {
        "AccessDeniedException": 400,
        "DecryptionFailure": 400,
        "DisabledException": 400,
        "ExpiredTokenException": 400,
        "IncorrectKeyException": 400,
        "InternalServiceError": 500,
        "KMSInternalException": 500,
        "KMSInvalidStateException": 400,
        "ServiceUnavailableException": 503,
        "ThrottlingException": 400,
        "UnrecognizedClientException": 400,
    },
}
_HEADERS = {
    "InvalidAuthenticationInfo": {
        "WWW-Authenticate": 'Bearer error="invalid_token", error_description="token expired"'
    }
}


@dataclass(kw_only=True)
class Rule:
    """When a fault happens: to which requests, how likely, and how often at most.

    What is left empty fits every request. ``path`` is searched for as a regular expression,
    ``query`` holds words that have to be in the query. With ``is_once`` nothing is struck twice:
    the same method and path go through from then on, as expired credentials are good once fetched
    anew.
    """

    fault: Fault
    operations: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    path: str = ""
    query: frozenset[str] = frozenset()
    probability: float = 1.0
    count: int | None = None
    is_once: bool = False
    _struck: set[tuple[str, str]] = field(default_factory=set)

    def fits(self, operation: str, method: str, path: str, query: Mapping[str, str]) -> bool:
        """Say whether a request is one of those that it can happen to."""
        return (
            self.count != 0
            and (method, path) not in self._struck
            and (not self.operations or operation in self.operations)
            and (not self.methods or method in self.methods)
            and self.query <= query.keys()
            and (not self.path or re.search(self.path, path) is not None)
        )

    def strikes(self, chance: random.Random, method: str, path: str) -> bool:
        """Decide one time, and use one of the times up where it happens."""
        if self.probability < 1 and chance.random() >= self.probability:
            return False
        if self.is_once:
            self._struck.add((method, path))
        if self.count is not None:
            self.count -= 1
        return True

    def give_back(self) -> None:
        """Take back a time: what was to happen could not, as there was nothing to cut or show."""
        if self.count is not None:
            self.count += 1
