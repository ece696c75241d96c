"""The exemption for rclone gives a store without conditions the one promise it lacks."""

import pickle

import pytest

from benchmarks.create_only import CreateOnlyStore
from core.engine import probe
from core.errors import ConflictError, StoreError
from core.stores.opening import open_store
from core.stores.store import Store
from tests.emulators.services import S3Service


@pytest.fixture
def store(rclone_s3: S3Service) -> Store:
    return open_store(rclone_s3.new_url(), rclone_s3.settings)


def test_a_repository_is_refused_without_it_and_can_be_made_with_it(store: Store) -> None:
    with pytest.raises(StoreError, match="ignores that a write is create-only"):
        probe.try_store(store)
    probe.try_store(CreateOnlyStore(store))


def test_an_upload_does_not_replace_an_object(store: Store) -> None:
    wrapped = CreateOnlyStore(store)
    wrapped.put("packs/one", b"first")
    upload = wrapped.upload("packs/one")
    upload.write(b"second")
    with pytest.raises(ConflictError):
        upload.complete()
    upload.abort()
    assert wrapped.get("packs/one") == b"first"


def test_a_worker_process_gets_it_too(store: Store) -> None:
    wrapped = CreateOnlyStore(store)
    wrapped.put("one", b"first")
    again = pickle.loads(pickle.dumps(wrapped))
    with pytest.raises(ConflictError):
        again.put("one", b"second")


def test_no_unfinished_uploads_are_no_error(store: Store) -> None:
    assert list(CreateOnlyStore(store).unfinished()) == []
