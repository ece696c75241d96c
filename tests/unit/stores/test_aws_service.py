"""Every answer that a service may give leads to an error that says what to do."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from core.errors import InputError, StoreError
from core.stores.aws_kms import KmsKey
from core.stores.aws_service import AwsService, denied, judge_service
from core.stores.pacing import Reaction, TransientError
from core.stores.s3_answers import Answer
from core.stores.s3_errors import Request
from core.stores.settings import StoreSettings
from tests.emulators.faults import Refusal, Rule
from tests.emulators.services import AmazonService

REQUEST = Request(
    doing="do", location="something", permission="kms:List", bucket="", resource="all of it"
)


@pytest.mark.parametrize(
    ("status", "code", "reaction"),
    [
        (400, "ThrottlingException", Reaction.SLOW_DOWN),
        (429, "", Reaction.SLOW_DOWN),
        (400, "ExpiredTokenException", Reaction.REFRESH),
        (500, "InternalServiceError", Reaction.WAIT),
        (503, "", Reaction.WAIT),
    ],
)
def test_what_another_try_may_mend(status: int, code: str, reaction: Reaction) -> None:
    error = judge_service(Answer(status=status, code=code), REQUEST)
    assert isinstance(error, TransientError)
    assert error.reaction is reaction


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, "AccessDeniedException", "kms:List is not allowed"),
        (403, "", "kms:List is not allowed"),
        (400, "InvalidSignatureException", "does not accept these credentials"),
        (401, "", "does not accept these credentials"),
        (400, "ValidationException", "answered 400 ValidationException"),
    ],
)
def test_what_no_other_try_mends(status: int, code: str, said: str) -> None:
    error = judge_service(Answer(status=status, code=code, message="secret"), REQUEST)
    assert type(error) is StoreError
    assert f"cannot do something: {said}" in error.message.replace("Amazon ", "").replace(
        "the service ", ""
    )
    # What a service says may repeat what it was sent.
    assert "secret" not in error.message


def test_a_missing_permission_is_named_with_what_it_is_on() -> None:
    assert "kms:List on all of it" in denied(REQUEST, "kms:List").hint


def service(settings: StoreSettings | None = None) -> AwsService:
    return AwsService("kms", "us-east-1", settings or StoreSettings(), lambda *_: None)


def test_all_threads_share_a_connection(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They sign in once, however many begin at the same moment."""
    shared = service(StoreSettings(role_arn="arn:aws:iam::000000000000:role/copies"))
    start = Barrier(8)

    def ask(_: int) -> bool:
        start.wait()
        return "Keys" in shared.call(REQUEST, "list_keys", ["Keys"])

    with amazon.fault_proxy() as proxy, ThreadPoolExecutor(8) as pool:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", proxy.endpoint)
        assert all(pool.map(ask, range(8)))
    assert [(call.method, call.status) for call in proxy.calls] == [("POST", 200)]


def test_an_endpoint_that_is_no_url_is_the_environment_s_fault(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon.reach_by("nowhere", monkeypatch)
    with pytest.raises(InputError, match="nowhere") as caught:
        service().call(REQUEST, "list_keys", ["Keys"])
    assert "AWS_ENDPOINT_URL" in caught.value.hint


def test_a_ca_bundle_that_is_missing_is_told_of(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon.reach_by("https://127.0.0.1:9", monkeypatch)
    with pytest.raises(StoreError, match="cannot do something"):
        service(StoreSettings(ca_bundle="/nowhere")).call(REQUEST, "list_keys", ["Keys"])


def test_a_role_that_may_not_be_assumed_is_told_of(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through STS, whose answers are XML."""
    body = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"

    class Xml(Refusal):
        def encode(self, kind: str, method: str) -> bytes:
            head = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(body)}\r\n\r\n"
            return (head + body).encode()

    key = KmsKey(amazon.new_key(), StoreSettings(role_arn="arn:aws:iam::000000000000:role/none"))
    with amazon.fault_proxy(Rule(fault=Xml(name="AccessDenied", status=403))) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", proxy.endpoint)
        with pytest.raises(StoreError, match="role_arn cannot be assumed") as caught:
            key.wrap(b"x", {})
    assert "sts:AssumeRole" in caught.value.hint


def test_a_role_asks_in_the_place_of_who_assumed_it(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KmsKey(amazon.new_key(), StoreSettings(role_arn="arn:aws:iam::000000000000:role/copies"))
    with amazon.fault_proxy() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", proxy.endpoint)
        assert key.unwrap(key.wrap(b"x", {}), {}) == b"x"
    assert [(call.method, call.status) for call in proxy.calls] == [("POST", 200)]
