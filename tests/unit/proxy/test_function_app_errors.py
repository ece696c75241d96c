"""What each refusal means, and what to do about it."""

import json

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from core import limits
from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.stores.pacing import Reaction, TransientError
from proxy.function_app_errors import Reply, Request, judge_reply, judge_trouble

REQUEST = Request(
    doing="look at it", url="https://app.azurewebsites.net", audience="api://coldhaul"
)


def judged(status: int, body: bytes = b"", **headers: str) -> ColdhaulError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    failure = judge_reply(Reply(status=status, headers=named, body=body), REQUEST)
    assert failure is not None
    return failure


def document(**changed: object) -> bytes:
    said = {"category": "store", "message": "the source refuses", "hint": "Ask.", "problems": []}
    return json.dumps({**said, **changed}).encode()


@pytest.mark.parametrize("status", [200, 202, 204])
def test_what_was_asked_for_is_no_failure(status: int) -> None:
    assert judge_reply(Reply(status=status, headers={}, body=b""), REQUEST) is None


@pytest.mark.parametrize(
    ("status", "category", "kind"),
    [
        (400, "input", InputError),
        (404, "not-found", NotFoundError),
        (409, "conflict", ConflictError),
        (425, "not-ready", NotReadyError),
        (502, "store", StoreError),
        (500, "integrity", IntegrityError),
        (500, "error", StoreError),
        (401, "unauthenticated", StoreError),
        (409, "whatever", ConflictError),
    ],
)
def test_the_app_s_own_errors_are_told_as_they_are(
    status: int, category: str, kind: type[ColdhaulError]
) -> None:
    failure = judged(status, document(category=category, problems=["the key is gone"]))
    assert type(failure) is kind
    assert failure.message == "cannot look at it: the source refuses"
    assert (failure.hint, failure.problems) == ("Ask.", ("the key is gone",))


def test_texts_of_the_app_are_bounded() -> None:
    long = "x" * 10_000
    failure = judged(400, document(message=long, hint=long, problems=[long] * 1000))
    assert len(failure.message) < 2 * limits.STEP_TEXT_LENGTH_MAX
    assert len(failure.hint) == limits.STEP_TEXT_LENGTH_MAX
    assert len(failure.problems) == limits.STEP_REASONS_MAX


@pytest.mark.parametrize(
    "body",
    [b'{"category": 1, "message": "x"}', b'{"category": "", "message": "x"}', b"[]", b"null",
     b'{"message": "x"}', b'{"category": "input", "message": "x", "problems": "y"}', b"\xff"],
)  # fmt: skip
def test_what_is_no_document_of_the_app_is_the_platform_s(body: bytes) -> None:
    assert type(judged(404, body)) is StoreError


@pytest.mark.parametrize(
    ("status", "words", "hint"),
    [
        (302, "sends whoever asks to sign in", "401"),
        (403, "may not use the app", "proxyPrincipalIds"),
        (404, "has no functions of coldhaul", "appliance deploy"),
        (405, "answered 405", "appliance deploy"),
    ],
)
def test_what_the_platform_refuses_says_what_is_missing(status: int, words: str, hint: str) -> None:
    failure = judged(status)
    assert type(failure) is StoreError
    assert words in failure.message
    assert hint in failure.hint


def test_the_kinds_of_403_are_told_apart() -> None:
    stopped = judged(403, b"<h1>Error 403 - This web app is stopped.</h1>")
    assert "the app is stopped" in stopped.message
    barred = judged(403, b"Ip Forbidden", x_ms_forbidden_ip="192.0.2.1")
    assert "does not let this address in" in barred.message
    assert "Access restrictions" in barred.hint


@pytest.mark.parametrize(
    ("status", "reaction"),
    [(401, Reaction.REFRESH), (429, Reaction.SLOW_DOWN), (500, Reaction.WAIT),
     (502, Reaction.WAIT), (503, Reaction.WAIT), (504, Reaction.WAIT), (408, Reaction.WAIT)],
)  # fmt: skip
def test_what_may_pass_says_how_to_try_again(status: int, reaction: Reaction) -> None:
    failure = judged(status)
    assert isinstance(failure, TransientError)
    assert failure.reaction is reaction
    assert failure.hint


def test_of_entra_id_only_the_code_is_told() -> None:
    text = "DefaultAzureCredential failed: AADSTS500011: The resource principal named secret"
    failure = judge_trouble(ClientAuthenticationError(text), REQUEST)
    assert isinstance(failure, InputError)
    assert failure.message.endswith("no application api://coldhaul (AADSTS500011)")
    assert "appliance.audience" in failure.hint
    unassigned = judge_trouble(ClientAuthenticationError("AADSTS50105: secret"), REQUEST)
    assert "no role in the application api://coldhaul" in unassigned.message
    other = judge_trouble(ClientAuthenticationError("secret AADSTS7000222 secret"), REQUEST)
    assert isinstance(other, TransientError)
    assert other.reaction is Reaction.REFRESH
    for each in (failure, unassigned, other):
        assert "secret" not in each.message + each.hint


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ServiceRequestError("[Errno 111] Connection refused"), "does not answer"),
        (ServiceRequestError("NameResolutionError(x)"), "no name that is known here"),
        (ServiceResponseError("Connection aborted"), "broke"),
        (ServiceRequestError("CERTIFICATE_VERIFY_FAILED"), "is not trusted"),
        (HttpResponseError("odd"), "HttpResponseError"),
    ],
)
def test_what_it_means_that_nothing_came(error: Exception, words: str) -> None:
    failure = judge_trouble(error, REQUEST)  # type: ignore[arg-type]
    assert isinstance(failure, StoreError)
    assert words in failure.message
    assert failure.hint
