"""What S3 has and a folder has not: classes, archives, keys, uploads that nobody ended."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import boto3
import pytest

from core.errors import InputError, NotReadyError, StoreError
from core.limits import UPLOAD_PART_SIZE
from core.stores.address import parse_address
from core.stores.s3 import S3Store
from core.stores.s3_client import Boto
from core.stores.settings import StoreSettings
from core.stores.store import Keeping, Store
from tests.emulators.faults import Rule, refusal
from tests.emulators.programs import MINISTACK_RESTORE_SECONDS
from tests.emulators.services import S3Service
from tests.support.waiting import wait_until

# More than are looked at one by one.
MANY = 12
ROLE = "arn:aws:iam::000000000000:role/archiver"


class Place:
    """A prefix of a bucket as the store and as Amazon's own library see it."""

    def __init__(self, service: S3Service, url: str, *, storage_class: str = "") -> None:
        self.service = service
        self.url = url
        self.bucket = parse_address(url).container
        self.client: Boto = service.client()
        self.store = self.opened(storage_class=storage_class)

    def opened(self, prefix: str = "place", **settings: str | int) -> S3Store:
        """Open the store with settings of its own."""
        changed: StoreSettings = replace(self.service.settings, **settings)  # type: ignore[arg-type]
        return S3Store(f"{self.url}/{prefix}", changed)

    def key(self, name: str) -> dict[str, str]:
        """Return where an object of the store is."""
        return {"Bucket": self.bucket, "Key": f"place/{name}"}

    def storage_class(self, name: str) -> str:
        """Return the class that an object is in."""
        return str(self.client.head_object(**self.key(name)).get("StorageClass", "STANDARD"))

    def restore(self, name: str) -> None:
        """Order an object out of the archive."""
        self.client.restore_object(**self.key(name), RestoreRequest={"Days": 1})


@cache
def share_bucket(service: S3Service) -> str:
    """Return one bucket for all tests that empty it themselves."""
    return service.new_url()


@pytest.fixture
def place(localstack: S3Service) -> Iterator[Place]:
    url = share_bucket(localstack)
    yield Place(localstack, url)
    localstack.clear(url)


def upload(store: Store, name: str, data: bytes, *, is_cold: bool) -> None:
    """Upload whole bytes."""
    uploading = store.upload(name, is_cold=is_cold)
    uploading.write(data)
    assert uploading.complete() == store.head(name)


# --- Classes -------------------------------------------------------------------------------------


def test_packs_and_metadata_go_straight_into_their_classes(place: Place) -> None:
    store = place.opened(storage_class="DEEP_ARCHIVE", metadata_class="STANDARD_IA")
    store.put("put", b"x")
    upload(store, "small/cold", b"x", is_cold=True)
    upload(store, "large/cold", bytes(UPLOAD_PART_SIZE + 1), is_cold=True)
    upload(store, "small/hot", b"x", is_cold=False)
    upload(store, "large/hot", bytes(UPLOAD_PART_SIZE + 1), is_cold=False)
    classes = {head.name: place.storage_class(head.name) for head in store.list()}
    assert classes == {
        "put": "STANDARD_IA",
        "small/cold": "DEEP_ARCHIVE",
        "large/cold": "DEEP_ARCHIVE",
        "small/hot": "STANDARD_IA",
        "large/hot": "STANDARD_IA",
    }


def test_no_class_leaves_it_to_the_store(place: Place) -> None:
    place.store.put("a", b"x")
    upload(place.store, "b", b"x", is_cold=True)
    assert [place.storage_class(name) for name in "ab"] == ["STANDARD", "STANDARD"]


def test_parts_and_whole_carry_checksums_that_a_head_repeats(place: Place) -> None:
    upload(place.store, "large", bytes(UPLOAD_PART_SIZE + 1), is_cold=True)
    head = place.store.head("large")
    assert head.checksum_kind == "sha256"
    assert head.checksum_value.endswith("-2")
    answer = place.client.head_object(**place.key("large"), ChecksumMode="ENABLED")
    assert answer["ChecksumSHA256"] == head.checksum_value


def test_kms_key_encrypts_every_write(place: Place) -> None:
    # The emulator's KMS is at the same place as its S3.
    kms = boto3.client("kms", endpoint_url=place.service.endpoint, region_name="us-east-1")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    store = place.opened(kms_key=arn)
    store.put("put", b"x")
    upload(store, "small", b"y", is_cold=True)
    upload(store, "large", bytes(UPLOAD_PART_SIZE + 1), is_cold=True)
    for head in list(store.list()):
        answer = place.client.head_object(**place.key(head.name))
        assert answer["ServerSideEncryption"] == "aws:kms"
        assert answer["SSEKMSKeyId"] == arn
        assert answer["BucketKeyEnabled"] is True
    assert (store.get("put"), store.get("small")) == (b"x", b"y")


