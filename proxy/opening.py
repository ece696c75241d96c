"""From a name in the configuration to an opened repository.

What is declared is compared with what is stored: a configuration that believes a repository is
encrypted, or ages otherwise than it does, is refused before anything is done.
"""

from collections.abc import Callable
from pathlib import Path

from core.errors import InputError
from core.model import Identity
from core.sources.repository import Repository, open_repository
from core.stores.folder import FolderStore
from proxy.invocation import Invocation
from proxy.location import relation
from proxy.secret import read_secret
from proxy.tables import RepositoryTable


def open_store(invocation: Invocation, name: str, *, create: bool = False) -> FolderStore:
    """Return the store of a repository; only ``create`` lets it make the folder."""
    return FolderStore.open(invocation.config.repository(name).url, create=create)


def secret_source(name: str, table: RepositoryTable) -> Callable[[], str] | None:
    """Return what fetches a repository's secret when it is needed; None if none is declared."""
    if table.encryption is None:
        return None
    reference = table.encryption.passphrase
    return lambda: read_secret(reference, f"repositories.{name}.encryption.passphrase")


def fetch_secret(invocation: Invocation, name: str) -> str | None:
    """Return a repository's secret, None if none is declared."""
    source = secret_source(name, invocation.config.repository(name))
    return source() if source else None


def need_secret(invocation: Invocation, name: str) -> str:
    """Return a repository's secret, or raise ``InputError`` if none is declared."""
    secret = fetch_secret(invocation, name)
    if secret is None:
        raise InputError(
            f"{invocation.config_path} declares no passphrase for repository {name!r}",
            hint=f"Set repositories.{name}.encryption.passphrase, for example to 'env:NAME'; a "
            "repository that was created without encryption has no keys.",
        )
    return secret


def open_named(invocation: Invocation, name: str) -> Repository:
    """Open a repository by its name in the configuration."""
    table = invocation.config.repository(name)
    repository = open_repository(FolderStore.open(table.url), secret_source(name, table))
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


def refuse_overlap(invocation: Invocation, folder: Path, doing: str) -> None:
    """Refuse a folder that holds, or lies in, the folder of any declared repository."""
    problems = [
        f"the folder of repository {name!r}, {table.folder}, {_PLACES[place]}"
        for name, table in invocation.config.repositories.items()
        if (place := relation(table.folder, folder))
    ]
    if problems:
        raise InputError(
            f"cannot {doing} {folder}",
            problems=problems,
            hint="Choose a folder that shares nothing with a repository.",
        )


_PLACES = {"same": "is that folder", "inside": "lies inside it", "around": "is around it"}
