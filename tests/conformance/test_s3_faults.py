"""What goes wrong between the S3 store and S3: mended where it can be, said where it cannot."""

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from core.errors import ColdhaulError, ConflictError, InputError, NotReadyError, StoreError
from core.limits import STORE_CONCURRENCY_MAX, UPLOAD_PART_SIZE
from core.stores.s3 import S3Store
from core.stores.settings import StoreSettings
from tests.emulators.fault_proxy import FaultProxy
from tests.emulators.faults import (
    CUT_BODY,
    RESET_AFTER,
    RESET_BEFORE,
    Fault,
    Refusal,
    Rule,
    refusal,
)
from tests.emulators.services import S3Service

SECRET = "not-to-be-told-to-anybody-0123456789"
TOKEN = "neither-is-the-session-token"
LARGE = UPLOAD_PART_SIZE + 5

# tests/unit/stores/test_s3_errors.py has every code; here is one of each kind, in real answers.
TRANSIENT = [
    *[
        refusal("s3", name)
        for name in ("InternalError", "SlowDown", "RequestTimeout", "ConditionalRequestConflict")
    ],
    Refusal(name="GatewayTimeout", status=504),
    RESET_BEFORE,
    RESET_AFTER,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The same place through the proxy and past it."""

    store: S3Store
    behind: S3Store
    proxy: FaultProxy


@pytest.fixture(autouse=True)
def secret(s3_credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that are easily found in a text."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@pytest.fixture
def place(ministack: S3Service) -> Iterator[Place]:
    url = f"{ministack.new_url()}/place"
    with ministack.fault_proxy() as proxy:
        service = ministack.behind(proxy.endpoint)
        yield Place(
            store=S3Store(url, service.settings),
            behind=S3Store(url, ministack.settings),
            proxy=proxy,
        )


def tell(error: BaseException) -> str:
    """Return all that an error and the ones behind it say, tracebacks aside."""
    texts = []
    found: BaseException | None = error
    while found is not None:
        texts += [str(found), repr(found), getattr(found, "hint", "")]
        found = found.__cause__ or found.__context__
    return "\n".join(texts)


def refused(call: Callable[[], object], kind: type[ColdhaulError], match: str) -> ColdhaulError:
    """Return the error of a call, which has a hint and tells no secret."""
    with pytest.raises(kind, match=match) as caught:
        call()
    text = tell(caught.value)
    assert caught.value.hint
    for secret in (SECRET, TOKEN, "Signature=", "X-Amz-Signature"):
        assert secret not in text
    return caught.value


def uploaded(store: S3Store, name: str, size: int) -> bytes:
    """Upload random bytes and return them."""
    data = random.Random(size).randbytes(size)
    upload = store.upload(name)
    upload.write(data)
    assert upload.complete() == store.head(name)
    return data


# --- Mended ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", TRANSIENT, ids=lambda fault: fault.name)
def test_every_call_gets_over_a_failure_of_a_moment(place: Place, fault: Fault) -> None:
    place.behind.put("a", b"01234")
    store = place.store

    def strike(operation: str, times: int = 1) -> None:
        place.proxy.clear()
        place.proxy.add(Rule(fault=fault, operations=frozenset({operation}), count=times))

    strike("GetObject", 2)
    assert store.get("a") == b"01234"
    strike("GetObject", 2)
    assert store.get_range("a", 1, 3) == b"123"
    strike("HeadObject")
    assert store.head("a").size == 5
    strike("PutObject", 2)
    assert store.put("b", b"new").size == 3
    strike("ListObjectsV2")
    assert [head.name for head in store.list()] == ["a", "b"]
    strike("PutObject")
    small = uploaded(store, "small", 7)
    strike("DeleteObjects")
    store.delete(["a"])
    place.proxy.clear()
    assert [head.name for head in store.list()] == ["b", "small"]
    assert place.behind.get("b") == b"new"
    assert place.behind.get("small") == small
    assert store.pacer.retry_count >= 9


@pytest.mark.parametrize(
    "fault", [RESET_BEFORE, RESET_AFTER, refusal("s3", "SlowDown")], ids=lambda fault: fault.name
)
@pytest.mark.parametrize(
    "operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
)
def test_upload_in_parts_gets_over_a_failure(place: Place, fault: Fault, operation: str) -> None:
    place.proxy.add(Rule(fault=fault, operations=frozenset({operation}), count=1))
    data = uploaded(place.store, "large", LARGE)
    assert place.proxy.outcomes[fault.name] == 1
    assert place.behind.get("large") == data
    # The answer that named an upload was lost: only a listing finds that upload again.
    is_orphaned = (fault, operation) == (RESET_AFTER, "CreateMultipartUpload")
    found = list(place.store.unfinished())
    assert [upload.name for upload in found] == ["large"] * is_orphaned


def test_a_part_in_a_file_is_sent_again_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.stores.part_sizes.UPLOAD_PART_IN_MEMORY_MAX", 1)
    for fault in (RESET_BEFORE, RESET_AFTER):
        place.proxy.add(Rule(fault=fault, operations=frozenset({"UploadPart"}), count=1))
    data = uploaded(place.store, "large", LARGE)
    assert place.store.pacer.retry_count == 2
    assert place.behind.get("large") == data


def test_body_that_ends_too_early_is_read_again(place: Place) -> None:
    data = os.urandom(100_000)
    place.behind.put("a", data)
    place.proxy.add(Rule(fault=CUT_BODY, operations=frozenset({"GetObject"}), count=2))
    assert place.store.get("a") == data
    place.proxy.add(Rule(fault=CUT_BODY, operations=frozenset({"GetObject"}), count=2))
    assert place.store.get_range("a", 10, 90_000) == data[10:90_010]
    place.proxy.add(Rule(fault=CUT_BODY, operations=frozenset({"ListObjectsV2"}), count=2))
    assert [head.name for head in place.store.list()] == ["a"]
    assert place.store.pacer.retry_count == 6


def test_long_listing_goes_on_where_it_was(place: Place) -> None:
    names = [f"x/{number:04d}" for number in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: place.behind.put(name, b""), names))
    place.proxy.add(
        Rule(fault=RESET_AFTER, operations=frozenset({"ListObjectsV2"}), probability=0.5)
    )
    assert [head.name for head in place.store.list("x/")] == names


# --- The conflict that is ours -----------------------------------------------------------------


def test_write_whose_answer_was_lost_is_no_conflict(place: Place) -> None:
    place.proxy.add(Rule(fault=RESET_AFTER, operations=frozenset({"PutObject"}), count=1))
    assert place.store.put("a", b"ours").size == 4
    assert place.proxy.outcomes["reset after"] == 1
    assert place.behind.get("a") == b"ours"


@pytest.mark.parametrize("theirs", [b"theirs", b"our", b""])
def test_another_s_write_meanwhile_is_a_conflict(place: Place, theirs: bytes) -> None:
    place.behind.put("a", theirs)
    place.behind.put("b", theirs)
    rule = Rule(fault=RESET_BEFORE, operations=frozenset({"PutObject"}))
    place.proxy.add(Rule(fault=RESET_BEFORE, operations=frozenset({"PutObject"}), count=1))
    with pytest.raises(ConflictError):
        place.store.put("a", b"ours")
    place.proxy.add(Rule(fault=rule.fault, operations=rule.operations, count=1))
    upload = place.store.upload("b")
    upload.write(b"ours")
    with pytest.raises(ConflictError):
        upload.complete()
    assert place.behind.get("a") == place.behind.get("b") == theirs


def test_completion_that_another_was_faster_with_is_a_conflict(place: Place) -> None:
    upload = place.store.upload("a")
    upload.write(bytes(LARGE))
    place.behind.put("a", b"theirs")
    operations = frozenset({"CompleteMultipartUpload"})
    place.proxy.add(Rule(fault=RESET_BEFORE, operations=operations, count=1))
    with pytest.raises(ConflictError):
        upload.complete()
    assert place.behind.get("a") == b"theirs"
    assert list(place.behind.unfinished()) == []


def test_every_failure_of_an_upload_aborts_it(place: Place) -> None:
    denied = refusal("s3", "AccessDenied")
    for operation in ("UploadPart", "CompleteMultipartUpload"):
        place.proxy.clear()
        place.proxy.add(Rule(fault=denied, operations=frozenset({operation})))
        upload = place.store.upload("a")

        def fill(upload: object = upload) -> None:
            upload.write(bytes(LARGE))  # type: ignore[attr-defined]
            upload.complete()  # type: ignore[attr-defined]

        refused(fill, StoreError, "s3:PutObject is not allowed")
        assert list(place.behind.unfinished()) == []
    assert list(place.behind.list()) == []


def test_upload_that_somebody_aborts_says_so(place: Place) -> None:
    upload = place.store.upload("a")
    upload.write(bytes(LARGE))
    for found in place.behind.unfinished():
        place.behind.discard(found)
    refused(upload.complete, StoreError, "the upload of .*/place/a is gone")
    assert list(place.behind.list()) == []


# --- Fewer requests ----------------------------------------------------------------------------


def test_store_that_asks_for_less_gets_less_and_then_more_again(place: Place) -> None:
    for number in range(4):
        place.behind.put(f"{number}", bytes(10))
    slow_down = Rule(fault=refusal("s3", "SlowDown"), probability=0.3)
    place.proxy.add(slow_down)

    def read(number: int) -> bytes:
        return place.store.get(f"{number % 4}")

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(read, range(200))) == {bytes(10)}
    lowered = place.store.pacer.concurrency
    assert place.store.pacer.throttle_count == place.proxy.outcomes["SlowDown"] > 30
    assert lowered < STORE_CONCURRENCY_MAX // 4
    place.proxy.clear()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(read, range(400)))
    assert place.store.pacer.concurrency > lowered + 10


# --- Credentials and permissions ---------------------------------------------------------------


def test_expired_credentials_are_fetched_anew(place: Place) -> None:
    place.behind.put("a", b"x")
    expired = refusal("s3", "ExpiredToken")
    for operation, call in readings(place.store, "a"):
        place.proxy.clear()
        place.proxy.add(Rule(fault=expired, operations=frozenset({operation}), count=1))
        call()
    assert place.proxy.outcomes["ExpiredToken"] == 4


def test_credentials_that_stay_expired_are_one_error(place: Place) -> None:
    place.proxy.add(Rule(fault=refusal("s3", "ExpiredToken")))
    for _, call in [*readings(place.store, "a"), *writings(place.store, "a")]:
        error = refused(call, StoreError, "the credentials have expired")
        assert "get-caller-identity" in error.hint


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("InvalidAccessKeyId", "does not know this access key"),
        ("SignatureDoesNotMatch", "secret key does not belong to the access key"),
        ("RequestTimeTooSkewed", "this machine's clock is wrong"),
    ],
)
def test_wrong_credentials_are_one_error_at_once(place: Place, code: str, says: str) -> None:
    place.proxy.add(Rule(fault=refusal("s3", code)))
    for _, call in [*readings(place.store, "a"), *writings(place.store, "a")]:
        # The answer to a head has no body to say it in: the store asks in another way.
        refused(call, StoreError, says)
    assert place.proxy.operations["HeadObject"] == 1
    assert place.store.pacer.throttle_count == 0


def readings(store: S3Store, name: str) -> list[tuple[str, Callable[[], object]]]:
    """Return the ways to read, by the request that each of them makes first."""
    return [
        ("GetObject", lambda: store.get(name)),
        ("GetObject", lambda: store.get_range(name, 0, 1)),
        ("HeadObject", lambda: store.head(name)),
        ("ListObjectsV2", lambda: list(store.list())),
    ]


def writings(store: S3Store, name: str) -> list[tuple[str, Callable[[], object]]]:
    """Return the ways to write, by the request that each of them makes first."""
    return [
        ("PutObject", lambda: store.put(name, b"")),
        ("PutObject", lambda: store.upload(name).complete()),
        ("DeleteObjects", lambda: store.delete([name])),
    ]


PERMISSIONS = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
}


def test_missing_permission_is_named_with_what_to_allow_it_on(place: Place) -> None:
    place.proxy.add(Rule(fault=refusal("s3", "AccessDenied")))
    bucket = place.store.url.split("/")[2]
    for operation, call in [*readings(place.store, "a"), *writings(place.store, "a")]:
        permission = PERMISSIONS[operation]
        error = refused(call, StoreError, f"{permission} is not allowed")
        resource = bucket if operation == "ListObjectsV2" else f"{bucket}/place/*"
        assert f"Allow {permission} on arn:aws:s3:::{resource} to" in error.hint
        # Without the permission to list, a head does not tell a missing object.
        assert ("Or it is not there" in error.hint) == (operation == "HeadObject")
    # Nobody tried again what was denied; a connection that had been ended may be met once.
    assert place.proxy.outcomes["AccessDenied"] <= 9


def test_missing_permission_on_the_key_is_named(place: Place) -> None:
    message = (
        "User: arn:aws:iam::1:user/u is not authorized to perform: kms:GenerateDataKey on resource"
    )
    place.proxy.add(Rule(fault=Refusal(name="AccessDenied", status=403, message=message)))
    for _, call in writings(place.store, "a")[:2]:
        error = refused(call, StoreError, "kms:GenerateDataKey is not allowed")
        assert "kms:Decrypt" in error.hint


def test_wrong_region_is_said_with_the_right_one(place: Place) -> None:
    moved = Refusal(
        name="PermanentRedirect", status=301, headers={"x-amz-bucket-region": "eu-west-1"}
    )
    place.proxy.add(Rule(fault=moved))
    error = refused(lambda: place.store.head("a"), StoreError, "is in another region")
    assert "eu-west-1" in error.hint
    refused(lambda: place.store.get("a"), StoreError, "is in another region")


def test_class_that_a_store_does_not_have_is_the_configuration_s_fault(place: Place) -> None:
    place.proxy.add(Rule(fault=Refusal(name="InvalidStorageClass", status=400)))
    for _, call in writings(place.store, "a")[:2]:
        refused(call, InputError, "does not have this storage class")


def test_archived_object_is_recognized_where_the_store_says_nothing_more(place: Place) -> None:
    place.behind.put("a", b"x")
    place.proxy.add(
        Rule(fault=refusal("s3", "InvalidObjectState"), operations=frozenset({"GetObject"}))
    )
    for _, call in readings(place.store, "a")[:2]:
        error = refused(call, NotReadyError, "/place/a is archived")
        assert "restore-object" in error.hint


# --- Nobody there ------------------------------------------------------------------------------


def test_unreachable_endpoint_is_one_error_soon() -> None:
    store = S3Store("s3://vault/a", StoreSettings(endpoint="http://127.0.0.1:9"))
    for _, call in [readings(store, "a")[0], writings(store, "a")[2]]:  # Of each library.
        refused(call, StoreError, "nothing answers at http://127.0.0.1:9")


def test_endpoint_without_tls_is_recognized(ministack: S3Service) -> None:
    endpoint = ministack.endpoint.replace("http://", "https://")
    store = S3Store("s3://vault", StoreSettings(endpoint=endpoint))
    for _, call in readings(store, "a")[1:3]:
        refused(call, StoreError, f"{endpoint} does not speak TLS")


def test_certificate_of_nobody_we_know_is_refused(localstack: S3Service) -> None:
    endpoint = localstack.endpoint.replace("http://", "https://")
    store = S3Store("s3://vault", StoreSettings(endpoint=endpoint))
    for _, call in readings(store, "a")[1:3]:
        error = refused(call, StoreError, f"the certificate of {endpoint} is not trusted")
        assert "ca_bundle" in error.hint


def test_no_credentials_are_one_error(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    store = S3Store(place.store.url, StoreSettings(endpoint=place.proxy.endpoint))
    for _, call in [*readings(store, "a"), *writings(store, "a")]:
        refused(call, StoreError, "there are no credentials for s3://")
    absent = S3Store(place.store.url, StoreSettings(profile="absent"))
    refused(lambda: absent.get("a"), StoreError, "no usable credentials .ProfileNotFound")