# --- Archives ------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_object_is_named_with_its_class(place: Place, storage_class: str) -> None:
    store = place.opened(storage_class=storage_class)
    upload(store, "p/1", b"01234", is_cold=True)
    readers: list[Callable[[str], bytes]] = [
        store.get,
        lambda name: store.get_range(name, 1, 2),
    ]
    for read in readers:
        with pytest.raises(NotReadyError, match=f"/place/p/1 .* in the class {storage_class}"):
            read("p/1")
    assert store.archived(["p/1", "p/missing"]) == {"p/1": storage_class}
    assert store.head("p/1").size == 5


def test_glacier_instant_needs_no_retrieval(place: Place) -> None:
    store = place.opened(storage_class="GLACIER_IR")
    upload(store, "p", b"x", is_cold=True)
    assert store.get("p") == b"x"
    assert store.archived(["p"]) == {}


@pytest.mark.parametrize("vendor", ["amazon-s3", "s3-compatible"])
@pytest.mark.parametrize("count", [2, MANY])
def test_restored_objects_are_readable_again(place: Place, vendor: str, count: int) -> None:
    store = place.opened(storage_class="DEEP_ARCHIVE", vendor=vendor)
    names = [f"p/{number:02}" for number in range(count)]
    for name in names:
        upload(store, name, b"x", is_cold=True)
    store.put("p/hot", b"x")
    assert list(store.archived([*reversed(names), "p/hot"])) == names[::-1]
    place.restore(names[0])
    assert store.get(names[0]) == b"x"
    assert list(store.archived([*names, "p/hot", "p/missing", names[1]])) == names[1:]


def test_object_on_its_way_out_of_the_archive_is_not_readable_yet(
    localstack: S3Service, place: Place
) -> None:
    store = place.opened(storage_class="GLACIER")
    upload(store, "p", b"x", is_cold=True)
    with localstack.fault_proxy(delays_restores=True) as proxy:
        behind = Place(localstack.behind(proxy.endpoint), place.url)
        behind.restore("p")
        assert behind.store.archived(["p"]) == {"p": "GLACIER"}
        with pytest.raises(NotReadyError):
            behind.store.get("p")
        proxy.complete_restores()
        assert behind.store.archived(["p"]) == {}
        assert behind.store.get("p") == b"x"


def test_store_whose_restores_take_time_is_waited_for(ministack: S3Service) -> None:
    place = Place(ministack, ministack.new_url(), storage_class="DEEP_ARCHIVE")
    names = [f"p/{number:02}" for number in range(MANY)]
    for name in names:
        upload(place.store, name, b"x", is_cold=True)
    ordered = time.monotonic()
    place.restore(names[0])
    is_archived = place.store.archived(names[:1]) == {names[0]: "DEEP_ARCHIVE"}
    assert is_archived or time.monotonic() - ordered >= MINISTACK_RESTORE_SECONDS
    wait_until(lambda: not place.store.archived(names[:1]))
    assert place.store.get(names[0]) == b"x"
    with pytest.raises(NotReadyError):
        place.store.get(names[1])


# --- Deleted objects -----------------------------------------------------------------------------


