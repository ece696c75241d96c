"""The stores that the other tests rely on do what they are named after."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ConflictError, NotFoundError, StoreError
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.conformance.medium import Medium
from tests.conformance.suite import StoreConformance
from tests.conformance.test_folder import FolderMedium
from tests.support.stores import (
    Crash,
    CrashingStore,
    Full,
    Hooked,
    Kind,
    LostAnswer,
    Overwriting,
    Recording,
    Refusing,
    Slow,
    Wrapping,
    below,
)


class TestWrapping(StoreConformance):
    """Delegating and counting break no promise."""

    @pytest.fixture
    def medium(self, tmp_path: Path) -> Medium:
        (tmp_path / "root").mkdir()
        medium = FolderMedium(tmp_path / "root")
        medium.store = Recording(Wrapping(medium.store))
        return medium


@pytest.fixture
def good(tmp_path: Path) -> Store:
    return FolderStore(tmp_path / "root", create=True)


def write_all(store: Store) -> None:
    """Make four writes: one object is put, one uploaded, both are deleted."""
    store.put("a", b"1")
    upload = store.upload("b")
    try:
        upload.write(b"22")
        upload.complete()
    finally:
        upload.abort()
    store.delete(["a", "b"])


def names(store: Store) -> list[str]:
    return [head.name for head in store.list()]


@pytest.mark.parametrize("after", [False, True])
def test_power_is_lost_at_each_write(tmp_path: Path, *, after: bool) -> None:
    counted = CrashingStore(FolderStore(tmp_path / "counted", create=True))
    write_all(counted)
    assert counted.writes == [("put", "a"), ("complete", "b"), ("delete", "a"), ("delete", "b")]
    left = [[], ["a"], ["a", "b"], ["b"], []]
    for number in range(counted.write_count):
        inner = FolderStore(tmp_path / f"{after}{number}", create=True)
        store = CrashingStore(inner, number, after=after)
        with pytest.raises(Crash):
            write_all(store)
        assert names(inner) == left[number + after]
        assert store.write_count == number + after


def test_nothing_works_after_a_crash(good: Store) -> None:
    good.put("x", b"")
    store = CrashingStore(good, 0)
    listing = store.list()
    assert next(listing).name == "x"
    upload = store.upload("u")
    with pytest.raises(Crash):
        store.put("a", b"")
    calls: list[Callable[[], object]] = [
        lambda: store.head("x"),
        lambda: store.get("x"),
        lambda: store.get_range("x", 0, 0),
        lambda: store.put("a", b""),
        lambda: store.upload("a"),
        lambda: store.delete(["x"]),
        lambda: list(store.list()),
        lambda: next(listing),
        lambda: upload.write(b""),
        upload.complete,
    ]
    for call in calls:
        with pytest.raises(Crash):
            call()
    upload.abort()
    assert names(good) == ["x"]


def test_lost_answer_of_a_client_that_tries_again_looks_like_a_conflict(good: Store) -> None:
    store = LostAnswer(good, below("a"))
    store.put("b", b"")
    with pytest.raises(ConflictError):
        store.put("a", b"written")
    assert good.get("a") == b"written"
    assert store.lost == {"a"}


def test_lost_answer_is_lost_once(good: Store) -> None:
    store = LostAnswer(good, seen="error")
    upload = store.upload("a")
    upload.write(b"written")
    with pytest.raises(StoreError):
        upload.complete()
    assert good.get("a") == b"written"
    store.delete(["a"])
    store.put("a", b"again")
    assert good.get("a") == b"again"


def test_recording_counts_requests_and_bytes(good: Store) -> None:
    store = Recording(good)
    write_all(store)
    store.put("c", b"12345")
    store.get("c")
    store.get_range("c", 1, 2)
    with pytest.raises(NotFoundError):
        store.head("missing")
    assert names(store) == ["c"]
    assert store.counts == {
        "put": 2, "write": 1, "complete": 1, "abort": 1, "delete": 2,
        "get": 1, "get_range": 1, "head": 1, "list": 1,
    }  # fmt: skip
    assert store.write_count == 5
    assert (store.read_size, store.written_size) == (7, 8)
    assert store.names("put", "head") == ["a", "c", "missing"]


def test_hook_comes_first(good: Store) -> None:
    def overtake(kind: Kind, name: str) -> None:
        if kind == "put":
            good.put(name, b"theirs")

    store = Hooked(good, overtake)
    with pytest.raises(ConflictError):
        store.put("a", b"ours")
    assert good.get("a") == b"theirs"


def test_refusing_refuses_writes_of_the_names_it_applies_to(good: Store) -> None:
    store = Refusing(good, below("packs/"))
    store.put("a", b"")
    with pytest.raises(StoreError, match="refused"):
        store.put("packs/a", b"")
    with pytest.raises(StoreError, match="refused"):
        store.upload("packs/a").complete()
    assert names(store) == ["a"]


def test_full_has_room_for_so_much(good: Store) -> None:
    store = Full(good, 10)
    store.put("a", bytes(6))
    with pytest.raises(StoreError, match="full"):
        store.put("b", bytes(5))
    store.put("c", bytes(4))
    assert names(good) == ["a", "c"]


def test_overwriting_replaces(good: Store) -> None:
    store = Overwriting(good)
    store.put("a", b"1")
    store.put("a", b"2")
    assert good.get("a") == b"2"


def test_slow_takes_its_time(good: Store) -> None:
    good.put("a", b"")
    start = time.monotonic()
    Slow(good, 0.05).get("a")
    assert time.monotonic() - start >= 0.05
