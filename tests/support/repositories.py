"""Repositories as ``coldhaul repository create`` makes them."""

from datetime import UTC, datetime
from pathlib import Path

from core.engine.create import create_repository
from core.model import Parameters, RetentionType
from core.sources.repository import Repository, open_repository
from core.sources.unlocking import Secret
from core.stores.folder import FolderStore
from core.stores.store import Store

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
SECRET = "correct horse battery staple"


def create_in(
    store: Store,
    secret: Secret | None = None,
    retention_type: RetentionType = RetentionType.SNAPSHOT_BASED,
    parameters: Parameters | None = None,
    *,
    may_be_cloud_key_only: bool = False,
) -> Repository:
    """Create a repository, or finish one, with settings that matter to no test here."""
    return create_repository(
        store,
        retention_type=retention_type,
        secret=secret,
        parameters=parameters or Parameters(),
        now=NOW,
        may_be_cloud_key_only=may_be_cloud_key_only,
    )


def new_store(folder: Path) -> FolderStore:
    """Return a store in a folder that need not exist."""
    return FolderStore(folder, create=True)


def new_repository(folder: Path, secret: Secret | None = None) -> Repository:
    """Create a repository in a new folder."""
    return create_in(new_store(folder), secret)


def reopen(store: Store, secret: Secret | None = None) -> Repository:
    """Open a repository as another process would."""
    return open_repository(store, None if secret is None else lambda: secret)


def names_in(store: Store, prefix: str = "") -> list[str]:
    """Return the names of the objects in a store, sorted."""
    return [head.name for head in store.list(prefix)]
