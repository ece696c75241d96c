"""The S3 store keeps the promises of every store, on two emulators."""

import secrets
from functools import cache

import pytest
from botocore.exceptions import ClientError

from core.limits import ERROR_DOCUMENT_SIZE_MAX
from core.stores.address import parse_address
from core.stores.opening import open_store
from core.stores.s3 import S3Store
from core.stores.s3_client import Boto
from core.stores.settings import StoreSettings
from core.stores.store import Store
from tests.conformance.medium import Medium
from tests.conformance.suite import StoreConformance
from tests.emulators.services import S3Service


class S3Medium:
    """A prefix of a bucket, looked at with Amazon's own library."""

    def __init__(self, service: S3Service, client: Boto, url: str) -> None:
        address = parse_address(f"{url}/{secrets.token_hex(4)}/place")
        self._client = client
        self._bucket = address.container
        self._root = f"{address.prefix}/"
        self.settings: StoreSettings = service.settings
        self.store: Store = open_store(address.url, self.settings)

    def names(self) -> set[str]:
        """List the prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._root
        )
        return {
            entry["Key"].removeprefix(self._root)
            for page in pages
            for entry in page.get("Contents", ())
        }

    def read(self, name: str) -> bytes:
        """Get the object."""
        answer = self._client.get_object(Bucket=self._bucket, Key=self._root + name)
        data: bytes = answer["Body"].read()
        return data

    def write(self, name: str, data: bytes) -> None:
        """Put the object, over whatever is there."""
        self._client.put_object(Bucket=self._bucket, Key=self._root + name, Body=data)

    def remove(self, name: str) -> None:
        """Delete the object."""
        self._client.delete_object(Bucket=self._bucket, Key=self._root + name)

    def leftovers(self) -> set[str]:
        """Find unfinished uploads."""
        answer = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._root)
        return {upload["Key"] for upload in answer.get("Uploads", ())}

    def gone(self) -> Store:
        """Point at a bucket that nobody made."""
        with pytest.raises(ClientError):
            self._client.head_bucket(Bucket=f"{self._bucket}-gone")
        return open_store(f"s3://{self._bucket}-gone/place", self.settings)


class S3Conformance(StoreConformance):
    """The promises of every store, at the size that an emulator can take."""

    race_count = 60
    create_turns = 6
    seen_count = 16
    kill_turns = 3
    neighbour_turns = 4
    listed_count = 1100
    deleted_count = 1020

    emulator = ""

    @pytest.fixture
    def medium(self, request: pytest.FixtureRequest) -> Medium:
        service: S3Service = request.getfixturevalue(self.emulator)
        return S3Medium(service, *share_bucket(service))

    def test_what_is_larger_than_any_object_of_ours_is_read_all_the_same(
        self, medium: Medium, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("core.stores.s3.WHOLE_OBJECT_SIZE_MAX", 0)
        data = secrets.token_bytes(ERROR_DOCUMENT_SIZE_MAX + 1)
        medium.write("large", data)
        assert isinstance(medium.store, S3Store)
        assert medium.store.get("large") == data
        assert medium.store.pacer.retry_count == 0


@cache
def share_bucket(service: S3Service) -> tuple[Boto, str]:
    """Return one client and one bucket for all tests: each uses a prefix of its own."""
    return service.client(), service.new_url()


class TestLocalStack(S3Conformance):
    emulator = "localstack"


class TestMinistack(S3Conformance):
    emulator = "ministack"
