"""From a lost blob to the object at fault, the points that need it, and the items in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.catalog.tables import INDEX_COLUMNS
from core.catalog.workspace import Workspace
from core.engine.damage import Damage, Faults
from core.engine.inventory import take_inventory
from core.engine.progress import Silent
from core.engine.proof import TableFiles, open_sources
from core.engine.verify_points import PointsCheck
from core.engine.verify_terms import Share, Terms
from core.format import names
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import Item, Layer, Record, SessionKind
from core.sources.repository import Repository
from tests.support.copies import make_repository, record_name
from tests.support.points import (
    MadePack,
    file_item,
    folder_item,
    packed_id,
    write_index,
    write_pack,
    write_point,
)
from tests.support.repositories import new_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A repository with a pack of two blobs, and a workspace to check its points in."""

    repository: Repository
    workspace: Workspace
    made: MadePack

    def file(self, path: bytes, content: bytes) -> Item:
        return file_item(path, len(content), [packed_id(self.repository, content)])

    def point(self, *items: Item, kind: SessionKind = SessionKind.COPY) -> Record:
        return replace(write_point(self.repository, items), kind=kind)

    def on_top(self, below: Record, *items: Item) -> Record:
        """Write a point that lays one more layer upon another point's."""
        above = self.point(*items)
        return replace(above, layers=(*below.layers, *above.layers))

    def check(
        self, records: Sequence[Record], faulty_index: Sequence[str] = ()
    ) -> dict[str, Damage]:
        faults = Faults()
        for name in faulty_index:
            faults.add(name, "is damaged", is_certain=False)
        terms = Terms(
            share=Share(0, 0),
            marked=frozenset(),
            faults=faults,
            progress=Silent(),
            stop=lambda: False,
        )
        inventory = take_inventory(self.repository, self.workspace)
        files = TableFiles(self.repository, self.workspace)
        index = [files.fetch_undescribed(name, INDEX_COLUMNS) for name in inventory.index]
        open_sources(self.workspace, index)
        points = PointsCheck(self.repository, self.workspace, terms, 100)
        points.check_layers(records)
        if points.find_causes(records):
            points.find_touched(records, faulty_index)
        found = faults.found({record.id for record in records})
        return {damage.name: damage for damage, _ in found}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    repository = make_repository(new_store(tmp_path))
    made = write_pack(repository, [[b"one", b"two"]])
    with Workspace(64 * MIB) as workspace:
        yield Bench(repository=repository, workspace=workspace, made=made)


def test_points_that_have_everything_are_no_damage(bench: Bench) -> None:
    write_index(bench.repository, bench.made.row, bench.made.blobs)
    record = bench.point(bench.file(b"a", b"one"), bench.file(b"b", b"two"), folder_item(b"c"))
    assert bench.check([record]) == {}


def test_paths_are_counted_once_however_many_points_have_them(bench: Bench) -> None:
    write_index(bench.repository, bench.made.row, bench.made.blobs)
    bench.repository.store.delete([bench.made.name])
    both = bench.point(bench.file(b"a", b"one"), bench.file(b"b", b"two"))
    one = bench.point(bench.file(b"a", b"one"), bench.file(b"c", b"one"))
    assert bench.check([both, one]) == {
        bench.made.name: Damage(
            name=bench.made.name,
            reason="is missing",
            points=tuple(sorted([both.id, one.id])),
            item_count=3,
        )
    }


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_row_that_is_hidden_everywhere_needs_nothing(bench: Bench, is_deleted: bool) -> None:
    """Its blobs may have been pruned with the points that saw it."""
    write_index(bench.repository, bench.made.row, bench.made.blobs[:1])
    first = bench.point(bench.file(b"a", b"two"))
    newer = bench.file(b"a", b"one")
    second = bench.on_top(first, replace(newer, is_deleted=True) if is_deleted else newer)
    assert bench.check([second]) == {}


def test_a_point_that_still_sees_it_suffers(bench: Bench) -> None:
    write_index(bench.repository, bench.made.row, bench.made.blobs[:1])
    first = bench.point(bench.file(b"a", b"two"))
    second = bench.on_top(first, bench.file(b"a", b"one"))
    found = bench.check([first, second])
    assert list(found) == [record_name(first)]
    assert "index lacks" in found[record_name(first)].reason
    assert (found[record_name(first)].points, found[record_name(first)].item_count) == (
        (first.id,), 1
    )  # fmt: skip


def test_a_damaged_index_is_at_fault_for_what_it_does_not_place(bench: Bench) -> None:
    record = bench.point(bench.file(b"a", b"one"), bench.file(b"b", b"two"))
    found = bench.check([record], ["index/damaged"])
    assert list(found) == ["index/damaged"]
    assert found["index/damaged"].item_count == 2


def test_a_backups_lost_blob_is_named_by_itself(bench: Bench) -> None:
    blob_id, _ = bench.repository.put_blob(b"loose")
    bench.repository.store.delete([names.blob(blob_id)])
    record = bench.point(file_item(b"a", 5, [blob_id]), kind=SessionKind.BACKUP)
    assert bench.check([record])[names.blob(blob_id)].reason == "is missing"


def test_an_empty_blob_is_named(bench: Bench) -> None:
    name = names.blob(packed_id(bench.repository, b"other"))
    bench.repository.store.put(name, b"")
    record = bench.point(bench.file(b"a", b"other"), kind=SessionKind.BACKUP)
    assert bench.check([record])[name].reason == "is empty"


def test_lengths_that_contradict_the_index_are_told(bench: Bench) -> None:
    write_index(bench.repository, bench.made.row, bench.made.blobs)
    longer = file_item(b"a", 99, [packed_id(bench.repository, b"one")])
    found = bench.check([bench.point(longer)])
    assert "other lengths" in found[bench.made.name].reason


def test_a_missing_layer_costs_all_its_points(bench: Bench) -> None:
    first = bench.point(folder_item(b"a"), folder_item(b"b"))
    second = bench.on_top(first, folder_item(b"c"))
    (table,) = first.layers[0].objects
    bench.repository.store.delete([table.name])
    found = bench.check([first, second])
    assert list(found) == [table.name]
    assert found[table.name].points == tuple(sorted([first.id, second.id]))
    assert found[table.name].item_count == 2


def test_layers_that_points_describe_differently_are_told(bench: Bench) -> None:
    first = bench.point(folder_item(b"a"))
    (table,) = first.layers[0].objects
    other = replace(table, sha256="0" * 64)
    second = replace(bench.point(), layers=(Layer(objects=(other,), rows=1),))
    found = bench.check([first, second])
    assert list(found) == [record_name(second)]


def test_items_whose_blobs_contradict_their_size_are_told(bench: Bench) -> None:
    write_index(bench.repository, bench.made.row, bench.made.blobs)
    wrong = file_item(b"a", BLOB_SIZE_MAX + 1, [packed_id(bench.repository, b"one")])
    record = bench.point(wrong)
    (table,) = record.layers[0].objects
    assert "another number of blobs" in bench.check([record])[table.name].reason
