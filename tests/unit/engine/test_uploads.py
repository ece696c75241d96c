"""Uploads that nobody will ever end are given up; those that somebody may be at are left."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from core.engine.uploads import find_old_uploads, sweep_uploads
from core.stores.store import UnfinishedUpload
from tests.support.repositories import NOW, new_store
from tests.support.stores import Unfinished

AGES = {"packs/a": 1, "packs/b": 25, "packs/c": 49, "packs/d": 500}


def unfinished(folder: Path, *kept: str) -> Unfinished:
    started = {name: NOW - timedelta(hours=hours) for name, hours in AGES.items()}
    return Unfinished(new_store(folder), started, kept)


def names(uploads: Sequence[UnfinishedUpload]) -> list[str]:
    return [upload.name for upload in uploads]


def test_old_is_what_no_pack_can_take(tmp_path: Path) -> None:
    found = find_old_uploads(unfinished(tmp_path), lambda: NOW)
    assert names(found) == ["packs/b", "packs/c", "packs/d"]


def test_loose_blobs_are_not_looked_through(tmp_path: Path) -> None:
    started = {name: NOW - timedelta(hours=500) for name in ("blobs/aa/a", "layers/a", "index/a")}
    found = find_old_uploads(Unfinished(new_store(tmp_path), started, ()), lambda: NOW)
    assert names(found) == ["layers/a", "index/a"]


def test_a_sweep_gives_up_what_is_two_days_old(tmp_path: Path) -> None:
    store = unfinished(tmp_path)
    swept = sweep_uploads(store, lambda: NOW)
    assert names(swept.discarded) == ["packs/c", "packs/d"]
    assert names(swept.left) == ["packs/b"]
    assert swept.problem == ""
    assert names(store.uploads) == ["packs/a", "packs/b"]


def test_a_store_that_refuses_is_told_and_no_failure(tmp_path: Path) -> None:
    swept = sweep_uploads(unfinished(tmp_path, "packs/d"), lambda: NOW)
    assert names(swept.discarded) == ["packs/c"]
    assert names(swept.left) == ["packs/b", "packs/d"]
    assert "cannot abort packs/d" in swept.problem


def test_a_folder_has_none(tmp_path: Path) -> None:
    swept = sweep_uploads(new_store(tmp_path), lambda: NOW)
    assert (swept.discarded, swept.left, swept.problem) == ((), (), "")
