"""A restore says which archived packs it needs, reads the others, and reads them once it can."""

from pathlib import Path

import pytest

from core.engine.progress import Silent
from core.engine.restore import restore_point
from core.engine.restoring import RestoreOutcome
from core.errors import NotReadyError
from core.format import names
from core.model import Record
from core.sources.repository import Repository, open_repository
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.support.copies import make_repository
from tests.support.points import (
    MadePack,
    file_item,
    packed_id,
    write_index,
    write_pack,
    write_point,
)
from tests.support.stores import Archived


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    store = FolderStore(tmp_path / "repository", create=True)
    return make_repository(store, is_encrypted=False)


def add_pack(repository: Repository, *contents: bytes) -> MadePack:
    pack = write_pack(repository, [[content] for content in contents])
    write_index(repository, pack.row, pack.blobs)
    return pack


def point_of(repository: Repository, **contents: bytes) -> Record:
    items = [
        file_item(path.encode(), len(content), [packed_id(repository, content)])
        for path, content in sorted(contents.items())
    ]
    return write_point(repository, items)


def restore(store: Store, record: Record, folder: Path, *include: str) -> RestoreOutcome:
    return restore_point(
        open_repository(store, None),
        record,
        folder,
        include=include,
        overwrite=True,
        progress=Silent(),
        stop=lambda: False,
    )


def test_what_is_archived_is_named_before_anything_is_written(
    repository: Repository, tmp_path: Path
) -> None:
    cold, other = add_pack(repository, b"cold"), add_pack(repository, b"other")
    add_pack(repository, b"warm")
    record = point_of(repository, a=b"warm", b=b"cold", c=b"other")
    store = Archived(repository.store, lambda name: name in {cold.name, other.name})
    folder = tmp_path / "to"
    with pytest.raises(NotReadyError) as caught:
        restore(store, record, folder)
    assert [line.partition(":")[0] for line in caught.value.problems] == sorted(
        [cold.name, other.name]
    )
    with pytest.raises(NotReadyError) as caught:
        restore(store, record, folder, "a", "b")
    assert [line.partition(":")[0] for line in caught.value.problems] == [cold.name]
    assert list(folder.iterdir()) == []
    assert restore(store, record, folder, "a").item_count == 1
    store.applies = lambda _: False
    assert restore(store, record, folder).failed == ()
    assert (folder / "b").read_bytes() == b"cold"


def test_a_readable_pack_is_read_instead_of_an_archived_one(
    repository: Repository, tmp_path: Path
) -> None:
    packs = [add_pack(repository, b"shared", bytes([number])) for number in range(3)]
    record = point_of(repository, a=b"shared")
    for readable in packs:
        store = Archived(
            repository.store,
            lambda name, readable=readable: name.startswith(names.PACKS) and name != readable.name,  # type: ignore[misc]
        )
        assert restore(store, record, tmp_path / "to").failed == ()
    assert (tmp_path / "to" / "a").read_bytes() == b"shared"


def test_an_archived_pack_is_the_last_resort_and_fails_its_items_only(
    repository: Repository, tmp_path: Path
) -> None:
    """The readable pack turns out to be damaged; what else there is cannot be read."""
    bad, cold = add_pack(repository, b"twice"), add_pack(repository, b"twice", b"x")
    add_pack(repository, b"fine")
    path = tmp_path / "repository" / bad.name
    path.write_bytes(bytes(path.stat().st_size))
    record = point_of(repository, a=b"twice", b=b"fine")
    store = Archived(repository.store, lambda name: name == cold.name)
    outcome = restore(store, record, tmp_path / "to")
    assert [(item.path, item.category) for item in outcome.failed] == [(b"a", "not-ready")]
    assert outcome.item_count == 1
