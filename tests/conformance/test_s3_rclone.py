"""``rclone serve s3``: checks signatures, ignores conditions. A source, and never a target."""

import os
from collections.abc import Callable

import pytest

from core.engine.probe import try_store
from core.errors import IntegrityError, NotFoundError, StoreError
from core.stores.address import parse_address
from core.stores.s3 import S3Store
from core.stores.s3_client import Boto
from core.stores.store import Keeping
from tests.emulators.services import S3Service


@pytest.fixture
def url(rclone_s3: S3Service) -> str:
    return rclone_s3.new_url()


@pytest.fixture
def store(rclone_s3: S3Service, url: str) -> S3Store:
    """A place that another program filled."""
    client: Boto = rclone_s3.client()
    bucket = parse_address(url).container
    for name in ("a-b/1", "a/b", "a/b-c", "a/c/1", "aa", "z"):
        client.put_object(Bucket=bucket, Key=f"place/{name}", Body=name.encode())
    return S3Store(f"{url}/place", rclone_s3.settings)


def test_it_is_refused_as_a_target(store: S3Store) -> None:
    with pytest.raises(StoreError, match="ignores that a write is create-only") as caught:
        try_store(store)
    assert "can still be the source of a copy" in caught.value.hint
    assert [head.name for head in store.list("sessions/")] == []


def test_it_serves_reads(store: S3Store) -> None:
    assert store.vendor == "s3-compatible"
    assert store.get("a/b") == b"a/b"
    assert store.get_range("a/b-c", 1, 3) == b"/b-"
    assert store.get_range("a/b-c", 5, 0) == b""
    assert store.head("aa").size == 2
    assert [head.name for head in store.list()] == ["a-b/1", "a/b", "a/b-c", "a/c/1", "aa", "z"]
    assert [head.name for head in store.list("a")] == ["a-b/1", "a/b", "a/b-c", "a/c/1", "aa"]
    assert [head.name for head in store.list("a/")] == ["a/b", "a/b-c", "a/c/1"]
    for head in store.list():
        assert head.etag == store.head(head.name).etag
    assert store.archived(["a/b", "z"]) == {}
    assert list(store.unfinished()) == []
    assert store.keeping("a/b") == Keeping(is_kept=False)


def test_ranges_come_under_the_status_of_a_whole_object_and_are_right(store: S3Store) -> None:
    data = b"a-b/1"
    for offset in range(6):
        for length in range(6 - offset):
            assert store.get_range("a-b/1", offset, length) == data[offset : offset + length]
    for offset, length in ((0, 6), (4, 2), (5, 1), (2**62, 1)):
        with pytest.raises(IntegrityError, match="5 bytes"):
            store.get_range("a-b/1", offset, length)


def test_what_is_missing_is_not_found(store: S3Store, rclone_s3: S3Service, url: str) -> None:
    readers: list[Callable[[str], object]] = [
        store.get,
        store.head,
        lambda name: store.get_range(name, 0, 1),
    ]
    for read in readers:
        with pytest.raises(NotFoundError, match="place/missing"):
            read("missing")
    gone = S3Store(f"{url}-gone/place", rclone_s3.settings)
    for call in (lambda: gone.get("a"), lambda: gone.head("a"), lambda: list(gone.list())):
        with pytest.raises(StoreError, match="there is no bucket"):
            call()


def test_wrong_secret_is_recognized_by_its_signature(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"wrong-{os.urandom(4).hex()}")
    with pytest.raises(StoreError, match="secret key does not belong to the access key"):
        S3Store(store.url, store.__reduce__()[1][1]).get("a/b")
