"""What a function app, and the platform before it, refuse: said so that a user can act.

Of what came nothing is passed on but the app's own error documents, whose texts are ours and name
no items (I5), and codes of Entra ID: texts of others quote tokens and addresses.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from azure.core.exceptions import AzureError
from pydantic import BaseModel, StringConstraints, ValidationError

from core import limits
from core.errors import (
    KINDS,
    ColdhaulError,
    ConflictError,
    InputError,
    StoreError,
)
from core.stores import azure_answers, tls
from core.stores.azure_answers import answer_of
from core.stores.azure_errors import CREDENTIALS_HINT
from core.stores.pacing import Reaction, TransientError

_BY_CATEGORY = {kind.category: kind for kind in KINDS}
_HOW_TO_DEPLOY = "'coldhaul appliance deploy' says how it is deployed."
# What Entra ID says when it gives no token for the audience.
_ENTRA_CODE = re.compile(r"\bAADSTS\d{4,8}\b")
_UNKNOWN_AUDIENCES = frozenset({"AADSTS500011", "AADSTS50001", "AADSTS700016", "AADSTS650057"})
_UNASSIGNED = frozenset({"AADSTS50105", "AADSTS501051"})
_NOT_RESOLVED = re.compile(r"NameResolutionError|[Nn]ame or service not known|getaddrinfo failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked of the app, for messages: "cannot ``doing``"."""

    doing: str
    url: str
    audience: str

    @property
    def cannot(self) -> str:
        """How every message about it begins."""
        return f"cannot {self.doing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, read whole. Names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _ErrorDocument(BaseModel):
    """What the app answers when it refuses."""

    category: Annotated[str, StringConstraints(min_length=1)]
    message: Annotated[str, StringConstraints(min_length=1)]
    hint: str = ""
    problems: list[str] = []


def is_sign_in_wanted(reply: Reply) -> bool:
    """Say whether whoever asked is to sign in first: refused, or sent to where one does."""
    return reply.status in {401, 403} or 300 <= reply.status < 400


def judge_reply(reply: Reply, request: Request) -> ColdhaulError | None:
    """Return what an answer means that is not what was asked for; None for one that is."""
    if 200 <= reply.status < 300:
        return None
    document = _read_document(reply.body)
    if document is not None:
        return _judge_document(document, reply.status, request)
    return _judge_access(reply, request) or _judge_status(reply.status, request)


def _read_document(body: bytes) -> _ErrorDocument | None:
    try:
        return _ErrorDocument.model_validate_json(body)
    except ValidationError:
        return None


def _judge_document(document: _ErrorDocument, status: int, request: Request) -> ColdhaulError:
    """Return the app's own error; one of a kind that is not known is the store's."""
    longest = limits.STEP_TEXT_LENGTH_MAX
    kind = ConflictError if status == 409 else _BY_CATEGORY.get(document.category, StoreError)
    return kind(
        f"{request.cannot}: {document.message[:longest]}",
        hint=document.hint[:longest],
        problems=[each[:longest] for each in document.problems[: limits.STEP_REASONS_MAX]],
    )


def _judge_access(reply: Reply, request: Request) -> ColdhaulError | None:
    if 300 <= reply.status < 400:
        return StoreError(
            f"{request.cannot}: {request.url} sends whoever asks to sign in elsewhere",
            hint="Have the app's authentication answer requests without a token with 401, as the "
            f"template does. {_HOW_TO_DEPLOY}",
        )
    if reply.status == 401:
        # The token may have run out meanwhile: another one is fetched, once.
        return TransientError(
            f"{request.cannot}: the app does not accept the token",
            hint=f"appliance.audience is {request.audience}: it has to be one that the app's "
            "authentication allows, and the identity of the tenant that it trusts.",
            reaction=Reaction.REFRESH,
        )
    if reply.status != 403:
        return None
    if b"is stopped" in reply.body:
        return StoreError(f"{request.cannot}: the app is stopped", hint="Start it in the portal.")
    if "x-ms-forbidden-ip" in reply.headers:
        return StoreError(
            f"{request.cannot}: the app does not let this address in",
            hint="Allow it under Networking, Access restrictions, of the app.",
        )
    return StoreError(
        f"{request.cannot}: this identity may not use the app",
        hint="The app answers the identities alone that it was deployed for: name the object id "
        "of this one in appliance.parameters.proxyPrincipalIds, and deploy the appliance again.",
    )


