"""Repositories and buckets are sources alike."""

from pathlib import Path

import pytest

from core.errors import IntegrityError, NotFoundError, StoreError
from core.format import names
from core.model import RetentionType
from core.sources.bucket import open_bucket_source
from core.sources.source import Source, SourceBlob
from core.stores.folder import FolderStore
from core.stores.folder_bucket import FolderBucket
from tests.support.copies import make_repository


def facts(source: Source) -> tuple[object, ...]:
    return (source.vendor, source.retention_type, source.has_content_ids)


def test_a_repository_is_a_source(tmp_path: Path) -> None:
    repository = make_repository(FolderStore(tmp_path, create=True))
    assert facts(repository) == ("filesystem", RetentionType.SNAPSHOT_BASED, True)
    assert (repository.id, repository.url) == (repository.identity.id, tmp_path.as_uri())
    blob, _ = repository.put_blob(b"content")
    fetched = repository.fetch(blob)
    assert fetched == SourceBlob(content=repository.store.get(names.blob(blob)))
    assert repository.open(blob, fetched.content) == b"content"


def test_an_encrypted_repository_has_no_content_ids(tmp_path: Path) -> None:
    repository = make_repository(FolderStore(tmp_path, create=True), is_encrypted=True)
    assert not repository.has_content_ids


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "sealed"])
def test_a_blob_of_a_repository_is_checked_as_it_is_opened(
    tmp_path: Path, is_encrypted: bool
) -> None:
    repository = make_repository(FolderStore(tmp_path, create=True), is_encrypted=is_encrypted)
    blob, _ = repository.put_blob(b"content")
    other, _ = repository.put_blob(b"another")
    stored = repository.fetch(other).content
    with pytest.raises(IntegrityError):
        repository.open(blob, stored)
    with pytest.raises(IntegrityError):
        repository.open(other, stored[:-1] + bytes([stored[-1] ^ 1]))


def test_a_bucket_is_a_source(tmp_path: Path) -> None:
    source = open_bucket_source(FolderBucket(tmp_path), RetentionType.ITEM_LEVEL)
    assert facts(source) == ("filesystem", RetentionType.ITEM_LEVEL, False)


def test_a_blob_is_missing_or_the_whole_source_is(tmp_path: Path) -> None:
    repository = make_repository(FolderStore(tmp_path, create=True))
    with pytest.raises(NotFoundError):
        repository.fetch(bytes(32))
    repository.store.delete([names.REPOSITORY])
    with pytest.raises(StoreError, match="has lost its"):
        repository.fetch(bytes(32))
