"""What Azure refuses, as the libraries really raise it, is one error that says what to do."""

import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.stores.address import parse_address
from core.stores.azure import AzureStore
from core.stores.azure_answers import Answer
from core.stores.azure_client import AzureClient, parse_endpoint
from core.stores.azure_errors import CONTRIBUTOR, OWNER, READER, Request, judge_answer
from core.stores.pacing import Reaction, TransientError
from core.stores.settings import StoreSettings
from tests.emulators.faults import Refusal, Rule
from tests.emulators.services import AzureService

KEY = "c2VjcmV0IGtleSBvZiB0aGUgYWNjb3VudA=="


@dataclass(frozen=True, slots=True)
class Key:
    """An account key that opens nothing."""

    text: str = KEY

    def __call__(self) -> str:
        return self.text


def make_request(doing: str = "read", role: str = READER, key: Key | None = None) -> Request:
    """Describe a request at an account of Azure's."""
    found = StoreSettings(endpoint="https://account.blob.core.windows.net", account_key=key)
    return AzureClient(parse_address("az://vault/a"), found).request(doing, "name", role)


def judged(status: int, code: str, doing: str = "read", key: Key | None = None) -> ColdhaulError:
    return judge_answer(Answer(status=status, code=code), make_request(doing, key=key))


REFUSALS = [
    (403, "AuthorizationPermissionMismatch", StoreError, "role Storage Blob Data Reader is"),
    (403, "AuthorizationFailure", StoreError, "does not let this machine in"),
    (403, "AccountIsDisabled", StoreError, "account is disabled"),
    (403, "KeyBasedAuthenticationNotPermitted", StoreError, "does not allow account keys"),
    (400, "AccountRequiresHttps", StoreError, "requires HTTPS"),
    (404, "ContainerNotFound", StoreError, "there is no container"),
    (409, "ContainerBeingDeleted", StoreError, "there is no container"),
    (404, "BlobNotFound", NotFoundError, "is not there"),
    (409, "BlobImmutableDueToPolicy", StoreError, "immutability policy"),
    (412, "LeaseIdMissing", StoreError, "lease"),
    (400, "InvalidBlobTier", InputError, "does not have this tier"),
    (418, "NeverHeardOf", StoreError, "418 NeverHeardOf"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "kind", "words"), REFUSALS)
def test_a_refusal_is_one_error_whichever_library_meets_it(
    azurite: AzureService, status: int, code: str, kind: type[ColdhaulError], words: str
) -> None:
    rule = Rule(fault=Refusal(name=code, status=status, message="sig=SECRET"))
    with azurite.fault_proxy(rule) as proxy:
        store = AzureStore(azurite.new_url(), azurite.behind(proxy.endpoint).settings)
        for read in (store.head, store.get, list_all(store)):
            with pytest.raises(kind, match=words) as caught:
                read("name")
            assert caught.type is kind
            assert "SECRET" not in texts(caught.value)
            assert caught.value.hint or kind is NotFoundError


@pytest.mark.parametrize(
    ("status", "code", "reaction"),
    [
        (503, "ServerBusy", Reaction.SLOW_DOWN),
        (429, "TooManyRequests", Reaction.SLOW_DOWN),
        (503, "", Reaction.SLOW_DOWN),
        (500, "OperationTimedOut", Reaction.WAIT),
        (500, "InternalError", Reaction.WAIT),
        (502, "", Reaction.WAIT),
        (400, "Md5Mismatch", Reaction.WAIT),
        (401, "InvalidAuthenticationInfo", Reaction.REFRESH),
        (403, "AuthenticationFailed", Reaction.REFRESH),
        (401, "", Reaction.REFRESH),
    ],
)
def test_what_another_try_may_mend_says_how(status: int, code: str, reaction: Reaction) -> None:
    failure = judged(status, code)
    assert isinstance(failure, TransientError)
    assert failure.reaction is reaction
    assert failure.hint


@pytest.mark.parametrize("code", ["BlobAlreadyExists", "ConditionNotMet", "BlobArchived"])
def test_a_write_that_meets_an_object_is_a_conflict(code: str) -> None:
    """Also an archived one: it exists, whatever its tier."""
    failure = judged(409, code, "create")
    assert type(failure) is ConflictError
    assert "exists already" in failure.message


