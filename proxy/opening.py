"""From a name in the configuration to an opened repository.

What is declared is compared with what is stored: a configuration that believes a repository is
encrypted, or ages otherwise than it does, is refused before anything is done.
"""

import os
from pathlib import Path

from core.errors import InputError
from core.model import Identity
from core.sources.bucket import BucketSource, open_bucket_source
from core.sources.repository import Repository, open_repository
from core.sources.unlocking import Secret, SecretSource
from core.stores import opening
from core.stores.address import AMAZON_S3, AZURE_BLOB
from core.stores.aws_kms import KmsKey
from core.stores.azure_vault_key import VaultKey
from core.stores.bucket import Bucket
from core.stores.classes import Use, parse_storage_class
from core.stores.store import Store
from proxy.config import Config
from proxy.invocation import Invocation
from proxy.location import Place, folder_url, relation
from proxy.secret import read_secret
from proxy.store_settings import cloud_settings, place_of, store_settings
from proxy.tables import EncryptionTable, RepositoryTable


def open_store(invocation: Invocation, name: str, *, create: bool = False) -> Store:
    """Return the store of a repository; only ``create`` lets it make the folder."""
    config = invocation.config
    table = config.repository(name)
    _refuse_bucket(name, table)
    return opening.open_store(table.url, store_settings(config, table), create=create)


def open_source(invocation: Invocation, name: str) -> Repository | BucketSource:
    """Open what a job copies from: a repository, or a bucket of other tools' objects."""
    table = invocation.config.repository(name)
    if not table.is_bucket:
        return open_named(invocation, name)
    return open_bucket_source(open_bucket(invocation, name), table.retention_type)


def open_bucket(invocation: Invocation, name: str) -> Bucket:
    """Return the objects of a bucket that is declared; nothing is asked of it yet."""
    config = invocation.config
    table = config.repository(name)
    return opening.open_bucket(table.url, store_settings(config, table))


def _refuse_bucket(name: str, table: RepositoryTable) -> None:
    if table.is_bucket:
        raise InputError(
            f'{name!r} is declared with kind = "bucket": it holds the objects of other tools, and '
            "only a repository can be used here",
            hint="A bucket is copied by a job that names it as its source; what was copied is in "
            "the job's target.",
        )


def refuse_copies_only(invocation: Invocation, name: str) -> None:
    """Refuse to back up into a repository whose class is for copies only (R6)."""
    config = invocation.config
    table = config.repository(name)
    vendor = store_settings(config, table).vendor
    if parse_storage_class(table.storage_class, vendor, Use.PACKS).is_archive:
        raise InputError(
            f"repositories.{name}.storage_class is {table.storage_class}, which is for copies only",
            hint="Back up into a repository in a class that is read at once, and let a job copy "
            "that one here.",
        )


def secret_source(config: Config, name: str) -> SecretSource | None:
    """Return what fetches a repository's secret when it is needed; None if none is declared."""
    table = config.repository(name)
    if table.encryption is None:
        return None
    return _source_of(config, name, table, table.encryption)


def _source_of(
    config: Config, name: str, table: RepositoryTable, encryption: EncryptionTable
) -> SecretSource:
    reference, kms, key_vault = encryption.passphrase, encryption.kms, encryption.key_vault
    if kms is not None:
        amazon = cloud_settings(config, table, AMAZON_S3)
        return lambda: KmsKey(kms, amazon)
    if key_vault is not None:
        azure = cloud_settings(config, table, AZURE_BLOB)
        return lambda: VaultKey(key_vault, azure)
    assert reference is not None, "the shape rules let one of the three be there"
    where = f"repositories.{name}.encryption.passphrase"
    settings = cloud_settings(config, table, reference.vendor)
    return lambda: read_secret(reference, where, settings)


def fetch_secret(invocation: Invocation, name: str) -> Secret | None:
    """Return a repository's secret, None if none is declared."""
    source = secret_source(invocation.config, name)
    return source() if source else None


def need_secret(invocation: Invocation, name: str) -> Secret:
    """Return a repository's secret, or raise ``InputError`` if none is declared."""
    secret = fetch_secret(invocation, name)
    if secret is None:
        raise InputError(
            f"{invocation.config_path} declares no passphrase or cloud key for repository {name!r}",
            hint=f"Set repositories.{name}.encryption.passphrase, for example to 'env:NAME', or "
            "encryption.kms or encryption.key_vault; a repository that was created without "
            "encryption has no keys.",
        )
    return secret


def open_named(invocation: Invocation, name: str) -> Repository:
    """Open a repository by its name in the configuration."""
    table = invocation.config.repository(name)
    repository = open_repository(
        open_store(invocation, name), secret_source(invocation.config, name)
    )
    _compare(invocation, name, table, repository.identity)
    return repository


def _compare(invocation: Invocation, name: str, table: RepositoryTable, identity: Identity) -> None:
    problems = find_mismatches(name, table, identity)
    if problems:
        raise InputError(
            f"{invocation.config_path} does not describe the repository at {table.url}",
            problems=problems,
            hint="Retention type and encryption are chosen once, when a repository is created.",
        )


def find_mismatches(name: str, table: RepositoryTable, identity: Identity) -> list[str]:
    """Say in which keys the configuration contradicts the repository, one line each."""
    path = f"repositories.{name}"
    problems = []
    if table.retention_type is not identity.retention_type:
        problems.append(
            f'{path}.retention_type = "{table.retention_type}": the repository was created '
            f"{identity.retention_type}; write that, or use another repository"
        )
    if table.encryption is not None and not identity.is_encrypted:
        problems.append(
            f"{path}.encryption: the repository was created without encryption; remove the key, "
            "or create another repository"
        )
    return problems


def refuse_overlap(invocation: Invocation, place: Path | Place, doing: str) -> None:
    """Refuse a place that holds, or lies in, the place of any declared repository."""
    if isinstance(place, Path):
        place = Place(url=folder_url(Path(os.path.realpath(place))))
    config = invocation.config
    problems = [
        f"repository {name!r}, {table.url}, {_LIES[lies]}"
        for name, table in config.repositories.items()
        if not table.is_bucket and (lies := relation(place_of(config, table), place))
    ]
    if problems:
        raise InputError(
            f"cannot {doing} {place.shown}",
            problems=problems,
            hint="Choose a place that shares nothing with a repository.",
        )


_LIES = {"same": "is there", "inside": "lies inside it", "around": "is around it"}
