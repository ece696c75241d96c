"""Each key of the configuration by itself."""

import pytest
from pydantic import ValidationError

from proxy.tables import JobTable, RepositoryTable

REPOSITORY = {
    "url": "file:///srv/vault",
    "proxy": "hq",
    "retention_type": "item-level",
    "retention": "forever",
}


def test_a_repository_has_no_store_and_no_classes_unless_said() -> None:
    table = RepositoryTable.model_validate(REPOSITORY)
    assert (table.store, table.storage_class, table.metadata_class) == (None, "", "")
    assert table.encryption is None
    assert not table.is_bucket


def test_a_bucket_is_told_from_a_repository() -> None:
    assert RepositoryTable.model_validate({**REPOSITORY, "kind": "bucket"}).is_bucket


@pytest.mark.parametrize("text", ["", "DEEP ARCHIVE", "-", "x" * 65, "Ärchive"])
def test_what_cannot_be_a_class_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        RepositoryTable.model_validate({**REPOSITORY, "storage_class": text})


def test_a_table_cannot_be_changed() -> None:
    table = RepositoryTable.model_validate(REPOSITORY)
    with pytest.raises(ValidationError):
        table.url = "file:///srv/other"


def test_no_value_is_bent_into_its_type() -> None:
    job = {"source": "a", "target": "b", "schedule": "immediate", "fallback": 1}
    with pytest.raises(ValidationError):
        JobTable.model_validate(job)


def test_a_repository_is_opened_by_a_key_in_a_vault() -> None:
    url = "https://cold.vault.azure.net/keys/copies"
    table = RepositoryTable.model_validate({**REPOSITORY, "encryption": {"key_vault": url}})
    assert table.encryption is not None
    assert (table.encryption.key_vault, table.encryption.kms) == (url, None)
    with pytest.raises(ValidationError, match="not the identifier of a key"):
        RepositoryTable.model_validate({**REPOSITORY, "encryption": {"key_vault": url + "?"}})


def test_a_repository_is_opened_by_a_passphrase_or_a_kms_key() -> None:
    arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"
    table = RepositoryTable.model_validate({**REPOSITORY, "encryption": {"kms": arn}})
    assert table.encryption is not None
    assert (table.encryption.kms, table.encryption.passphrase) == (arn, None)
    with pytest.raises(ValidationError, match="not the ARN"):
        RepositoryTable.model_validate({**REPOSITORY, "encryption": {"kms": arn + "?"}})
