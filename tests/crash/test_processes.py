"""Copies in real processes: killed with SIGKILL, two at once, stopped and given up from outside."""

import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.engine.history import list_sessions, resume_session, stop_session
from core.engine.plan import run_plan
from core.engine.points import list_points
from core.engine.repack import Call, run_repack
from core.engine.session import record_size
from core.format import names
from core.limits import KIB
from core.model import SessionStatus
from core.stores.folder import FolderStore
from tests.support.copies import (
    JOB,
    Pair,
    back_up,
    make_pair,
    names_below,
    packs_of,
    pin_batches,
    read_copied,
    read_loose,
)
from tests.support.copying import (
    Child,
    Terms,
    children_of,
    is_alive,
    start_abandon,
    start_copy,
)
from tests.support.invariants import (
    Watch,
    check_copies,
    check_metadata_is_in_packs,
    check_points_are_whole,
    photograph,
)
from tests.support.stores import Recording
from tests.support.waiting import wait_until

BATCH_SIZE = 128 * KIB
QUICK = Terms(batch_size=BATCH_SIZE)
SLOW = Terms(batch_size=BATCH_SIZE, seconds_per_request=0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A source that nobody writes to, and a target of one's own."""

    folder: Path
    pair: Pair
    expected: Mapping[bytes, bytes]

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def start(self, terms: Terms, label: str = "answer") -> Child:
        source = Path(self.pair.source.store.url.removeprefix("file://"))
        return start_copy(source, self.target, terms, self.folder / label)

    def parts(self) -> list[str]:
        found = names_below(self.pair.target.store, names.SESSIONS)
        return [name for name in found if "/parts/" in name]

    def wait_for_parts(self, count: int) -> None:
        wait_until(lambda: len(self.parts()) >= count)

    def check(self) -> None:
        """Check that one point is published, and whole."""
        check_copies(self.pair.target)
        (point,) = list_points(self.pair.target)
        record = self.pair.target.read_record(point.name)
        assert read_copied(self.pair.target, record) == self.expected


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make a point of five batches of two packs, to be copied for the first time."""
    folder = tmp_path_factory.mktemp("start")
    pair = make_pair(folder, is_encrypted=True)
    chance = random.Random(7)
    record = back_up(pair.source, {b"%d" % n: chance.randbytes(8_000) for n in range(80)})
    return Place(folder=folder, pair=pair, expected=read_loose(pair.source, record))


@pytest.fixture
def place(start: Place, tmp_path: Path) -> Iterator[Place]:
    before = photograph(start.folder / "source")
    yield copy_of(start, tmp_path)
    assert photograph(start.folder / "source") == before, "I7"


def copy_of(start: Place, folder: Path) -> Place:
    shutil.copytree(start.target, folder / "target")
    pair = start.pair.seen(target=FolderStore(folder / "target"))
    return Place(folder=folder, pair=pair, expected=start.expected)


def finish(place: Place) -> None:
    """Run the job again here; check what was there, what is there then, and what it took."""
    check_points_are_whole(place.pair.target)
    check_metadata_is_in_packs(place.pair.target)
    watch = Watch(place.pair.target.store)
    finished = len(place.parts())
    recording = Recording(place.pair.target.store)
    place.pair.seen(target=recording).copy()
    packs = [name for name in recording.names("complete") if "/meta-" not in name]
    assert len(packs) == len(place.parts()) - finished, "a finished pack was repeated"
    watch.look()
    place.check()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    pin_batches(monkeypatch, BATCH_SIZE)


@pytest.mark.parametrize("first", range(4))
def test_a_run_killed_at_any_request_is_finished_by_the_next(
    start: Place, tmp_path: Path, first: int
) -> None:
    """I3: with whatever a real process leaves behind, half-written temporary files too."""
    killed_at = first * 7
    kill_count = 0
    while True:
        place = copy_of(start, tmp_path / f"{killed_at}")
        terms = Terms(batch_size=BATCH_SIZE, killed_at=killed_at)
        is_killed = place.start(terms).wait_killed()
        if not is_killed:
            break
        finish(place)
        kill_count += 1
        shutil.rmtree(place.folder)
        killed_at += 4 * 7
    assert kill_count > 3


def test_two_runs_at_once_publish_one_point(start: Place, tmp_path: Path) -> None:
    """I3: in two processes, which share nothing but the stores."""
    for number in range(4):
        place = copy_of(start, tmp_path / f"{number}")
        runs = [place.start(QUICK, f"answer-{run}") for run in range(2)]
        answers = [run.result() for run in runs]
        sessions = {answer["session"] for answer in answers} - {None}
        assert len(sessions) == 1
        # One that came late has found nothing to do.
        assert {answer["status"] for answer in answers} <= {"Success", None}
        place.check()
        assert place.pair.copy() is None


def test_two_runs_at_once_of_which_one_is_killed(start: Place, tmp_path: Path) -> None:
    for number in range(3):
        place = copy_of(start, tmp_path / f"{number}")
        victim, survivor = (place.start(SLOW, f"answer-{run}") for run in range(2))
        place.wait_for_parts(1 + 2 * number)
        victim.kill()
        # The killed one may just have published; then one that came late has nothing to do.
        assert survivor.result()["status"] in {"Success", None}
        place.check()


def test_a_killed_run_leaves_no_worker_that_writes(place: Place) -> None:
    child = place.start(replace(SLOW, workers=2))
    place.wait_for_parts(1)
    workers = children_of(child.pid)
    child.kill()
    assert workers
    wait_until(lambda: not any(is_alive(pid) for pid in workers))
    finish(place)


def test_workers_in_processes_come_to_the_same_end(place: Place) -> None:
    terms = Terms(batch_size=BATCH_SIZE, workers=2)
    assert place.start(terms).result()["status"] == "Success"
    place.check()


def test_a_run_is_stopped_and_resumed_from_elsewhere(place: Place) -> None:
    child = place.start(SLOW)
    place.wait_for_parts(2)
    (view,) = list_sessions(place.pair.target, JOB)
    stop_session(place.pair.target, view.claim)
    assert child.result()["status"] == "Stopped"
    assert 2 <= len(place.parts()) < 10
    (view,) = list_sessions(place.pair.target, JOB)
    assert view.status is SessionStatus.STOPPED
    resume_session(place.pair.target, view.claim)
    finish(place)


def test_a_run_that_is_given_up_from_elsewhere_ends_as_failed(place: Place) -> None:
    child = place.start(SLOW)
    place.wait_for_parts(2)
    (view,) = list_sessions(place.pair.target, JOB)
    start_abandon(place.target, view.claim.session_id, 0, place.folder / "a").result()
    answer = child.result()
    assert (answer["status"], answer["reasons"]) == ("Failed", ["no longer wanted"])
    assert list_points(place.pair.target) == []
    finished = len(packs_of(place.pair.target))
    outcome = place.pair.copy()
    assert outcome is not None
    assert outcome.transfer.blob_count < len(place.expected)
    assert len(packs_of(place.pair.target)) == finished + outcome.transfer.pack_count
    place.check()


def test_of_giving_up_and_publishing_at_once_one_wins(start: Place, tmp_path: Path) -> None:
    """I3: the create-only put of the record's name is the sole arbiter."""
    ready = copy_of(start, tmp_path / "ready")
    session = ready.pair.session()
    plan = run_plan(session)
    assert plan is not None
    for number in range(len(plan.batches)):
        run_repack(session, number, Call())
    for number in range(8):
        place = copy_of(ready, tmp_path / f"{number}")
        publisher = place.start(QUICK)
        answer = place.folder / "abandon"
        abandoner = start_abandon(place.target, session.id, 0.04 * number, answer)
        is_abandoned = abandoner.result()["is_abandoned"]
        published = publisher.result()
        size = record_size(place.pair.target.store, session.claim.record_name)
        assert size is not None
        assert (size == 0) is is_abandoned
        # A run that finds the session given up already begins another one.
        is_same = published["session"] == session.id
        assert (published["status"] == "Success") is not (is_abandoned and is_same)
        check_copies(place.pair.target)
