"""A change laid upon a parent's layers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.catalog.layers import NO_FLOOR, create_layers, visible_sql
from core.catalog.tables import read_items, write_items
from core.catalog.workspace import Workspace
from core.engine.layering import extend_layers
from core.engine.tables import Tables
from core.format import names
from core.ids import SessionId, new_session_id
from core.limits import LAYERS_MAX, MIB
from core.model import Item, ItemKind, Layer
from core.stores.folder import FolderStore
from tests.support.copies import make_repository, names_below

Change = dict[bytes, int | None]


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    repository = make_repository(FolderStore(tmp_path, create=True))
    with Workspace(128 * MIB, threads=1) as workspace:
        yield Tables(repository, workspace)


def extend(
    tables: Tables,
    layers: Sequence[Layer],
    change: Change,
    session_id: SessionId | None = None,
) -> tuple[Layer, ...]:
    items = [
        Item(path=path, kind=ItemKind.FILE, modified=value or 0, is_deleted=value is None)
        for path, value in change.items()
    ]
    tables.workspace.run("drop table if exists change")
    write_items(tables.workspace, items, "change")
    return extend_layers(tables, layers, "change", session_id or new_session_id())


def shown(tables: Tables, layers: Sequence[Layer]) -> dict[bytes, int]:
    create_layers(tables.workspace, "point", tables.fetch_layers(layers))
    visible = visible_sql("point", NO_FLOOR)
    return {item.path: item.modified for item in read_items(tables.workspace, visible)}


def many(count: int, value: int = 1) -> Change:
    return {b"%d" % number: value for number in range(count)}


def test_a_small_change_is_a_new_layer_on_the_same_ones(tables: Tables) -> None:
    base = extend(tables, (), many(100))
    session_id = new_session_id()
    layers = extend(tables, base, {b"7": 2, b"8": None}, session_id)
    assert layers[:-1] == base
    assert (layers[-1].rows, layers[-1].objects[0].name) == (2, names.layer(session_id, 0))
    assert shown(tables, layers) == {b"%d" % n: 1 for n in range(100) if n != 8} | {b"7": 2}


def test_deletions_stay_while_a_layer_below_has_the_path(tables: Tables) -> None:
    layers = extend(tables, (), many(100))
    layers = extend(tables, layers, {b"7": None, b"8": None})
    layers = extend(tables, layers, {b"8": 3})
    assert [layer.rows for layer in layers] == [100, 2]
    assert b"7" not in shown(tables, layers)
    assert shown(tables, layers)[b"8"] == 3


def test_a_new_base_drops_deletions(tables: Tables) -> None:
    layers = extend(tables, (), many(10))
    layers = extend(tables, layers, {b"%d" % number: None for number in range(9)})
    assert [layer.rows for layer in layers] == [1]
    assert shown(tables, layers) == {b"9": 1}


def test_a_point_of_which_nothing_is_left_has_no_layers(tables: Tables) -> None:
    layers = extend(tables, (), many(3))
    assert extend(tables, layers, dict.fromkeys(many(3))) == ()
    assert extend(tables, (), {b"never there": None}) == ()


def test_no_change_leaves_the_list_as_it_is(tables: Tables) -> None:
    layers = extend(tables, (), many(3))
    before = names_below(tables.repository.store)
    assert extend(tables, layers, {}) == layers
    assert names_below(tables.repository.store) == before


def test_equal_input_is_stored_once(tables: Tables) -> None:
    """Two publishers of one session adopt each other's layer."""
    session_id = new_session_id()
    assert extend(tables, (), many(9), session_id) == extend(tables, (), many(9), session_id)


def test_a_long_history_stays_a_few_layers(tables: Tables) -> None:
    layers: tuple[Layer, ...] = ()
    model: dict[bytes, int] = {}
    for step in range(60):
        change: Change = {b"%d" % (step * 7 % 40): step, b"%d" % (step * 5 % 40): None}
        layers = extend(tables, layers, change)
        for path, value in change.items():
            model.pop(path, None)
            if value is not None:
                model[path] = value
        assert len(layers) <= LAYERS_MAX
    assert shown(tables, layers) == model
    assert len(layers) <= 6
