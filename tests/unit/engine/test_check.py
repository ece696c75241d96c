"""A check tells everything that is wrong in one run, each with what to do about it."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from core.engine.check import Finding, Level, check_repository
from core.engine.keys import rotate_keys
from core.errors import StoreError
from core.format import names
from core.stores.folder import FolderStore
from core.stores.store import Keeping, Store
from tests.support.damaged_stores import Unlisted
from tests.support.repositories import NOW, SECRET, create_in, names_in, new_store
from tests.support.stores import (
    KeepingDeleted,
    Overwriting,
    OverwritingUploads,
    Refusing,
    Unfinished,
    below,
)


@pytest.fixture
def store(encrypted: Store) -> Store:
    return encrypted


def check(store: Store, secret: str | None = SECRET) -> Mapping[str, Finding]:
    """Return the findings by what they are about; the worst where there are several."""
    found = check_repository(store, secret, NOW)
    order = [Level.OK, Level.WARNING, Level.ERROR]
    return {f.what: f for f in sorted(found, key=lambda f: order.index(f.level))}


def bad(store: Store, secret: str | None = SECRET) -> dict[str, Level]:
    return {f.what: f.level for f in check(store, secret).values() if f.level is not Level.OK}


def test_a_good_repository_has_nothing_but_good_findings(store: Store) -> None:
    before = names_in(store)
    assert bad(store) == {}
    assert set(check(store)) == {
        "identity", "keys", "copies beside the packs", "texts", "open sessions", "damage",
        "permission to write", "permission to read", "permission to list",
        "permission to delete", "create-only writes", "create-only uploads", "unfinished uploads",
        "deleted objects",
    }  # fmt: skip
    assert names_in(store) == before


def test_it_says_what_the_repository_is(store: Store) -> None:
    found = check(store)
    assert "format version 1, snapshot-based, encrypted" in found["identity"].detail
    assert "1 epoch(s), slots: main (passphrase)" in found["keys"].detail


def test_an_unencrypted_repository_needs_no_keys(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    create_in(store)
    assert bad(store, None) == {}
    assert bad(store, SECRET) == {"keys": Level.WARNING}


def test_a_place_without_repository_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (finding,) = check_repository(new_store(tmp_path / "empty"), None, NOW)
    assert finding.level is Level.ERROR
    assert "not a coldhaul repository" in finding.detail


def test_a_disk_that_is_not_mounted_is_one_finding(tmp_path: Path) -> None:
    (finding,) = check_repository(FolderStore(tmp_path / "gone"), None, NOW)
    assert finding.level is Level.ERROR
    assert "mount" in finding.hint


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.put(names.REPOSITORY, b'{"format": "coldhaul", "format_version": 99}')
    (finding,) = check_repository(store, None, NOW)
    assert finding.level is Level.ERROR
    assert "format version 99" in finding.detail


@pytest.mark.parametrize("secret", [None, "wrong"])
def test_a_missing_or_wrong_passphrase_is_named(store: Store, secret: str | None) -> None:
    assert bad(store, secret) == {"keys": Level.ERROR}
    assert "passphrase" in check(store, secret)["keys"].detail


def test_a_missing_keyset_is_named(store: Store) -> None:
    store.delete([names.keyset(1)])
    found = check(store)
    assert found["keys"].level is Level.ERROR
    assert "rebuild" in found["keys"].hint


def test_copies_that_differ_or_are_missing_are_named(store: Store) -> None:
    rotate_keys(store, SECRET)
    store.delete([names.packed_keyset(1), names.packed_keyset(2), names.PACKED_REPOSITORY])
    store.put(names.packed_keyset(1), store.get(names.keyset(2)))
    found = [f for f in check_repository(store, SECRET, NOW) if f.level is Level.ERROR]
    assert sorted(f.detail for f in found) == [
        "packs/keys-1.json differs from keys/1.json",
        "packs/keys-2.json is missing",
        "packs/repository.json is missing",
    ]


def test_an_unfinished_change_of_keys_is_named(store: Store) -> None:
    rotate_keys(store, SECRET)
    store.delete([names.keyset(2)])
    found = check(store)["copies beside the packs"]
    assert found.level is Level.WARNING
    assert names.packed_keyset(2) in found.detail


def test_missing_texts_are_a_warning(store: Store) -> None:
    store.delete([names.READER])
    found = check(store)["texts"]
    assert found.level is Level.WARNING
    assert names.READER in found.detail


def test_old_open_sessions_are_a_warning(store: Store) -> None:
    store.put(names.OPEN_SESSIONS + "a" * 32, b"")
    opened = store.head(names.OPEN_SESSIONS + "a" * 32).modified
    findings = {
        days: {f.what: f for f in check_repository(store, SECRET, opened + timedelta(days=days))}
        for days in (13, 15)
    }
    assert findings[13]["open sessions"].level is Level.OK
    assert findings[15]["open sessions"].level is Level.WARNING
    assert "a" * 32 in findings[15]["open sessions"].detail


def test_what_is_listed_as_damaged_is_an_error(store: Store) -> None:
    for number in range(25):
        store.put(names.damaged(f"packs/x/{number}"), b"")
    found = check(store)["damage"]
    assert found.level is Level.ERROR
    assert found.detail.startswith("25 object(s)")
    assert found.detail.endswith("and 5 more")


def test_permissions_are_tried(store: Store) -> None:
    assert bad(Refusing(store, below(names.SESSIONS))) == {"permission to write": Level.ERROR}
    both = {"create-only writes": Level.ERROR, "create-only uploads": Level.ERROR}
    assert bad(Overwriting(store)) == both
    assert bad(OverwritingUploads(store)) == {"create-only uploads": Level.ERROR}
    assert bad(Unlisted(store, below(names.SESSIONS))) == {"permission to list": Level.ERROR}


def test_everything_that_is_wrong_is_told_at_once(store: Store) -> None:
    store.delete([names.PACKED_REPOSITORY, names.FORMAT_DOCUMENT, names.READER])
    store.put(names.damaged("packs/x/y"), b"")
    assert bad(Overwriting(store), "wrong") == {
        "keys": Level.ERROR,
        "copies beside the packs": Level.ERROR,
        "texts": Level.WARNING,
        "damage": Level.ERROR,
        "create-only writes": Level.ERROR,
        "create-only uploads": Level.ERROR,
    }


@pytest.mark.parametrize(
    ("told", "level", "detail"),
    [
        (Keeping(is_kept=False), Level.OK, "gone at once"),
        (Keeping(is_kept=True, days=30), Level.OK, "kept for 30 more days"),
        (Keeping(is_kept=True), Level.WARNING, "kept for ever"),
        (StoreError("asking is not allowed", hint="allow it"), Level.WARNING, "is not allowed"),
    ],
)
def test_what_becomes_of_deleted_objects_is_said(
    store: Store, told: Keeping | StoreError, level: Level, detail: str
) -> None:
    finding = check(KeepingDeleted(store, told))["deleted objects"]
    assert finding.level is level
    assert detail in finding.detail
    assert bool(finding.hint) is (level is not Level.OK)


def test_old_uploads_are_a_warning_that_names_them(store: Store) -> None:
    started = {"packs/new": NOW - timedelta(hours=23), "packs/old": NOW - timedelta(hours=25)}
    finding = check(Unfinished(store, started))["unfinished uploads"]
    assert finding.level is Level.WARNING
    assert "1 were begun" in finding.detail
    assert "packs/old" in finding.detail
    assert "coldhaul verify" in finding.hint
    assert bad(Unfinished(store, {"packs/new": NOW - timedelta(hours=23)})) == {}