def test_a_read_never_takes_archived_for_written() -> None:
    failure = judged(409, "BlobArchived")
    assert type(failure) is NotReadyError
    assert "az://vault/a/name" in failure.message
    assert "Archive" in failure.message
    assert "set-tier" in failure.hint
    changed = judged(412, "ConditionNotMet")
    assert type(changed) is ConflictError
    assert "another object" in changed.message


@pytest.mark.parametrize("role", [READER, CONTRIBUTOR, OWNER])
def test_a_missing_role_is_named_with_where_it_is_missing(role: str) -> None:
    answer = Answer(status=403, code="AuthorizationPermissionMismatch")
    failure = judge_answer(answer, make_request("read", role))
    assert f"the role {role} is missing" in failure.message
    assert "container vault" in failure.hint


def test_what_is_wrong_with_credentials_depends_on_their_kind() -> None:
    by_key = judged(403, "AuthenticationFailed", key=Key())
    by_identity = judged(403, "AuthenticationFailed")
    assert "account key" in by_key.message
    assert "az login" in by_identity.hint


def test_a_wrong_key_is_said_and_not_shown(azurite: AzureService) -> None:
    for key in (KEY, "not/base64!", ""):
        settings = replace(azurite.settings, account_key=Key(key))
        store = AzureStore(azurite.new_url(), settings)
        for read in (store.head, store.get, list_all(store)):
            with pytest.raises(StoreError) as caught:
                read("name")
            assert caught.value.hint
            assert not key or key not in texts(caught.value)


def test_no_credentials_at_all_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    settings = StoreSettings(endpoint="https://account.invalid")
    store = AzureStore("az://vault/a", settings)
    store._client.refresh()  # Another test's chain would be kept.
    for read in (store.head, store.get):
        with pytest.raises(StoreError, match="no usable credentials") as caught:
            read("name")
        assert "az login" in caught.value.hint


def test_nothing_that_listens_is_said_with_the_endpoint(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/account"
        for settings in (
            StoreSettings(endpoint=endpoint, account_key=Key()),
            StoreSettings(
                endpoint="http://account.invalid",
                account_key=Key(),
                http_proxy=endpoint.replace("//", "//user:SECRET@").removesuffix("/account"),
            ),
        ):
            store = AzureStore("az://vault/a", settings)
            for read in (store.head, store.get):
                with pytest.raises(StoreError, match=f"answers at {settings.endpoint}") as caught:
                    read("name")
                assert "SECRET" not in texts(caught.value)
                assert "http_proxy" in caught.value.hint


def test_a_certificate_that_nobody_trusts_is_said(azurite_oauth: AzureService) -> None:
    settings = replace(azurite_oauth.settings, ca_bundle="", account_key=Key())
    store = AzureStore("az://vault/a", settings)
    for read in (store.head, store.get):
        with pytest.raises(StoreError, match="is not trusted") as caught:
            read("name")
        assert "ca_bundle" in caught.value.hint


def test_a_peer_that_speaks_no_tls_is_said(azurite: AzureService) -> None:
    endpoint = azurite.endpoint.replace("http://", "https://")
    store = AzureStore("az://vault/a", replace(azurite.settings, endpoint=endpoint))
    for read in (store.head, store.get):
        with pytest.raises(StoreError, match="does not speak TLS") as caught:
            read("name")
        assert "http://" in caught.value.hint


@pytest.mark.parametrize(
    "endpoint",
    ["", "account.blob.core.windows.net", "ftp://a", "https://a.b/c/d", "https://user:SECRET@a.b",
     "https://a.blob.core.windows.net/?sv=1&sig=SECRET"],
)  # fmt: skip
def test_an_endpoint_that_is_none_is_refused_and_not_repeated(endpoint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_endpoint("az://vault", endpoint)
    assert "https://ACCOUNT.blob.core.windows.net" in caught.value.hint
    assert "SECRET" not in texts(caught.value)


def list_all(store: AzureStore) -> Callable[[str], object]:
    """Return a way to list, called as the ways to read one object are."""
    return lambda _: list(store.list())


def texts(error: BaseException) -> str:
    """Return all that a log could say of an error, with everything that led to it."""
    parts = "".join(traceback.format_exception(error))
    return f"{parts} {error!r} {getattr(error, 'hint', '')} {getattr(error, 'problems', '')}"
