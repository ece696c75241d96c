"""What a vault answers, and what a user is told; what the service said itself is never repeated."""

import json
from dataclasses import replace
from io import BytesIO

import pytest
from azure.core.exceptions import DecodeError, HttpResponseError, ServiceRequestError
from azure.core.rest import HttpRequest
from azure.core.rest._requests_basic import RestRequestsTransportResponse
from requests import Response

from core.errors import ColdhaulError, InputError, IntegrityError, StoreError
from core.stores.azure_vault_errors import VaultRequest, judge, judge_local, useless_input
from core.stores.pacing import Reaction, TransientError

REQUEST = VaultRequest(
    doing="unwrap a key with",
    location="https://v.vault.azure.net/keys/k/1",
    vault="https://v.vault.azure.net",
    what="key",
    permission="keys/unwrapKey",
    role="A Role",
)


def answered(status: int, body: object) -> HttpResponseError:
    """Return the SDK's error for an answer; a text as the body is no JSON."""
    internal = Response()
    internal.status_code = status
    text = body if isinstance(body, str) else json.dumps(body)
    internal.raw = BytesIO(text.encode())
    internal.headers["Content-Type"] = "application/json"
    response = RestRequestsTransportResponse(  # type: ignore[no-untyped-call]
        request=HttpRequest("POST", REQUEST.location), internal_response=internal
    )
    response.read()
    return HttpResponseError(response=response)


def document(code: str, *inner: str, label: str = "innererror") -> object:
    error: dict[str, object] = {"code": code, "message": "hunter2"}
    level = error
    for each in inner:
        below: dict[str, object] = {"code": each}
        level[label] = below
        level = below
    return {"error": error}


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (403, document("Forbidden", "ForbiddenByRbac"), StoreError, "keys/unwrapKey is not"),
        (403, document("Forbidden", "ForbiddenByPolicy"), StoreError, "keys/unwrapKey is not"),
        (403, document("Forbidden", "KeyDisabled"), StoreError, "the key is disabled"),
        (403, document("Forbidden", "A", "KeyDisabled"), StoreError, "the key is disabled"),
        (403, document("Forbidden", "ForbiddenByConnection"), StoreError, "this network"),
        (403, document("Forbidden", "KeyExpired"), StoreError, "refuses this key (KeyExpired)"),
        (403, "<html>hunter2", StoreError, "keys/unwrapKey is not"),
        (403, ["hunter2"], StoreError, "keys/unwrapKey is not"),
        (403, {"error": "hunter2"}, StoreError, "keys/unwrapKey is not"),
        (404, document("KeyNotFound"), InputError, "there is no such key"),
        (401, document("Unauthorized"), TransientError, "these credentials"),
        (429, document("Throttled"), TransientError, "fewer requests"),
        (
            409,
            document("Conflict", "ObjectIsBeingRecovered"),
            TransientError,
            "409 Conflict Object",
        ),
        (408, "", TransientError, "failed with 408"),
        (503, document("not one: hunter2"), TransientError, "failed with 503"),
        (418, document("Teapot"), StoreError, "the vault answered 418 Teapot"),
    ],
)
def test_an_answer_is_judged(
    status: int, body: object, kind: type[ColdhaulError], said: str
) -> None:
    found = judge(answered(status, body), REQUEST)
    assert type(found) is kind
    assert said in found.message
    assert found.message.startswith("cannot unwrap a key with https://v.vault.azure.net/keys/k/1")
    assert "hunter2" not in found.message + found.hint


def test_the_code_below_is_found_by_either_spelling() -> None:
    body = document("Forbidden", "SecretDisabled", label="innerError")
    assert "disabled" in judge(answered(403, body), REQUEST).message


@pytest.mark.parametrize(("status", "reaction"), [(401, "REFRESH"), (429, "SLOW_DOWN")])
def test_what_another_try_mends_says_what_comes_before_it(status: int, reaction: str) -> None:
    found = judge(answered(status, {}), REQUEST)
    assert isinstance(found, TransientError)
    assert found.reaction is Reaction[reaction]


def test_an_answer_that_is_no_answer_is_tried_again() -> None:
    response = answered(200, "<html>").response
    assert isinstance(judge(DecodeError(response=response), REQUEST), TransientError)


def test_no_answer_is_judged_by_what_came_instead() -> None:
    refused = judge(ServiceRequestError("Connection refused"), REQUEST)
    assert "nothing answers at https://v.vault.azure.net" in refused.message
    untrusted = judge(ServiceRequestError("CERTIFICATE_VERIFY_FAILED"), REQUEST)
    assert "is not trusted" in untrusted.message


def test_something_else_that_answers_is_told_of() -> None:
    found = judge_local(REQUEST)
    assert "what answers at https://v.vault.azure.net is no Key Vault" in found.message


def test_what_a_key_can_make_nothing_of_is_damage_or_the_wrong_key() -> None:
    bad = answered(400, document("BadParameter"))
    assert isinstance(useless_input(bad, REQUEST), IntegrityError)
    wrapping = replace(REQUEST, doing="wrap a key with", permission="keys/wrapKey")
    found = useless_input(bad, wrapping)
    assert isinstance(found, InputError)
    assert "not an RSA key" in found.message
    assert useless_input(answered(403, {}), REQUEST) is None
