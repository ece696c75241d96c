"""Power is lost at every single write of a copy session, before it or after it has happened.

What is stored then is whole (I1, I2, I8), the source is untouched (I7), and the same command run
again ends with the point published and repeats no finished pack (I3).
"""

import random
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from core import limits
from core.engine import tables
from core.engine.points import list_points
from core.errors import StoreError
from core.format import names
from core.limits import KIB
from core.model import SessionStatus
from core.stores.folder import FolderStore
from tests.support.copies import (
    Change,
    Pair,
    at,
    back_up,
    make_pair,
    packs_of,
    pin_batches,
    read_copied,
    read_loose,
)
from tests.support.invariants import (
    Watch,
    check_copies,
    check_metadata_is_in_packs,
    check_points_are_whole,
    photograph,
)
from tests.support.stores import Crash, CrashingStore, LostAnswer, Recording

RUNS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a run finds: folders to work on copies of, and the content that it must end with."""

    name: str
    folder: Path
    pair: Pair
    expected: Mapping[bytes, bytes]

    def copy_to(self, folder: Path) -> Pair:
        """Return the pair with a target of its own; nobody writes to the source."""
        shutil.copytree(self.folder / "target", folder)
        return self.pair.seen(target=FolderStore(folder))


def random_files(count: int, size: int) -> dict[bytes, Change]:
    chance = random.Random(count)
    return {b"folder/%d" % number: chance.randbytes(size) for number in range(count)}


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    """Make little content several batches, ranges and tables of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        pin_batches(patch, 128 * KIB)
        patch.setattr(limits, "RANGE_BLOBS_TARGET", 15)
        patch.setattr(tables, "TABLE_OBJECT_SIZE_MAX", 2_000)
        yield


def prepare(folder: Path, name: str, *, is_encrypted: bool) -> Start:
    """Make a first point of two batches of two packs each; or have it copied and change some."""
    pair = make_pair(folder, is_encrypted=is_encrypted)
    record = back_up(pair.source, random_files(26, 8_000))
    if name == "second":
        pair.copied()
        changes = random_files(3, 9_000) | {b"folder/7": None, b"new": b"a little"}
        record = back_up(pair.source, changes)
    if name == "unchanged":
        pair.copied()
        record = back_up(pair.source, {})
    return Start(name=name, folder=folder, pair=pair, expected=read_loose(pair.source, record))


@pytest.fixture(
    scope="module",
    params=[("first", True), ("second", False), ("unchanged", True)],
    ids=lambda param: f"{param[0]}-{'encrypted' if param[1] else 'plain'}",
)
def start(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Start:
    name, is_encrypted = request.param
    return prepare(tmp_path_factory.mktemp("start"), name, is_encrypted=is_encrypted)


def part_count(pair: Pair) -> int:
    return sum("/parts/" in head.name for head in pair.target.store.list(names.SESSIONS))


def finish(pair: Pair, expected: Mapping[bytes, bytes]) -> None:
    """Run the job again, as after a crash, and check that all is as if nothing had happened."""
    check_points_are_whole(pair.target)
    check_metadata_is_in_packs(pair.target)
    watch = Watch(pair.target.store)
    finished = part_count(pair)
    recording = Recording(pair.target.store)
    outcome = pair.seen(target=recording).copy()
    assert outcome is None or outcome.status is SessionStatus.SUCCESS
    new_packs = [name for name in recording.names("complete") if "/meta-" not in name]
    assert len(new_packs) == part_count(pair) - finished, "a finished pack was repeated"
    watch.look()
    check_copies(pair.target)
    newest = list_points(pair.target)[-1]
    assert read_copied(pair.target, pair.target.read_record(newest.name)) == expected
    assert pair.copy() is None


def test_a_copy_is_finished_by_running_the_job_again(start: Start, tmp_path: Path) -> None:
    """Stopped at every single write, nothing is lost and nothing wrong is published (I3).

    Before a write has happened where objects are sealed, after it where they are not: what is
    stored after a write is what is stored before the next.
    """
    after = not start.pair.target.identity.is_encrypted
    before = photograph(start.folder / "source")
    crash_count = 0
    while True:
        pair = start.copy_to(tmp_path / f"{crash_count}")
        crashing = CrashingStore(pair.target.store, crash_count, after=after)
        try:
            pair.seen(target=crashing).copy()
        except Crash:
            finish(pair, start.expected)
            shutil.rmtree(tmp_path / f"{crash_count}")
            crash_count += 1
        else:
            break
    assert crash_count == crashing.write_count > 5
    if start.name == "first":
        kinds = [re.sub(r"[0-9a-f]{32}|\d", "", name) for _, name in crashing.writes]
        pieces = ["sessions//delta-.parquet", "sessions//ranges/.parquet", "index/-.parquet"]
        assert min(kinds.count(piece) for piece in (*pieces, "layers/-.parquet")) > 1
    assert photograph(start.folder / "source") == before


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_copy_that_crashes_at_every_step_in_turn_still_ends(
    start: Start, tmp_path: Path, *, after: bool
) -> None:
    """Each run gets a few writes further than the last; no pack is ever made twice."""
    pair = start.copy_to(tmp_path / "target")
    for _ in range(RUNS_MAX):
        try:
            pair.seen(target=CrashingStore(pair.target.store, 6, after=after)).copy()
        except Crash:
            continue
        break
    else:
        pytest.fail("it never ended")
    finish(pair, start.expected)
    assert len(packs_of(pair.target)) <= 2 * part_count(pair)


def test_conflicts_with_its_own_writes_change_nothing(start: Start, tmp_path: Path) -> None:
    """A client that tried again by itself meets its own objects, all of them, and goes on."""
    pair = start.copy_to(tmp_path / "target")
    outcome = pair.seen(target=LostAnswer(pair.target.store)).copy()
    assert outcome is not None
    assert outcome.status is SessionStatus.SUCCESS
    finish(pair, start.expected)
    assert len(packs_of(pair.target, outcome.session_id)) == outcome.transfer.pack_count


def test_writes_whose_answers_never_came_are_found(start: Start, tmp_path: Path) -> None:
    """Once for each kind of object, a run ends with an error although its write has happened."""
    pair = start.copy_to(tmp_path / "target")
    kinds: set[str] = set()

    def is_first_of_its_kind(name: str) -> bool:
        kind = re.sub("[0-9a-f]{32}", "*", name)
        # What only tells of a run is given up when it cannot be written.
        is_first = kind not in kinds and not {"attempts", "packed"} & set(kind.split("/"))
        kinds.add(kind)
        return is_first

    losing = LostAnswer(pair.target.store, is_first_of_its_kind, "error")
    error_count = 0
    while error_count < RUNS_MAX:
        try:
            pair.seen(target=losing).copy()
        except StoreError:
            error_count += 1
        else:
            break
    assert error_count == len(losing.lost) > 5
    finish(pair, start.expected)
    assert len(packs_of(pair.target)) <= part_count(pair) + 1


def test_the_folders_copied_elsewhere_go_on_there(start: Start, tmp_path: Path) -> None:
    """Nothing stored depends on where it is stored."""
    shutil.copytree(start.folder, tmp_path / "moved")
    finish(at(start.pair, tmp_path / "moved"), start.expected)
