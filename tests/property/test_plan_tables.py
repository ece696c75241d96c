"""For all histories: layers show what a plain dictionary shows; SQL computes the same ids."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from core import ids
from core.catalog.index import mapped_id_sql, range_bounds, range_number_sql
from core.catalog.layers import (
    NO_FLOOR,
    difference_sql,
    squashed_sql,
    visible_sql,
)
from core.catalog.tables import read_items, write_items
from core.catalog.workspace import Workspace
from core.ids import BlobId
from core.limits import LAYERS_MAX, MIB
from core.model import Item, ItemKind
from core.plan.layers import plan_merge

# A path's new state: a number, from which size, time and blob follow, or None for "gone".
Change = dict[bytes, int | None]
State = dict[bytes, int]

paths = st.sampled_from([b"a", b"b", b"\xff", b"a/b", b"c,\n\"'"]) | st.binary(max_size=4)
changes = st.dictionaries(paths, st.none() | st.integers(1, 6), max_size=8)
histories = st.lists(changes, max_size=12)


def item(path: bytes, value: int | None) -> Item:
    if value is None:
        return Item(path=path, kind=ItemKind.FILE, is_deleted=True)
    return Item(
        path=path,
        kind=ItemKind.FILE,
        size=value,
        modified=value * 10,
        blobs=(BlobId(bytes([value]) * 32),),
    )


def apply(state: State, change: Change) -> State:
    merged: Change = {**state, **change}
    return {path: value for path, value in merged.items() if value is not None}


def stack(workspace: Workspace, view: str, layers: Sequence[Change]) -> None:
    """Create a view of layers, oldest first, as ``create_layers`` makes one of files."""
    # One table is written instead of a file for each layer: the place travels as metadata.
    items = [
        replace(item(*row), metadata=str(place))
        for place, change in enumerate(layers)
        for row in change.items()
    ]
    workspace.run(f"drop view if exists {view}")
    workspace.run(f"drop table if exists rows_of_{view}")
    write_items(workspace, items, f"rows_of_{view}")
    workspace.run(
        f"create view {view} as select * replace ('{{}}' as metadata), metadata::INTEGER as l "
        f"from rows_of_{view}"
    )


def rows(workspace: Workspace, query: str) -> Change:
    """Return a query's rows as a change, every path once."""
    found = list(read_items(workspace, query))
    assert len({one.path for one in found}) == len(found)
    assert all(one == item(one.path, one.size) for one in found if not one.is_deleted)
    return {one.path: None if one.is_deleted else one.size for one in found}


@given(histories, st.integers(0, 60))
@settings(max_examples=40)
def test_layers_show_what_a_dictionary_shows(history: list[Change], floor: int) -> None:
    with Workspace(64 * MIB, threads=1) as workspace:
        stack(workspace, "stacked", history)
        state: State = {}
        for change in history:
            state = apply(state, change)
        assert rows(workspace, visible_sql("stacked", NO_FLOOR)) == state
        above = {path: value for path, value in state.items() if value * 10 >= floor}
        assert rows(workspace, visible_sql("stacked", floor)) == above


@given(histories, st.integers(0, 12))
@settings(max_examples=40)
def test_squashing_later_layers_changes_nothing_that_shows(
    history: list[Change], kept: int
) -> None:
    with Workspace(64 * MIB, threads=1) as workspace:
        stack(workspace, "stacked", history)
        before = rows(workspace, visible_sql("stacked", NO_FLOOR))
        squashed = rows(workspace, squashed_sql("stacked", kept))
        expected: Change = {}
        for change in history[kept:]:
            expected.update(change)
        assert squashed == expected
        stack(workspace, "again", [*history[:kept], squashed])
        assert rows(workspace, visible_sql("again", NO_FLOOR)) == before


