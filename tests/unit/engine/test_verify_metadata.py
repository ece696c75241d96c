"""What a rebuild would need is looked for in the metadata packs' own lists."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.damage import Faults
from core.engine.metadata import Member, write_metadata_pack
from core.engine.progress import Silent
from core.engine.verify_metadata import check_members, list_members
from core.engine.verify_terms import Share, Terms
from core.errors import NotReadyError
from core.format import names
from core.ids import new_session_id
from core.model import Record, SessionKind
from core.sources.repository import Repository
from core.stores.store import Store
from tests.support.copies import make_repository, record_name, through
from tests.support.damaged_stores import ByteFlipped
from tests.support.points import folder_item, write_point
from tests.support.repositories import new_store
from tests.support.stores import Hooked, Kind, below


@pytest.fixture(params=[False, True], ids=["plain", "sealed"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    return make_repository(new_store(tmp_path), is_encrypted=request.param)


@pytest.fixture
def record(repository: Repository) -> Record:
    made = write_point(repository, [folder_item(b"folder")])
    return replace(made, kind=SessionKind.COPY)


@pytest.fixture
def terms() -> Terms:
    return Terms(
        share=Share(0, 0),
        marked=frozenset(),
        faults=Faults(),
        progress=Silent(),
        stop=lambda: False,
    )


def pack_up(repository: Repository, record: Record, sizes: Sequence[int] = ()) -> str:
    """Write a metadata pack with members of the record's names and sizes."""
    (table,) = record.layers[0].objects
    members = [
        Member(name=record_name(record), content=b"{}"),
        Member(name=table.name, content=bytes(sizes[0] if sizes else table.size)),
    ]
    (name,) = write_metadata_pack(repository, new_session_id(), members)
    return name


def lacking(repository: Repository, record: Record, terms: Terms) -> set[str]:
    check_members(list_members(repository, terms), [record], terms)
    return {damage.name for damage, _ in terms.faults.found({record.id})}


def test_a_point_that_is_packed_up_lacks_nothing(
    repository: Repository, record: Record, terms: Terms
) -> None:
    name = pack_up(repository, record)
    packs = list_members(repository, terms)
    assert list(packs.whole) == [name]
    assert packs.count == 1
    assert lacking(repository, record, terms) == set()


def test_a_point_that_is_not_packed_up_lacks_record_and_layers(
    repository: Repository, record: Record, terms: Terms
) -> None:
    (table,) = record.layers[0].objects
    assert lacking(repository, record, terms) == {record_name(record), table.name}


def test_a_layer_of_another_size_is_another_layer(
    repository: Repository, record: Record, terms: Terms
) -> None:
    (table,) = record.layers[0].objects
    pack_up(repository, record, sizes=[table.size - 1])
    assert lacking(repository, record, terms) == {table.name}


def test_backups_need_no_metadata_pack(
    repository: Repository, record: Record, terms: Terms
) -> None:
    backup = replace(record, kind=SessionKind.BACKUP)
    assert lacking(repository, backup, terms) == set()


def test_a_damaged_one_is_a_fault(repository: Repository, record: Record, terms: Terms) -> None:
    name = pack_up(repository, record)
    damaged = through(repository, ByteFlipped(repository.store, -1, below(name)))
    assert name in lacking(damaged, record, terms)


def test_one_that_was_cut_while_it_was_written_is_no_fault(
    repository: Repository, terms: Terms
) -> None:
    """Whoever wrote its first pack was stopped before the second, and wrote another one."""
    session_id = new_session_id()
    members = [Member(name=f"layers/{n}", content=os.urandom(1_500)) for n in range(3)]
    small = replace(
        repository.identity, parameters=replace(repository.identity.parameters, pack_size=2_000)
    )
    first, *others = write_metadata_pack(
        Repository(repository.store, small, repository.keys), session_id, members
    )
    assert others
    repository.store.delete(others)
    packs = list_members(repository, terms)
    assert (packs.cut, packs.whole, packs.members) == ([first], {}, set())
    assert list(terms.faults.found(set())) == []


def archived(store: Store) -> Store:
    def refuse(kind: Kind, name: str) -> None:
        if kind == "get_range" and name.startswith(names.PACKS):
            raise NotReadyError("archived")

    return Hooked(store, refuse)


def test_archived_ones_are_not_looked_into(
    repository: Repository, record: Record, terms: Terms
) -> None:
    name = pack_up(repository, record)
    packs = list_members(through(repository, archived(repository.store)), terms)
    assert packs.archived == [name]
    check_members(packs, [record], terms)
    assert list(terms.faults.found({record.id})) == []


def test_it_can_be_stopped(repository: Repository, record: Record, terms: Terms) -> None:
    pack_up(repository, record)
    with pytest.raises(NotReadyError):
        list_members(repository, replace(terms, stop=lambda: True))
