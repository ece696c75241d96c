"""A verification finds every kind of damage, says what it costs, and finds nothing in good ones."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from core.engine.damage import Damage, Mark
from core.engine.progress import Silent
from core.engine.verify import VerifyOutcome, verify_repository
from core.errors import InputError, NotReadyError
from core.format import names
from core.model import Record
from core.sources.repository import Repository
from core.stores.store import Store
from tests.support.copies import (
    Pair,
    at,
    back_up,
    index_places,
    make_pair,
    packs_of,
    read_state,
    record_name,
    through,
)
from tests.support.damaged_stores import ByteFlipped, Emptied, Missing, Swapped, Truncated
from tests.support.repositories import names_in
from tests.support.stores import Names, Recording, Refusing, Unfinished, below

NOW = datetime(2025, 3, 1, tzinfo=UTC)
POINT_COUNT = 3
FILES_PER_POINT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A pair that is made once and copied for each test."""

    pair: Pair
    folder: Path


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "sealed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Make a source and a target of three points, the second and third adding some files."""
    folder = tmp_path_factory.mktemp("made")
    pair = make_pair(folder, is_encrypted=request.param)
    chance = random.Random(1)
    for point in range(POINT_COUNT):
        files = {
            f"{point}/{number}".encode(): chance.randbytes(chance.randrange(1, 9_000))
            for number in range(FILES_PER_POINT)
        }
        back_up(pair.source, files)
        pair.copied()
    return Made(pair=pair, folder=folder)


@pytest.fixture
def pair(made: Made, tmp_path: Path) -> Pair:
    shutil.copytree(made.folder, tmp_path / "pair")
    return at(made.pair, tmp_path / "pair")


def verify(repository: Repository, read_percent: int = 0, days: int = 0) -> VerifyOutcome:
    return verify_repository(
        repository,
        read_percent=read_percent,
        progress=Silent(),
        stop=lambda: False,
        clock=lambda: NOW + timedelta(days=days),
    )


def only(outcome: VerifyOutcome) -> Damage:
    assert len(outcome.findings) == 1, outcome.findings
    return outcome.findings[0]


def points_of(repository: Repository) -> list[Record]:
    return [repository.read_record(record.name) for record in repository.list_records()]


def replace_object(store: Store, name: str, stored: bytes) -> None:
    store.delete([name])
    store.put(name, stored)


def flip(store: Store, name: str, position: int) -> None:
    """Flip the bits of a byte as a failing disk does."""
    stored = bytearray(store.get(name))
    stored[position] ^= 0xFF
    replace_object(store, name, bytes(stored))


def largest_pack(target: Repository) -> str:
    """Return a pack that has several frames."""
    return max(packs_of(target), key=lambda name: target.store.head(name).size)


def marked(repository: Repository) -> set[str]:
    return repository.list_marked(names.DAMAGED)


@pytest.mark.parametrize("read_percent", [0, 100])
def test_nothing_is_wrong_with_what_was_just_written(pair: Pair, read_percent: int) -> None:
    for repository in (pair.source, pair.target):
        before = names_in(repository.store)
        outcome = verify(repository, read_percent)
        assert outcome.findings == ()
        assert outcome.finding_count == outcome.stray_count == 0
        assert outcome.notes == ()
        assert names_in(repository.store) == before


def test_it_counts_what_it_looked_at(pair: Pair) -> None:
    counts = verify(pair.target, 100).counts
    packs = packs_of(pair.target)
    assert counts.point_count == counts.index_count == counts.metadata_pack_count == POINT_COUNT
    assert counts.packed_blob_count == POINT_COUNT * FILES_PER_POINT
    assert counts.pack_count == len(packs) > POINT_COUNT
    assert counts.pack_size == sum(pair.target.store.head(name).size for name in packs)
    assert counts.read.pack_count == len(packs) + POINT_COUNT
    assert counts.read.size >= counts.pack_size
    assert counts.read.blob_count == 0
    loose = verify(pair.source, 100).counts
    assert loose.loose_blob_count == loose.read.blob_count == POINT_COUNT * FILES_PER_POINT


