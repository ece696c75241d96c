"""What the app answers over HTTP: documents of names and counts, and errors by category.

App Service authentication lets in who shows a token of Entra ID for this app, and says so in a
header that nobody else can set. A request without it is refused here as well, should that ever be
switched off.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance_azure.instances import Instance
from appliance_azure.settings import Settings
from core.appliance.calls import describe_failure
from core.engine.check import Finding
from core.engine.step_documents import PlanCall, read_call
from core.engine.steps import check_version
from core.errors import ColdhaulError, ConflictError, InputError, NotFoundError
from core.ids import JobId, SessionId, is_hex_id, is_job_id
from core.limits import APPLIANCE_ORDER_SIZE_MAX

PRINCIPAL_HEADER = "X-MS-CLIENT-PRINCIPAL"
_ORDER_FIELDS = frozenset({"session", "claim", "attempt", "version", "reason"})
_STATUSES = {
    "input": 400,
    "not-found": 404,
    "conflict": 409,
    "not-ready": 425,
    "store": 502,
}
_WHY_LENGTH_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: a status of HTTP and a document."""

    status: int
    document: Mapping[str, Any]

    @property
    def body(self) -> bytes:
        """The document as JSON."""
        return json.dumps(self.document).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, by whom; header names have no case."""

    headers: Mapping[str, str]
    parts: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def has_principal(headers: Mapping[str, str]) -> bool:
    """Say whether App Service authentication has let somebody in."""
    found = [value for name, value in headers.items() if name.upper() == PRINCIPAL_HEADER]
    try:
        principal = json.loads(base64.b64decode(found[0], validate=True)) if found else None
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(principal, dict) and isinstance(principal.get("claims"), list)


def refusal() -> Reply:
    """Return the answer to somebody whom authentication has not let in."""
    document = {
        "category": "unauthorized",
        "message": "this app answers only whom App Service authentication has let in",
        "hint": "Show a token of Entra ID for this app. If one was shown, authentication is "
        "switched off: deploy the appliance again.",
        "problems": [],
    }
    return Reply(status=401, document=document)


def error_reply(error: Exception) -> Reply:
    """Return the answer that an error is: no names of items, and of what is not ours the class."""
    if not isinstance(error, ColdhaulError):
        error = ColdhaulError(describe_failure(error).message)
    document = {
        "category": error.category,
        "message": error.message,
        "hint": error.hint,
        "problems": list(error.problems),
    }
    return Reply(status=_STATUSES.get(error.category, 500), document=document)


def deployment_document(settings: Settings, version: str) -> Mapping[str, Any]:
    """Return what the app was deployed for."""
    ends = settings.ends
    return {
        "version": version,
        "target_url": ends.target.url,
        "target_endpoint": settings.target_endpoint,
        "source_url": ends.source.url,
        "source_endpoint": settings.source_endpoint,
        "source_kind": ends.source_kind,
        "storage_class": ends.storage_class,
        "metadata_class": ends.metadata_class,
        "retention_type": ends.retention_type,
    }


def check_document(findings: list[Finding]) -> Mapping[str, Any]:
    """Return findings without what they are about: that may be items."""
    return {
        "findings": [
            {"level": each.level.value, "what": each.what, "detail": each.detail, "hint": each.hint}
            for each in findings
        ]
    }


def read_session(parts: Mapping[str, str]) -> SessionId:
    """Return the session that a path names."""
    text = parts.get("session", "")
    if not is_hex_id(text):
        raise InputError("the path names no session")
    return SessionId(text)


def read_job(parts: Mapping[str, str]) -> JobId:
    """Return the job that a path names."""
    text = parts.get("job", "")
    if not is_job_id(text):
        raise InputError("the path names no job")
    return JobId(text)


def read_order(session: SessionId, body: bytes, version: str) -> dict[str, Any]:
    """Return the order for a session, checked, or raise ``InputError`` with all that is wrong.

    Only what a proxy orders is taken: to claim for a job is for events and the timer.
    """
    order = _read_document(body)
    call = read_call(PlanCall, order)
    given = call.model_fields_set
    if call.session != session or not given <= _ORDER_FIELDS:
        raise InputError(
            "this is no order for the session that the path names",
            hint=f"An order has the fields {', '.join(sorted(_ORDER_FIELDS))}.",
        )
    if not call.version:
        raise InputError("the order does not say which version the proxy has")
    check_version(call.version, version)
    return call.model_dump(include=set(_ORDER_FIELDS))


def check_order(order: Mapping[str, Any], found: Instance | None) -> None:
    """Refuse an order that is not the next after what was there: ``ConflictError``."""
    if found is None:
        return
    if found.is_running:
        raise ConflictError(f"attempt {found.attempt} at the session {found.id} runs")
    if found.attempt >= order["attempt"]:
        raise ConflictError(
            f"there was an attempt {found.attempt} at the session {found.id} already",
            hint="The next attempt has a number that is one higher.",
        )


def read_termination(body: bytes) -> tuple[int, str]:
    """Return which attempt is to be ended, and why."""
    document = _read_document(body)
    attempt: Any = document.get("attempt")
    why = document.get("why")
    is_whole = isinstance(attempt, int) and not isinstance(attempt, bool)
    if not (is_whole and isinstance(why, str) and document.keys() == {"attempt", "why"}):
        raise InputError("this does not say which attempt is to end, and why")
    return int(attempt), why[:_WHY_LENGTH_MAX]


def check_termination(session: SessionId, attempt: int, found: Instance | None) -> None:
    """Refuse to end what is not there, or another attempt than the one that is meant."""
    if found is None:
        raise NotFoundError(f"nothing was started for the session {session}")
    if found.attempt != attempt:
        raise ConflictError(f"the newest attempt at the session {session} is {found.attempt}")


def status_document(session: SessionId, found: Instance | None) -> Mapping[str, Any]:
    """Return how the newest attempt at a session stands."""
    if found is None:
        raise NotFoundError(f"nothing was started for the session {session}")
    return {
        "attempt": found.attempt,
        "standing": found.standing,
        "started": found.started.isoformat(),
        "ended": found.ended.isoformat() if found.ended is not None else None,
        "error": found.error,
        "cause": found.cause,
        "counts": dict(found.counts),
    }


def running_document(job: JobId, ids: list[str]) -> Mapping[str, Any]:
    """Return what runs for a job, by an order of an event or of the timer."""
    if not ids:
        raise NotFoundError(f"nothing runs that was ordered here for the job {job}")
    return {"instance": ids[0]}


def _read_document(body: bytes) -> dict[str, Any]:
    if len(body) > APPLIANCE_ORDER_SIZE_MAX:
        raise InputError(f"the body of the request is longer than {APPLIANCE_ORDER_SIZE_MAX} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InputError("the body of the request is no JSON object")
    return document
