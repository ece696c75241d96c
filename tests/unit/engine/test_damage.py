"""Faults become damage where they are certain or a point suffers."""

from pathlib import Path

from core.engine.damage import Damage, Faults, Mark, mark_damaged
from core.format import names
from core.ids import PointId
from tests.support.copies import make_repository
from tests.support.repositories import new_store

A, B = PointId("a"), PointId("b")


def told(faults: Faults, existing: set[PointId]) -> list[Damage]:
    return [damage for damage, _ in faults.found(existing)]


def test_a_certain_fault_is_damage_even_if_nothing_needs_it() -> None:
    faults = Faults()
    faults.add("packs/x", "is broken")
    assert told(faults, set()) == [
        Damage(name="packs/x", reason="is broken", points=(), item_count=0)
    ]


def test_an_uncertain_fault_is_damage_once_a_point_suffers() -> None:
    faults = Faults()
    faults.add("packs/x", "is missing", is_certain=False)
    assert told(faults, {A}) == []
    faults.touch("packs/x", [A], 7)
    faults.touch("packs/x", [B], 3)
    assert told(faults, {A, B}) == [
        Damage(name="packs/x", reason="is missing", points=(A, B), item_count=7)
    ]


def test_an_object_is_named_once() -> None:
    faults = Faults()
    faults.add("packs/x", "packs/x: is broken")
    assert [each.reason for each in told(faults, set())] == ["is broken"]


def test_points_that_are_gone_do_not_suffer() -> None:
    faults = Faults()
    faults.add("packs/x", "is missing", is_certain=False)
    faults.touch("packs/x", [A])
    assert told(faults, {B}) == []


def test_the_first_reason_counts_and_all_are_told_by_name() -> None:
    faults = Faults()
    faults.add("b", "first")
    faults.add("b", "second")
    faults.add("a", "not listed", is_marked=False)
    assert "b" in faults
    assert "c" not in faults
    found = list(faults.found(set()))
    assert [(damage.name, damage.reason) for damage, _ in found] == [
        ("a", "not listed"), ("b", "first")
    ]  # fmt: skip
    assert [is_marked for _, is_marked in found] == [False, True]


def test_a_mark_is_made_once_and_kept(tmp_path: Path) -> None:
    repository = make_repository(new_store(tmp_path), is_encrypted=True)
    first = Mark(reason="first", time="20250301T120000000000Z")
    mark_damaged(repository, "packs/x/y", first)
    mark_damaged(repository, "packs/x/y", Mark(reason="second", time=first.time))
    assert repository.list_marked(names.DAMAGED) == {"packs/x/y"}
    assert repository.read_value(Mark, names.damaged("packs/x/y")) == first
