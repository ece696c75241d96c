"""Any single object of the target is damaged in any way: nothing wrong is ever published.

A run either goes on as if nothing had happened, because it does not need the object or makes it
again, or it names the object (I4). What is stored then is whole (I1, I8) and shows what was
backed up.
"""

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from core.engine.plan import run_plan
from core.engine.points import list_points
from core.engine.repack import Call, run_repack
from core.errors import IntegrityError
from core.format import names
from core.ids import PointId
from core.model import SessionStatus
from core.sources.repository import Repository
from core.stores.folder import FolderStore
from core.stores.store import Store
from tests.support.copies import (
    Change,
    Pair,
    back_up,
    make_pair,
    names_below,
    read_copied,
    read_loose,
)
from tests.support.damaged_stores import Emptied, LastByteFlipped, Swapped
from tests.support.invariants import check_metadata_is_in_packs, check_points_are_whole

Damage = Callable[[Store, str], Store]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A copied point, and the next one's session in the middle of its work."""

    folder: Path
    pair: Pair
    expected: Mapping[PointId, Mapping[bytes, bytes]]
    stored: frozenset[tuple[str, int]]

    def copy_to(self, folder: Path) -> Pair:
        shutil.copytree(self.folder / "target", folder)
        return self.pair.seen(target=FolderStore(folder))


def prepare(folder: Path, *, is_encrypted: bool) -> Start:
    chance = random.Random(9)
    pair = make_pair(folder, is_encrypted=is_encrypted)
    first: dict[bytes, Change] = {b"%d" % n: chance.randbytes(5_000) for n in range(15)}
    records = [back_up(pair.source, first)]
    pair.copied()
    twin = first[b"7"]
    second: dict[bytes, Change] = {b"%d" % n: chance.randbytes(5_000) for n in range(20, 40)}
    records.append(back_up(pair.source, second | {b"3": None, b"4": b"new", b"twin": twin}))
    session = pair.session()
    assert run_plan(session) is not None
    run_repack(session, 0, Call(deadline=0))
    expected = {record.id: read_loose(pair.source, record) for record in records}
    check_whole(pair.target, expected)
    return Start(folder=folder, pair=pair, expected=expected, stored=stored_in(pair.target))


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "encrypted"])
def start(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Start:
    return prepare(tmp_path_factory.mktemp("start"), is_encrypted=request.param)


def stored_in(target: Repository) -> frozenset[tuple[str, int]]:
    """Return what is stored but for the reports of runs, which each run leaves."""
    heads = target.store.list()
    return frozenset((head.name, head.size) for head in heads if "/attempts/" not in head.name)


def check_whole(target: Repository, expected: Mapping[PointId, Mapping[bytes, bytes]]) -> None:
    check_points_are_whole(target)
    check_metadata_is_in_packs(target)
    for point in list_points(target):
        record = target.read_record(point.name)
        assert read_copied(target, record) == expected[record.source_point], point.name


def nothing() -> None:
    return


def check(
    start: Start, seen: Pair, name: str, target: Path, mend: Callable[[], object] = nothing
) -> str:
    """Run the job with an object damaged; mend it and look; return what came of it."""
    before = len(list_points(start.pair.target))
    try:
        outcome = seen.copy()
    except IntegrityError as error:
        said = " ".join([error.message, *error.problems])
        assert name in said, f"{name} is damaged, and this was said: {said}"
        came = "named"
    else:
        assert outcome is not None
        came = outcome.status.value
    mend()
    whole = start.pair.seen(target=FolderStore(target)).target
    is_published = came == SessionStatus.SUCCESS.value
    assert len(list_points(whole)) - before == is_published, name
    # What was stored before was whole.
    if stored_in(whole) != start.stored:
        check_whole(whole, start.expected)
    return came


# What the repository's own tests leave: first bytes, more bytes, zeros, whole chunks.
KINDS: dict[str, Damage] = {
    "last byte": lambda store, name: LastByteFlipped(store, lambda n: n == name),
    "empty": lambda store, name: Emptied(store, lambda n: n == name),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_object_is_named_or_not_needed(start: Start, tmp_path: Path, kind: str) -> None:
    came = set()
    for number, name in enumerate(names_below(start.pair.target.store)):
        target = tmp_path / f"{number}"
        pair = start.copy_to(target)
        damaged = KINDS[kind](pair.target.store, name)
        came.add(check(start, pair.seen(target=damaged), name, target))
        shutil.rmtree(target)
    assert came >= {"named", "Success"}


def put_back(store: Store, name: str, stored: bytes) -> None:
    """Bring a lost object back, as ``rebuild`` does with what points need."""
    if name.startswith((names.LAYERS, names.RECORDS)):
        store.put(name, stored)


def test_a_lost_object_is_named_or_not_needed(start: Start, tmp_path: Path) -> None:
    """Packs and index left out: what a point inherits is proved by verify, not by each copy."""
    needed = (names.SESSIONS, names.JOBS, names.LAYERS, names.RECORDS)
    for number, name in enumerate(names_below(start.pair.target.store)):
        if name.startswith(needed):
            target = tmp_path / f"{number}"
            pair = start.copy_to(target)
            stored = pair.target.store.get(name)
            pair.target.store.delete([name])
            check(start, pair, name, target, partial(put_back, pair.target.store, name, stored))
            shutil.rmtree(target)


def test_an_object_that_stands_under_anothers_name_is_named_or_not_needed(
    start: Start, tmp_path: Path
) -> None:
    stored = names_below(start.pair.target.store)
    for number, name in enumerate(stored):
        target = tmp_path / f"{number}"
        pair = start.copy_to(target)
        # One of its own kind, if there is another: the two are most alike.
        folder = name.rpartition("/")[0]
        alike = [n for n in stored if n != name and n.startswith(f"{folder}/")]
        other = random.Random(number).choice(alike or stored)
        swapped = Swapped(pair.target.store, {name: other})
        check(start, pair.seen(target=swapped), name, target)
        shutil.rmtree(target)