def _judge_status(status: int, request: Request) -> ColdhaulError:
    if status == 404:
        # Our own 404 has a document: this is the platform, and no session is looked for there.
        return StoreError(
            f"{request.cannot}: the app at {request.url} has no functions of coldhaul",
            hint=f"Correct appliance.url in the configuration, or deploy them. {_HOW_TO_DEPLOY}",
        )
    if status == 409:
        return ConflictError(f"{request.cannot}: something else is there already")
    if status == 429:
        return TransientError(
            f"{request.cannot}: the app asks for fewer requests (429)",
            hint="Ask for a larger quota of instances if this comes often.",
            reaction=Reaction.SLOW_DOWN,
        )
    if status == 408 or status >= 500:
        return TransientError(
            f"{request.cannot}: the app failed with {status}",
            hint="Its log stream in the portal says why: an app that cannot load its code, or "
            "reach its own storage, answers so too.",
        )
    return StoreError(f"{request.cannot}: the app answered {status}", hint=_HOW_TO_DEPLOY)


def broken_off(request: Request) -> TransientError:
    """Return the error for an answer that ended early."""
    return TransientError(
        f"{request.cannot}: the connection to {request.url} broke",
        hint="Look at the network between this machine and Azure.",
    )


def judge_trouble(error: AzureError, request: Request) -> ColdhaulError:
    """Return what it means that no answer came, or that there was no token to ask with."""
    trouble = answer_of(error).trouble
    if trouble in tls.FAILURES:
        return tls.judge(trouble, request.cannot, request.url)
    if trouble == azure_answers.CREDENTIALS:
        return _judge_token(frozenset(_ENTRA_CODE.findall(str(error))), request)
    if trouble == azure_answers.SILENCE:
        return broken_off(request)
    if trouble == azure_answers.UNREACHABLE:
        is_unknown = _NOT_RESOLVED.search(str(error)) is not None
        what = "is no name that is known here" if is_unknown else "does not answer"
        return TransientError(
            f"{request.cannot}: {request.url} {what}",
            hint="Look at appliance.url and at the http_proxy of its store in the configuration, "
            "at DNS, and at firewalls on the way.",
            tries_max=limits.STORE_FIRST_TRIES_MAX,
        )
    return StoreError(
        f"{request.cannot}: {type(error).__name__}",
        hint="Look at appliance.url in the configuration, and at the http_proxy of its store.",
    )


def _judge_token(codes: frozenset[str], request: Request) -> ColdhaulError:
    """Return what it means that Entra ID, or a way to it, gave no token."""
    said = f" ({', '.join(sorted(codes))})" if codes else ""
    if codes & _UNKNOWN_AUDIENCES:
        return InputError(
            f"{request.cannot}: Entra ID knows no application {request.audience}{said}",
            hint="Correct appliance.audience in the configuration: it is the application's id URI, "
            "and the identity has to be of the same tenant.",
        )
    if codes & _UNASSIGNED:
        return StoreError(
            f"{request.cannot}: this identity has no role in the application {request.audience}"
            f"{said}",
            hint="Assign it in Entra ID under Enterprise applications, Users and groups.",
        )
    # A tool or a metadata service may have failed for a moment: the chain is asked once more.
    return TransientError(
        f"{request.cannot}: there are no usable credentials{said}",
        hint=CREDENTIALS_HINT,
        reaction=Reaction.REFRESH,
    )
