"""What is declared is compared with what is stored before anything is done."""

from pathlib import Path

import pytest

from core.errors import InputError, NotFoundError, StoreError
from core.sources.bucket import BucketSource
from core.sources.repository import Repository
from core.stores.aws_kms import KmsKey
from core.stores.azure_vault_key import VaultKey
from proxy.invocation import Invocation
from proxy.opening import (
    fetch_secret,
    need_secret,
    open_named,
    open_source,
    open_store,
    refuse_copies_only,
    refuse_overlap,
)
from tests.cli.place import PASSPHRASE, Place


def invocation(place: Place) -> Invocation:
    return Invocation(config_path=place.config, is_json=False)


def test_a_repository_is_opened_by_its_name(place: Place) -> None:
    place.done("repository", "create", "vault")
    repository = open_named(invocation(place), "vault")
    assert repository.identity.is_encrypted
    assert repository.store.url == f"file://{place.root}/vault"


def test_a_folder_that_is_no_repository_is_refused(place: Place) -> None:
    (place.root / "vault").mkdir()
    with pytest.raises(NotFoundError, match="not a coldhaul repository"):
        open_named(invocation(place), "vault")


def test_a_missing_folder_is_not_made(place: Place) -> None:
    with pytest.raises(StoreError, match="is not there"):
        open_named(invocation(place), "vault")
    assert not (place.root / "vault").exists()


def test_another_retention_type_than_the_stored_one_is_refused(place: Place) -> None:
    place.done("repository", "create", "vault")
    place.edit('"snapshot-based"', '"item-level"')
    with pytest.raises(InputError) as caught:
        open_named(invocation(place), "vault")
    assert "retention_type" in caught.value.problems[0]
    assert "snapshot-based" in caught.value.problems[0]


def test_encryption_that_is_declared_and_not_there_is_refused(place: Place) -> None:
    place.done("repository", "create", "primary")
    place.edit(
        'retention = "1 year"',
        f'retention = "1 year"\nencryption.passphrase = "file:{place.passphrase}"',
    )
    with pytest.raises(InputError) as caught:
        open_named(invocation(place), "primary")
    assert "without encryption" in caught.value.problems[0]


def test_encryption_that_is_there_and_not_declared_is_refused(place: Place) -> None:
    place.done("repository", "create", "vault")
    place.edit(f'encryption.passphrase = "file:{place.passphrase}"', "")
    with pytest.raises(InputError, match="names no passphrase"):
        open_named(invocation(place), "vault")


def test_a_wrong_passphrase_is_an_input_error(place: Place) -> None:
    place.done("repository", "create", "vault")
    place.write_passphrase("wrong")
    with pytest.raises(InputError, match="does not open"):
        open_named(invocation(place), "vault")


def test_a_secret_is_fetched_only_where_it_is_declared(place: Place) -> None:
    assert fetch_secret(invocation(place), "vault") == PASSPHRASE
    assert fetch_secret(invocation(place), "primary") is None
    with pytest.raises(InputError, match="declares no passphrase"):
        need_secret(invocation(place), "primary")


def test_only_create_may_make_the_folder(place: Place) -> None:
    open_store(invocation(place), "vault", create=True).put("a", b"x")
    with pytest.raises(StoreError):
        open_store(invocation(place), "primary").put("a", b"x")


@pytest.mark.parametrize("inner", ["vault", "vault/below", ""])
def test_a_folder_that_overlaps_a_repository_is_refused(place: Place, inner: str) -> None:
    with pytest.raises(InputError) as caught:
        refuse_overlap(invocation(place), place.root / inner, "restore to")
    assert any("'vault'" in problem for problem in caught.value.problems)


def test_a_folder_beside_the_repositories_is_fine(place: Place) -> None:
    refuse_overlap(invocation(place), Path(place.tree), "restore to")


@pytest.fixture
def bucket(place: Place) -> Place:
    """A place whose primary is a bucket of other tools' objects."""
    place.edit('retention = "1 year"', 'kind = "bucket"')
    (place.root / "primary").mkdir()
    (place.root / "primary" / "a").write_bytes(b"content")
    return place


def test_a_bucket_is_opened_as_a_source(bucket: Place) -> None:
    source = open_source(invocation(bucket), "primary")
    assert isinstance(source, BucketSource)
    assert source.url == f"file://{bucket.root}/primary"
    assert [each.key for each in source.bucket.list_page().objects] == ["a"]


def test_a_repository_is_opened_as_a_source(place: Place) -> None:
    place.done("repository", "create", "primary")
    assert isinstance(open_source(invocation(place), "primary"), Repository)


@pytest.mark.parametrize(
    "words",
    [
        ("repository", "create", "primary"),
        ("backup", ".", "--to", "primary"),
        ("restore", "primary", "--to", "restored"),
        ("restore-point", "list", "primary"),
        ("item", "list", "primary"),
        ("verify", "primary"),
        ("rebuild", "primary"),
        ("key", "list", "primary"),
        ("key", "rotate", "primary"),
        ("session", "list", "primary"),
    ],
)
def test_what_needs_a_repository_refuses_a_bucket_and_says_what_it_is_for(
    bucket: Place, words: tuple[str, ...]
) -> None:
    answer = bucket.run(*words)
    assert answer.code == 2
    assert 'declared with kind = "bucket"' in answer.err
    assert "a job that names it as its source" in " ".join(answer.err.split())


def test_a_bucket_is_checked_by_listing_and_reading(bucket: Place) -> None:
    found = bucket.json("repository", "check", "primary")["findings"]
    assert [(each["what"], each["level"]) for each in found] == [
        ("permission to list", "ok"),
        ("permission to read", "ok"),
    ]


def test_a_folder_inside_a_bucket_may_be_written(bucket: Place) -> None:
    """Where a bucket was is where its objects go back to."""
    refuse_overlap(invocation(bucket), bucket.root / "primary", "restore into")


@pytest.mark.parametrize("class_name", ["GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"])
def test_backups_do_not_go_into_a_class_for_copies(place: Place, class_name: str) -> None:
    place.edit(f"file://{place.root}/vault", "s3://bucket/vault")
    place.edit('retention = "7 years"', f'retention = "7 years"\nstorage_class = "{class_name}"')
    with pytest.raises(InputError, match=f"{class_name}, which is for copies only"):
        refuse_copies_only(invocation(place), "vault")
    refuse_copies_only(invocation(place), "primary")


def test_a_kms_key_is_a_secret_that_is_asked_for_nothing_yet(place: Place) -> None:
    arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"
    place.edit(f'encryption.passphrase = "file:{place.passphrase}"', f'encryption.kms = "{arn}"')
    secret = fetch_secret(invocation(place), "vault")
    assert isinstance(secret, KmsKey)
    assert secret.key == arn


def test_a_key_in_a_vault_is_a_secret_that_is_asked_for_nothing_yet(place: Place) -> None:
    url = "https://cold.vault.azure.net/keys/copies"
    place.edit(
        f'encryption.passphrase = "file:{place.passphrase}"', f'encryption.key_vault = "{url}"'
    )
    secret = fetch_secret(invocation(place), "vault")
    assert isinstance(secret, VaultKey)
    assert secret.key == url
