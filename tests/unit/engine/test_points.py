"""Finding restore points and what they show."""

from pathlib import Path

import pytest

from core.catalog.layers import NO_FLOOR
from core.engine.points import (
    find_point,
    list_points,
    newest_record,
    read_points,
    visible_floor,
)
from core.errors import ConflictError, NotFoundError
from core.format import names
from core.ids import new_repository_id, new_session_id
from core.model import RetentionType
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from tests.support.copies import back_up, make_repository, moment, read_state, record_name


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(FolderStore(tmp_path, create=True))


def test_points_are_listed_oldest_first_without_voids_and_condemned_ones(
    repository: Repository,
) -> None:
    late = back_up(repository, {b"a": b"2"}, 5)
    early = back_up(repository, {b"a": b"1"}, 2)
    condemned = back_up(repository, {b"a": b"3"}, 3)
    repository.store.put(names.condemned("run", record_name(condemned)), b"")
    void = names.record(repository.identity.id, moment(9), new_session_id())
    repository.store.put(void, b"")
    assert [point.point for point in list_points(repository)] == [early.id, late.id]
    assert read_points(repository) == [early, late]
    assert newest_record(repository, repository.identity.id) == late
    assert newest_record(repository, new_repository_id()) is None


def test_a_point_is_found_by_the_start_of_its_id(repository: Repository) -> None:
    first = back_up(repository, {b"a": b"1"}, 1)
    second = back_up(repository, {b"a": b"2"}, 2)
    assert find_point(repository, None) == second
    assert find_point(repository, first.id[:22]) == first
    with pytest.raises(NotFoundError, match="'1999'"):
        find_point(repository, "1999")
    with pytest.raises(ConflictError, match="2 restore points") as caught:
        find_point(repository, "2026")
    assert caught.value.problems == (first.id, second.id)


def test_a_repository_without_points_says_so(repository: Repository) -> None:
    with pytest.raises(NotFoundError, match="no restore point yet"):
        find_point(repository, None)


@pytest.mark.parametrize(
    ("retention_type", "floor"),
    [(RetentionType.ITEM_LEVEL, 7), (RetentionType.SNAPSHOT_BASED, NO_FLOOR)],
)
def test_a_floor_holds_for_item_level_retention_alone(
    tmp_path: Path, retention_type: RetentionType, floor: int
) -> None:
    repository = make_repository(FolderStore(tmp_path, create=True), retention_type=retention_type)
    repository.store.put(f"{names.RETENTION}7.json", b"")
    assert visible_floor(repository) == floor


def test_what_a_point_shows_respects_the_floor(tmp_path: Path) -> None:
    repository = make_repository(
        FolderStore(tmp_path, create=True), retention_type=RetentionType.ITEM_LEVEL
    )
    record = back_up(repository, {b"a": b"1"})
    (item,) = read_state(repository, record).values()
    repository.store.put(f"{names.RETENTION}{item.modified}.json", b"")
    assert set(read_state(repository, record)) == {b"a"}
    repository.store.put(f"{names.RETENTION}{item.modified + 1}.json", b"")
    assert read_state(repository, record) == {}
