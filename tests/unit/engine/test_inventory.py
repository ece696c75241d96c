"""A listing is sorted into what names mean; nothing is forgotten and nothing made up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.catalog.workspace import Workspace
from core.engine.inventory import (
    STRAY_NAMES_MAX,
    is_table_name,
    take_inventory,
)
from core.format import names
from core.ids import PackId, PointId, RepositoryId, SessionId
from core.limits import MIB
from core.sources.repository import Repository
from core.stores.store import ObjectHead
from tests.support.copies import make_repository, through
from tests.support.repositories import NOW, new_store
from tests.support.stores import Wrapping

S = SessionId("1" * 32)
P = PackId("2" * 32)
R = RepositoryId("3" * 32)
TIME = "20250301T120000000000Z"
RECORD = names.record(R, TIME, S)


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace(64 * MIB) as workspace:
        yield workspace


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(new_store(tmp_path), is_encrypted=True)


def put(repository: Repository, *found: str, size: int = 3) -> None:
    for name in found:
        repository.store.put(name, bytes(size))


def test_every_kind_of_name_is_known(repository: Repository, workspace: Workspace) -> None:
    blob = names.blob(b"\x0a" * 32)
    put(repository, names.pack(S, P), blob, names.index(S, 0), names.layer(S, 11), RECORD)
    put(repository, names.metadata_pack(S, P, 0), names.metadata_pack(S, P, 2))
    put(repository, names.FORMAT_DOCUMENT, names.READER, names.damaged(blob))
    put(repository, "jobs/x/1.json", names.open_session(S), "sessions/x/anything", "retention/7")
    inventory = take_inventory(repository, workspace)
    assert (inventory.stray, inventory.stray_count) == ([], 0)
    assert [record.name for record in inventory.records] == [RECORD]
    assert inventory.records[0].point == PointId(f"{TIME}-{S}")
    assert inventory.index == [names.index(S, 0)]
    assert inventory.layers == {names.layer(S, 11)}
    assert list(workspace.rows("select * from listed_packs")) == [(S, P, 3)]
    assert list(workspace.rows("select * from listed_blobs")) == [(b"\x0a" * 32, 3)]


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "packs/notes.txt",
        f"packs/{S}/{P}x",
        f"packs/{S}/meta-{P}-0",
        f"packs/{S}/meta-{P}-01",
        f"blobs/ab/{'0' * 64}",
        f"blobs/00/{'0' * 63}",
        "index/x.parquet",
        f"layers/{S}-0.json",
        f"restore-points/{R}/{TIME}.json",
        "restore-points/notes",
        "keys/one.json",
        "keys/01x.json",
    ],
)
def test_other_names_are_strange(repository: Repository, workspace: Workspace, name: str) -> None:
    put(repository, name)
    inventory = take_inventory(repository, workspace)
    assert inventory.stray == [name]
    assert inventory.records == ()


class Crowded(Wrapping):
    """Lists more strange objects than anybody wants to read about."""

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        for number in range(STRAY_NAMES_MAX + 5) if not prefix else ():
            yield ObjectHead(name=f"stray-{number}", size=1, etag="", modified=NOW)
        yield from super().list(prefix)


def test_strange_names_are_counted_when_they_are_too_many_to_tell(
    repository: Repository, workspace: Workspace
) -> None:
    inventory = take_inventory(through(repository, Crowded(repository.store)), workspace)
    assert len(inventory.stray) == STRAY_NAMES_MAX
    assert inventory.stray_count == STRAY_NAMES_MAX + 5


def test_void_records_are_no_points(repository: Repository, workspace: Workspace) -> None:
    put(repository, RECORD, size=0)
    inventory = take_inventory(repository, workspace)
    assert inventory.records == ()
    assert inventory.void == {RECORD}


def test_what_is_condemned_does_not_count(repository: Repository, workspace: Workspace) -> None:
    condemned = [
        RECORD, names.pack(S, P), names.index(S, 0), names.layer(S, 0),
        names.metadata_pack(S, P, 0), names.blob(b"\0" * 32),
    ]  # fmt: skip
    put(repository, *condemned)
    put(repository, *(names.condemned("run", name) for name in condemned))
    inventory = take_inventory(repository, workspace)
    assert inventory.condemned == set(condemned)
    assert (inventory.records, inventory.index, inventory.layers) == ((), [], set())
    assert workspace.row("select count(*) from listed_packs") == (0,)
    assert workspace.row("select count(*) from listed_blobs") == (0,)


def test_records_come_oldest_point_first(repository: Repository, workspace: Workspace) -> None:
    older = names.record(RepositoryId("4" * 32), "20240101T000000000000Z", S)
    put(repository, RECORD, older)
    found = take_inventory(repository, workspace).records
    assert [record.name for record in found] == [older, RECORD]


def test_names_are_recognised() -> None:
    assert names.is_record(RECORD)
    assert not names.is_record(f"{RECORD}x")
    assert is_table_name(names.layer(S, 3))
    assert is_table_name(names.index(S, 3))
    assert not is_table_name(f"../{names.index(S, 3)}")