def test_every_pack_and_blob_is_read_once_and_to_its_last_byte(pair: Pair) -> None:
    packs = Recording(pair.target.store)
    verify(through(pair.target, packs), 100)
    for name in packs_of(pair.target):
        # The tables at its end come first, because they tell what to expect.
        assert packs.names("get_range").count(name) <= 8
    stored = names_in(pair.source.store, names.BLOBS)
    blobs = Recording(pair.source.store)
    verify(through(pair.source, blobs), 100)
    assert sorted(name for name in blobs.names("get") if name in stored) == stored


@pytest.mark.parametrize("percent", [7, 25, 50])
def test_a_share_a_day_reads_everything_in_the_end(pair: Pair, percent: int) -> None:
    read: list[str] = []
    days = -(-100 // percent)
    for day in range(days):
        store = Recording(pair.source.store)
        verify(through(pair.source, store), percent, day)
        read += [name for name in store.names("get") if name.startswith(names.BLOBS)]
    everything = names_in(pair.source.store, names.BLOBS)
    assert set(read) == set(everything)
    assert len(read) <= len(everything) * percent * days / 100 + len(everything) / 2


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_share_is_a_percentage(pair: Pair, percent: int) -> None:
    with pytest.raises(InputError, match="0 to 100"):
        verify(pair.target, percent)


def stop_after(count: int) -> Callable[[], bool]:
    """Return what says "go on" so often and then "stop"."""
    asked = iter(range(count))
    return lambda: next(asked, None) is None


def test_it_can_be_stopped_anywhere(pair: Pair) -> None:
    for repository in (pair.source, pair.target):
        for count in (0, 1, 5, 10, 20):
            with pytest.raises(NotReadyError, match="stopped"):
                verify_repository(
                    repository, read_percent=100, progress=Silent(), stop=stop_after(count)
                )
        assert verify(repository, 100).findings == ()


def needs_of(repository: Repository, name: str) -> tuple[list[Record], int]:
    """Return the points that need a pack or blob, and the paths in it: all files are one blob."""
    places = {
        blob: {names.pack_of(row) for row, _ in rows}
        for blob, rows in index_places(repository).items()
    }
    paths, records = set(), []
    for record in points_of(repository):
        found = {
            path
            for path, item in read_state(repository, record).items()
            for blob in item.blobs
            if name in places.get(blob, {names.blob(blob)})
        }
        paths |= found
        records += [record] if found else []
    return records, len(paths)


def test_a_missing_pack_is_named_with_what_it_costs(pair: Pair) -> None:
    name = largest_pack(pair.target)
    records, item_count = needs_of(pair.target, name)
    pair.target.store.delete([name])
    for _ in range(2):
        damage = only(verify(pair.target))
        assert (damage.name, damage.reason) == (name, "is missing")
        assert damage.points == tuple(sorted(record.id for record in records))
        assert damage.item_count == item_count > 0
        assert marked(pair.target) == {name}
    mark = pair.target.read_value(Mark, names.damaged(name))
    assert mark == Mark(reason="is missing", time="20250301T000000000000Z")


def test_a_truncated_pack_is_found_without_reading_it(pair: Pair) -> None:
    name = largest_pack(pair.target)
    replace_object(pair.target.store, name, pair.target.store.get(name)[:-1])
    damage = only(verify(pair.target))
    assert damage.name == name
    assert "bytes instead of" in damage.reason
    assert damage.item_count > 0


@pytest.mark.parametrize("position", [0, 30, 20_000, -1, -20])
def test_a_changed_byte_of_a_pack_is_found_by_reading_it(pair: Pair, position: int) -> None:
    name = largest_pack(pair.target)
    flip(pair.target.store, name, position)
    assert verify(pair.target).findings == ()
    damage = only(verify(pair.target, 100))
    assert damage.name == name
    assert marked(pair.target) == {name}


def test_only_items_in_damaged_frames_are_counted(pair: Pair) -> None:
    name = largest_pack(pair.target)
    _, all_items = needs_of(pair.target, name)
    flip(pair.target.store, name, pair.target.store.head(name).size // 2)
    damage = only(verify(pair.target, 100))
    assert 0 < damage.item_count < all_items
    # Without reading it nobody knows how much of it is whole.
    assert only(verify(pair.target)).item_count == all_items


def test_swapped_packs_are_found(pair: Pair) -> None:
    first, second, *_ = packs_of(pair.target)
    store = Swapped(pair.target.store, {first: second, second: first})
    found = {damage.name for damage in verify(through(pair.target, store), 100).findings}
    assert found == {first, second}


def test_damage_that_another_pack_makes_good_costs_nothing(pair: Pair) -> None:
    """The next session stores again what only a damaged pack has."""
    name = largest_pack(pair.target)
    flip(pair.target.store, name, pair.target.store.head(name).size // 2)
    assert only(verify(pair.target, 100)).item_count > 0
    back_up(pair.source, {b"new": b"new"})
    pair.copied()
    damage = only(verify(pair.target, 100))
    assert (damage.name, damage.points, damage.item_count) == (name, (), 0)
    assert verify(pair.target).findings == ()


def flipped(store: Store, applies: Names) -> Store:
    return ByteFlipped(store, 70, applies)


@pytest.mark.parametrize("damage", [Truncated, Emptied, flipped])
def test_a_damaged_blob_is_found_by_reading_it(
    pair: Pair, damage: Callable[[Store, Names], Store]
) -> None:
    name = names_in(pair.source.store, names.BLOBS)[3]
    records, item_count = needs_of(pair.source, name)
    store = damage(pair.source.store, below(name))
    found = only(verify(through(pair.source, store), 100))
    assert found.name == name
    assert found.points == tuple(sorted(record.id for record in records))
    assert found.item_count == item_count
    assert marked(pair.source) == {name}


def test_swapped_blobs_are_found(pair: Pair) -> None:
    first, second, *_ = names_in(pair.source.store, names.BLOBS)
    store = Swapped(pair.source.store, {first: second, second: first})
    found = {damage.name for damage in verify(through(pair.source, store), 100).findings}
    assert found == {first, second}


def test_a_missing_blob_is_found_without_reading(pair: Pair) -> None:
    name = names_in(pair.source.store, names.BLOBS)[3]
    content = pair.source.store.get(name)
    pair.source.store.delete([name])
    damage = only(verify(pair.source))
    assert (damage.name, damage.reason) == (name, "is missing")
    assert damage.item_count == 1
    # What a backup has brought back is read, found whole, and listed no more.
    pair.source.store.put(name, content)
    outcome = verify(pair.source)
    assert outcome.findings == ()
    assert "listed no more" in outcome.notes[0]
    assert name in outcome.notes[0]
    assert marked(pair.source) == set()


def test_what_is_still_damaged_stays_listed(pair: Pair) -> None:
    name = names_in(pair.source.store, names.BLOBS)[3]
    flip(pair.source.store, name, -1)
    assert only(verify(pair.source, 100)).name == name
    assert only(verify(pair.source)).name == name
    assert marked(pair.source) == {name}


# A record that is lost is a point that nobody knows of.
@pytest.mark.parametrize(
    ("prefix", "fault"),
    [
        *product([names.LAYERS, names.INDEX, names.RECORDS], ["flip", "cut", "swap"]),
        (names.LAYERS, "lose"),
        (names.INDEX, "lose"),
    ],
)
def test_damaged_metadata_is_named_with_its_points(pair: Pair, prefix: str, fault: str) -> None:
    store = pair.target.store
    name, other, *_ = names_in(store, prefix)
    if fault == "flip":
        flip(store, name, -3)
    elif fault == "cut":
        replace_object(store, name, store.get(name)[:-1])
    elif fault == "swap":
        replace_object(store, name, store.get(other))
    else:
        store.delete([name])
    damage = only(verify(pair.target))
    assert damage.name == name
    assert damage.points
    assert damage.item_count > 0 or prefix == names.RECORDS


def test_an_index_that_never_had_a_blob_is_the_records_fault(pair: Pair) -> None:
    record = points_of(pair.target)[0]
    pair.target.store.delete([table.name for table in record.index])
    lost = verify(pair.target).findings
    assert [damage.name for damage in lost] == [table.name for table in record.index]
    assert not any(names.damaged(d.name) in names_in(pair.target.store) for d in lost)


def test_a_missing_metadata_pack_is_missed(pair: Pair) -> None:
    """I8: what is not among the packs a rebuild would lose."""
    record = points_of(pair.target)[-1]
    prefix = f"{names.PACKS}{record.session_id}/meta-"
    pair.target.store.delete(names_in(pair.target.store, prefix))
    found = {damage.name: damage for damage in verify(pair.target).findings}
    assert set(found) == {
        record_name(record),
        *(t.name for layer in record.layers for t in layer.objects if record.session_id in t.name),
    }
    assert all(record.id in damage.points for damage in found.values())
    assert "I8" not in found[record_name(record)].reason
    assert marked(pair.target) == set()


@pytest.mark.parametrize("read_percent", [0, 100])
def test_a_damaged_metadata_pack_is_named(pair: Pair, read_percent: int) -> None:
    record = points_of(pair.target)[-1]
    (name,) = names_in(pair.target.store, f"{names.PACKS}{record.session_id}/meta-")
    flip(pair.target.store, name, -1 if read_percent == 0 else 100)
    found = {damage.name for damage in verify(pair.target, read_percent).findings}
    assert name in found


def test_copies_of_the_keys_beside_the_packs_are_compared(pair: Pair) -> None:
    pair.target.store.delete([names.PACKED_REPOSITORY])
    damage = only(verify(pair.target))
    assert (damage.name, damage.reason) == (names.PACKED_REPOSITORY, "is missing")


def test_what_means_nothing_is_named_and_no_damage(pair: Pair) -> None:
    strange = ["notes.txt", "packs/strange", "blobs/aa/bb", "restore-points/x.json"]
    for name in strange:
        pair.target.store.put(name, b"")
    outcome = verify(pair.target)
    assert outcome.findings == ()
    assert sorted(outcome.stray) == sorted(strange)
    assert outcome.stray_count == len(strange)


def test_packs_of_lost_attempts_are_counted_and_no_damage(pair: Pair) -> None:
    name = names.pack(points_of(pair.target)[0].session_id, "0" * 32)  # type: ignore[arg-type]
    pair.target.store.put(name, b"dead")
    outcome = verify(pair.target, 100)
    assert outcome.findings == ()
    assert (outcome.counts.unused_pack_count, outcome.counts.unused_pack_size) == (1, 4)


def test_void_and_condemned_records_need_nothing(pair: Pair) -> None:
    records = points_of(pair.target)
    void = names.record(records[0].source_id, records[0].time, points_of(pair.source)[0].session_id)
    pair.target.store.put(void, b"")
    lost = packs_of(pair.target, records[0].session_id)
    # Later points share blobs with the first, so all are condemned.
    for name in [*map(record_name, records), *lost]:
        pair.target.store.put(names.condemned("run", name), b"")
    pair.target.store.delete(lost)
    outcome = verify(pair.target)
    assert outcome.findings == ()
    assert outcome.counts.point_count == 0
    assert outcome.counts.absent_pack_count == len(lost)


def test_what_cannot_be_listed_as_damaged_is_still_told(pair: Pair) -> None:
    name = largest_pack(pair.target)
    store = Refusing(Missing(pair.target.store, below(name)), below(names.DAMAGED))
    outcome = verify(through(pair.target, store))
    assert only(outcome).name == name
    assert names.DAMAGED in outcome.notes[0]


def test_an_empty_repository_is_whole(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    assert verify(pair.source, 100).findings == verify(pair.target, 100).findings == ()


def test_unfinished_uploads_are_told_or_given_up(pair: Pair) -> None:
    ages = {"packs/new": 1, "packs/old": 30, "packs/older": 60}
    started = {name: NOW - timedelta(hours=hours) for name, hours in ages.items()}
    store = Unfinished(pair.target.store, started)
    outcome = verify(through(pair.target, store))
    assert outcome.findings == ()
    assert [upload.name for upload in outcome.uploads.discarded] == ["packs/older"]
    assert [upload.name for upload in outcome.uploads.left] == ["packs/old"]
    assert outcome.notes == ("1 uploads that were never ended are given up",)
    assert [upload.name for upload in store.uploads] == ["packs/new", "packs/old"]


def test_uploads_that_cannot_be_given_up_are_told_and_no_damage(pair: Pair) -> None:
    store = Unfinished(pair.target.store, {"packs/x": NOW - timedelta(days=9)}, kept=["packs/"])
    outcome = verify(through(pair.target, store))
    assert outcome.findings == ()
    assert "cannot abort packs/x" in outcome.notes[0]
    assert [upload.name for upload in outcome.uploads.left] == ["packs/x"]