def test_a_versioned_bucket_says_how_long_it_keeps_what_is_deleted(
    localstack: S3Service,
) -> None:
    place = Place(localstack, localstack.new_url())

    def switch(status: str) -> None:
        place.client.put_bucket_versioning(
            Bucket=place.bucket, VersioningConfiguration={"Status": status}
        )

    switch("Enabled")
    place.store.put("a", b"x")
    place.store.delete(["a"])
    assert place.store.keeping("a") == Keeping(is_kept=True)
    expiry = {
        "ID": "former",
        "Status": "Enabled",
        "Filter": {"Prefix": "place/"},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
    place.client.put_bucket_lifecycle_configuration(
        Bucket=place.bucket, LifecycleConfiguration={"Rules": [expiry]}
    )
    assert place.store.keeping("a") == Keeping(is_kept=True, days=30)
    assert place.opened("elsewhere").keeping("a") == Keeping(is_kept=True)
    switch("Suspended")
    assert place.store.keeping("a") == Keeping(is_kept=False)


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        ("GetBucketVersioning", "s3:GetBucketVersioning"),
        ("GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    ],
)
def test_a_bucket_that_may_not_be_asked_names_the_permission(
    localstack: S3Service, operation: str, permission: str
) -> None:
    place = Place(localstack, localstack.new_url())
    place.client.put_bucket_versioning(
        Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    with localstack.fault_proxy() as proxy:
        proxy.add(Rule(fault=refusal("s3", "AccessDenied"), operations=frozenset({operation})))
        store = S3Store(f"{place.url}/place", localstack.behind(proxy.endpoint).settings)
        with pytest.raises(StoreError, match=f"{permission} is not allowed") as caught:
            store.keeping("a")
    assert f"Allow {permission} on arn:aws:s3:::{place.bucket} to" in caught.value.hint


# --- Uploads that nobody ended -------------------------------------------------------------------


def test_unfinished_uploads_below_the_root_are_found_and_discarded(place: Place) -> None:
    place.store.put("done", b"x")
    begun = place.store.upload("packs/s/p")
    begun.write(bytes(UPLOAD_PART_SIZE + 1))
    for key in ("place-other/q", "q"):
        place.client.create_multipart_upload(Bucket=place.bucket, Key=key)
    for _ in range(3):
        place.client.create_multipart_upload(**place.key("packs/s/r"))
    found = list(place.store.unfinished())
    assert sorted(each.name for each in found) == ["packs/s/p", *["packs/s/r"] * 3]
    assert all(each.started.tzinfo is not None for each in found)
    some = [each.name for each in place.store.unfinished(["blobs/", "packs/s/p"])]
    assert some == ["packs/s/p"]
    assert list(place.store.unfinished(["blobs/"])) == []
    for each in found:
        place.store.discard(each)
        place.store.discard(each)
    assert list(place.store.unfinished()) == []
    rest = place.client.list_multipart_uploads(Bucket=place.bucket)["Uploads"]
    assert {each["Key"] for each in rest} == {"place-other/q", "q"}


# --- What others keep there ----------------------------------------------------------------------


def test_keys_that_are_no_names_of_ours_are_left_out(place: Place) -> None:
    place.store.put("a", b"x")
    place.store.put("z", b"x")
    for key in ("b//c", "b/../c", "d e", "ä", "folder/", "m", "../n"):
        place.client.put_object(Bucket=place.bucket, Key=f"place/{key}", Body=b"")
    place.client.put_object(Bucket=place.bucket, Key="place", Body=b"")
    place.client.put_object(Bucket=place.bucket, Key="place2/a", Body=b"")
    assert [head.name for head in place.store.list()] == ["a", "m", "z"]
    assert [head.name for head in place.store.list("b")] == []


@pytest.mark.parametrize("prefix", ["", "with space", "a%20b", "ä/ö", "a+b", "a=b&c", "x#y", "q?r"])
def test_every_plain_prefix_can_be_the_root(place: Place, prefix: str) -> None:
    store = place.opened(prefix)
    store.put("x/1", b"1")
    upload(store, "x/2", b"22", is_cold=False)
    assert (store.get("x/1"), store.get_range("x/2", 0, 2)) == (b"1", b"22")
    assert [head.name for head in store.list("x/")] == ["x/1", "x/2"]
    key = f"{prefix}/x/1".lstrip("/")
    assert place.client.get_object(Bucket=place.bucket, Key=key)["Body"].read() == b"1"
    store.delete(["x/1"])
    assert [head.name for head in store.list()] == ["x/2"]


@pytest.mark.parametrize("prefix", ["a//b", "a/../b", "./a", "a/."])
def test_prefix_that_other_tools_could_not_reach_is_refused(prefix: str) -> None:
    with pytest.raises(InputError, match="in its prefix"):
        S3Store(f"s3://vault/{prefix}", StoreSettings())


# --- Bandwidth and roles -------------------------------------------------------------------------


def test_bandwidth_is_kept_in_both_directions(place: Place) -> None:
    store = place.opened("slow", read_bandwidth=400_000, write_bandwidth=500_000)
    begun = time.monotonic()
    for number in range(4):
        store.put(f"{number}", bytes(250_000))
    assert 0.9 < time.monotonic() - begun < 60
    begun = time.monotonic()
    for number in range(4):
        store.get(f"{number}")
    assert 1.4 < time.monotonic() - begun < 60


def test_role_is_assumed_once_and_again_when_its_credentials_expire(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.service.fault_proxy() as sts, place.service.fault_proxy() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.endpoint)
        store = place.opened(endpoint=proxy.endpoint, role_arn=ROLE)
        store.put("a", b"x")
        assert (store.head("a").size, store.get("a")) == (1, b"x")
        assert [call.status for call in sts.calls] == [200]
        proxy.add(Rule(fault=refusal("s3", "ExpiredToken"), count=1))
        assert store.get("a") == b"x"
        assert [call.status for call in sts.calls] == [200, 200]


def test_role_that_cannot_be_assumed_is_one_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = Rule(fault=refusal("s3", "AccessDenied"))
    with place.service.fault_proxy(denied) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.endpoint)
        store = place.opened(role_arn=ROLE)
        for call in (lambda: store.get("a"), lambda: store.head("a"), lambda: store.put("a", b"")):
            with pytest.raises(StoreError, match="role_arn cannot be assumed") as caught:
                call()
            assert "sts:AssumeRole" in caught.value.hint
