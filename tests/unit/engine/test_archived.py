"""Archived packs are named before anything is done, and nothing that costs money is ordered."""

from pathlib import Path

import pytest

from core.engine.archived import ArchivedPack, find_archived, refuse_archived
from core.errors import NotReadyError
from core.stores.folder import FolderStore
from core.stores.opening import open_store
from core.stores.settings import StoreSettings
from tests.support.stores import Archived

PACKS = [
    ArchivedPack(name="packs/b/2", size=2_000, storage_class="GLACIER"),
    ArchivedPack(name="packs/a/1", size=1_000, storage_class="DEEP_ARCHIVE"),
]


def test_archived_ones_are_found_with_their_sizes(tmp_path: Path) -> None:
    store = Archived(FolderStore(tmp_path, create=True), lambda name: name.endswith("2"), "X")
    found = find_archived(store, [("packs/a/1", 1), ("packs/b/2", 2)])
    assert found == [ArchivedPack(name="packs/b/2", size=2, storage_class="X")]


def test_no_archived_pack_is_no_refusal(tmp_path: Path) -> None:
    refuse_archived(FolderStore(tmp_path), [], "restore")


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("s3://vault/p", "aws s3api restore-object --bucket vault --key p/packs/a/1 "),
        ("az://vault", "az storage blob set-tier --container-name vault --name packs/a/1 "),
        ("file:///srv/vault", "the vendor's own tools"),
    ],
)
def test_every_pack_is_named_and_what_to_do(url: str, command: str) -> None:
    store = open_store(url, StoreSettings(endpoint="https://store.invalid"))
    with pytest.raises(NotReadyError) as caught:
        refuse_archived(store, PACKS, "restore")
    error = caught.value
    assert "2 packs of 3,000 bytes in all are archived (DEEP_ARCHIVE, GLACIER)" in error.message
    assert error.problems == (
        "packs/a/1: DEEP_ARCHIVE, 1,000 bytes",
        "packs/b/2: GLACIER, 2,000 bytes",
    )
    assert command in error.hint
