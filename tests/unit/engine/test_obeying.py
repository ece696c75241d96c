"""Who is ordered to end wakes the stores of his session, and only for as long as it lasts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.engine.obeying import obeying
from core.errors import StoreError
from core.stores.store import Store
from tests.support.repositories import new_store
from tests.support.stores import Wrapping


class Obedient(Wrapping):
    """Keeps what it is told to obey."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.told: list[Callable[[], bool]] = []

    def obey(self, stop: Callable[[], bool]) -> None:
        self.told.append(stop)


def yes() -> bool:
    return True


def failing(store: Store) -> None:
    with obeying(yes, store):
        raise StoreError("it failed")


def test_an_order_lasts_as_long_as_the_work(tmp_path: Path) -> None:
    stores = [Obedient(new_store(tmp_path / name)) for name in "ab"]
    with obeying(yes, *stores):
        assert [store.told for store in stores] == [[yes], [yes]]
    for store in stores:
        assert [stop() for stop in store.told] == [True, False]


def test_an_order_ends_with_work_that_fails(tmp_path: Path) -> None:
    store = Obedient(new_store(tmp_path))
    with pytest.raises(StoreError, match="it failed"):
        failing(store)
    assert [stop() for stop in store.told] == [True, False]
