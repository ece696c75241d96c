"""A job's standing order: what it refuses, what it remembers, and its versions."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.engine.jobs import (
    Terms,
    create_job,
    enable_job,
    list_jobs,
    load_definition,
    update_job,
)
from core.errors import ConflictError, InputError, IntegrityError, NotFoundError
from core.format import names
from core.ids import JobId
from core.model import JobDefinition, RetentionType
from core.sources.bucket import open_bucket_source
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from core.stores.folder_bucket import FolderBucket
from tests.support.bucket_copies import make_bucket_pair
from tests.support.buckets import fill
from tests.support.copies import back_up, make_pair, make_repository, through
from tests.support.damaged_stores import Swapped
from tests.support.stores import Hooked, Kind, LostAnswer

DAILY = Terms(schedule="daily 22:00")
NIGHTLY = JobId("nightly")


@pytest.fixture
def source(tmp_path: Path) -> Repository:
    return make_repository(FolderStore(tmp_path / "source", create=True))


@pytest.fixture
def target(tmp_path: Path) -> Repository:
    return make_repository(FolderStore(tmp_path / "target", create=True), is_encrypted=True)


def create(
    target: Repository, source: Repository, job_id: str = NIGHTLY, *, include_newest: bool = False
) -> JobDefinition:
    return create_job(target, source, JobId(job_id), DAILY, include_newest=include_newest)


def test_a_job_remembers_the_points_that_it_never_copies(
    source: Repository, target: Repository
) -> None:
    """R3: "since" is a list of points and never a clock."""
    points = [back_up(source, {b"a": b"1"}).id, back_up(source, {b"a": b"2"}).id]
    definition = create(target, source)
    assert definition.present == tuple(points)
    assert load_definition(target, NIGHTLY) == definition
    assert list_jobs(target) == [NIGHTLY]


def test_the_newest_point_counts_as_new_when_asked(source: Repository, target: Repository) -> None:
    points = [back_up(source, {b"a": b"1"}).id, back_up(source, {b"a": b"2"}).id]
    assert create(target, source, include_newest=True).present == tuple(points[:1])


def test_a_violation_names_every_reason_at_once(tmp_path: Path) -> None:
    """R1."""
    one = make_repository(
        FolderStore(tmp_path / "one", create=True), retention_type=RetentionType.ITEM_LEVEL
    )
    back_up(one, {b"a": b"1"})
    with pytest.raises(InputError) as caught:
        create(one, one, "bad name")
    assert len(caught.value.problems) == 3
    two = make_repository(FolderStore(tmp_path / "two", create=True))
    with pytest.raises(InputError) as caught:
        create(two, one)
    assert "retention type" in caught.value.problems[0]


def test_copies_are_not_copied_on(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1"})
    pair.copied()
    third = make_repository(FolderStore(tmp_path / "third", create=True))
    with pytest.raises(InputError, match="cannot be created") as caught:
        create(third, pair.target)
    assert "holds copies" in caught.value.problems[0]


def test_there_is_one_job_for_one_source_and_target(source: Repository, target: Repository) -> None:
    create(target, source)
    with pytest.raises(InputError) as caught:
        create(target, source, "other")
    assert "nightly" in caught.value.problems[0]


def test_a_job_is_created_once(source: Repository, target: Repository) -> None:
    create(target, source)
    with pytest.raises(ConflictError, match="exists already"):
        create(target, source)


def test_versions_follow_each_other(source: Repository, target: Repository) -> None:
    first = create(target, source)
    update_job(target, source, NIGHTLY, Terms(schedule="immediate", allow_damaged=True))
    enable_job(target, NIGHTLY, is_enabled=False)
    assert load_definition(target, NIGHTLY) == replace(
        first, version=3, schedule="immediate", allow_damaged=True, is_enabled=False
    )


def test_a_job_keeps_its_source(source: Repository, target: Repository, tmp_path: Path) -> None:
    create(target, source)
    other = make_repository(FolderStore(tmp_path / "other", create=True))
    with pytest.raises(InputError, match=other.identity.id):
        update_job(target, other, NIGHTLY, DAILY)


def test_of_two_changes_at_once_one_is_told_to_look_again(
    source: Repository, target: Repository
) -> None:
    create(target, source)

    def overtake(kind: Kind, name: str) -> None:
        if kind == "put" and name == names.job_definition(NIGHTLY, 2):
            hooked.before = lambda _kind, _name: None
            enable_job(target, NIGHTLY, is_enabled=False)

    hooked = Hooked(target.store, overtake)
    with pytest.raises(ConflictError, match="somebody else"):
        update_job(through(target, hooked), source, NIGHTLY, Terms(schedule="immediate"))
    assert load_definition(target, NIGHTLY).schedule == DAILY.schedule


def test_a_lost_answer_is_no_conflict(source: Repository, target: Repository) -> None:
    losing = through(target, LostAnswer(target.store))
    assert create(losing, source) == load_definition(target, NIGHTLY)
    assert not enable_job(losing, NIGHTLY, is_enabled=False).is_enabled


def test_a_job_that_is_not_there_is_said_to_be_missing(target: Repository) -> None:
    with pytest.raises(NotFoundError, match="weekly"):
        load_definition(target, JobId("weekly"))


def test_a_definition_under_another_name_is_refused(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    enable_job(pair.target, NIGHTLY, is_enabled=False)
    first, second = (names.job_definition(NIGHTLY, version) for version in (1, 2))
    swapped = through(pair.target, Swapped(pair.target.store, {second: first}))
    with pytest.raises(IntegrityError, match=second):
        load_definition(swapped, NIGHTLY)


def test_a_bucket_can_be_a_source(tmp_path: Path) -> None:
    pair = make_bucket_pair(tmp_path, fill(tmp_path / "bucket", {"a": b"1"}))
    definition = pair.definition
    assert (definition.source_id, definition.source_url) == (pair.source.id, pair.source.url)
    assert definition.present == ()
    changed = update_job(pair.target, pair.source, NIGHTLY, Terms(schedule="immediate"))
    assert (changed.version, changed.schedule) == (2, "immediate")
    other = open_bucket_source(FolderBucket(tmp_path), RetentionType.SNAPSHOT_BASED)
    with pytest.raises(InputError, match="copies"):
        update_job(pair.target, other, NIGHTLY, DAILY)


def test_a_bucket_that_cannot_be_a_source_is_told_every_reason(
    target: Repository, tmp_path: Path
) -> None:
    around = open_bucket_source(FolderBucket(tmp_path), RetentionType.ITEM_LEVEL)
    with pytest.raises(InputError) as caught:
        create_job(target, around, NIGHTLY, DAILY, include_newest=True)
    inside, retention, newest = caught.value.problems
    assert "would copy itself" in inside
    assert "retention type" in retention
    assert "no restore points" in newest