@given(histories)
@settings(max_examples=40)
def test_merging_as_planned_shows_the_same_in_few_layers(history: list[Change]) -> None:
    with Workspace(64 * MIB, threads=1) as workspace:
        layers: list[Change] = []
        state: State = {}
        for change in history:
            state = apply(state, change)
            kept = plan_merge([len(layer) for layer in layers], len(change))
            if kept == len(layers) and not change:
                continue
            merged: Change = {}
            for layer in (*layers[kept:], change):
                merged.update(layer)
            if kept == 0:
                merged = {path: value for path, value in merged.items() if value is not None}
            layers = [*layers[:kept], *([merged] if merged else [])]
            sizes = [len(layer) for layer in layers]
            assert len(layers) <= LAYERS_MAX
            assert all(older > 2 * newer for older, newer in pairwise(sizes))
            assert sum(sizes[1:]) <= (sizes[0] if sizes else 0)
        stack(workspace, "stacked", layers)
        assert rows(workspace, visible_sql("stacked", NO_FLOOR)) == state


@given(histories, histories, st.integers(0, 60))
@settings(max_examples=40)
def test_a_difference_is_what_turns_one_state_into_the_other(
    source: list[Change], target: list[Change], floor: int
) -> None:
    """What the source shows no more because it is old stays; all else becomes the source's."""
    with Workspace(64 * MIB, threads=1) as workspace:
        states: list[State] = []
        for view, history in (("source", source), ("target", target)):
            stack(workspace, view, history)
            state: State = {}
            for change in history:
                state = apply(state, change)
            states.append(state)
        shown = {path: value for path, value in states[0].items() if value * 10 >= floor}
        query = difference_sql(
            visible_sql("source", floor), visible_sql("target", NO_FLOOR), "s.blobs", floor
        )
        difference = rows(workspace, query)
        expired = {
            path: value
            for path, value in states[1].items()
            if value * 10 < floor and path not in shown
        }
        assert apply(states[1], difference) == {**shown, **expired}
        unchanged = {path for path, value in shown.items() if states[1].get(path) == value}
        assert not unchanged & set(difference)


@given(
    st.lists(st.binary(min_size=32, max_size=32), max_size=30, unique=True),
    st.none() | st.binary(min_size=32, max_size=32),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
)
@settings(max_examples=40)
def test_the_database_maps_ids_as_we_do(
    source_ids: list[bytes], id_key: bytes | None, space: str
) -> None:
    with Workspace(64 * MIB, threads=1) as workspace:
        expected = {ids.packed_blob_id(one, space, id_key) for one in source_ids}
        query = f"select {mapped_id_sql('id', space, id_key)} from (select unnest(?::BLOB[]) as id)"
        found = [row[0] for row in workspace.rows(query, [source_ids])]  # type: ignore[list-item]
        assert (set(found), len(found)) == (expected, len(expected))


@given(st.integers(1, 5_000), st.binary(min_size=32, max_size=32))
def test_every_id_is_in_one_range(count: int, blob_id: bytes) -> None:
    inside = [
        number
        for number in range(count)
        for low, high in [range_bounds(number, count)]
        if low <= blob_id and (high is None or blob_id < high)
    ]
    assert len(inside) == 1


@given(
    st.lists(st.tuples(st.integers(1, 1 << 20), st.integers(0, 1 << 20)), max_size=30), st.data()
)
def test_the_database_finds_the_range_whose_bounds_an_id_is_within(
    places: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Also of ids right at and right before a bound, and of counts that part ids unevenly."""
    cases = []
    for count, number in places:
        low, _ = range_bounds(number % count, count)
        first = int.from_bytes(low, "big") + data.draw(st.sampled_from([-1, 0, 0, 1]))
        rest = data.draw(st.sampled_from([bytes(28), b"\xff" * 28]))
        cases.append((count, (first & 0xFFFFFFFF).to_bytes(4, "big") + rest))
    with Workspace(64 * MIB, threads=1) as workspace:
        for count, blob_id in cases:
            number_sql = range_number_sql(f"unhex('{blob_id.hex()}')", count)
            (number,) = workspace.row(f"select {number_sql}")
            assert 0 <= number < count
            low, high = range_bounds(number, count)
            assert low <= blob_id
            assert high is None or blob_id < high
