"""Every way to read shows the same damage, and the store inside keeps the good bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import IntegrityError, NotFoundError
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.support.damaged_stores import (
    ByteFlipped,
    Emptied,
    FirstByteFlipped,
    LastByteFlipped,
    Lengthened,
    Missing,
    Swapped,
    Truncated,
    Unlisted,
    Zeroed,
)
from tests.support.stores import Names, below


@pytest.fixture
def good(tmp_path: Path) -> Store:
    store = FolderStore(tmp_path / "root", create=True)
    store.put("bad", b"0123")
    store.put("fine", b"4567")
    return store


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        (FirstByteFlipped, b"\xcf123"),
        (LastByteFlipped, b"012\xcc"),
        (lambda store, applies: ByteFlipped(store, 1, applies), b"0\xce23"),
        (Truncated, b"012"),
        (lambda store, applies: Truncated(store, applies, lost_size=9), b""),
        (Emptied, b""),
        (Lengthened, b"0123\0"),
        (Zeroed, bytes(4)),
        (lambda store, _: Swapped(store, {"bad": "fine"}), b"4567"),
    ],
)
def test_damage_is_seen_by_every_reader(
    good: Store, damage: Callable[[Store, Names], Store], seen: bytes
) -> None:
    store = damage(good, below("bad"))
    assert store.get("bad") == seen
    assert store.get_range("bad", 0, len(seen)) == seen
    assert store.get_range("bad", len(seen), 0) == b""
    with pytest.raises(IntegrityError):
        store.get_range("bad", len(seen), 1)
    assert store.head("bad").size == len(seen)
    assert [(head.name, head.size) for head in store.list()] == [("bad", len(seen)), ("fine", 4)]
    assert store.get("fine") == b"4567"
    assert good.get("bad") == b"0123"


def test_missing_is_not_found_and_not_listed(good: Store) -> None:
    store = Missing(good, below("bad"))
    for read in (store.head, store.get, lambda name: store.get_range(name, 0, 0)):
        with pytest.raises(NotFoundError):
            read("bad")
    assert [head.name for head in store.list()] == ["fine"]


def test_unlisted_can_be_read(good: Store) -> None:
    store = Unlisted(good, below("bad"))
    assert [head.name for head in store.list()] == ["fine"]
    assert store.get("bad") == b"0123"
