"""Progress markers: what their names say, and that nothing depends on them."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from core.engine.packed import mark_packed, marker_name, read_packed, sum_packed
from core.engine.session import system_clock
from core.engine.state import Transfer
from core.errors import InputError, StoreError
from core.format import names
from core.ids import SessionId
from core.model import SessionStatus, StageSeconds
from core.stores.folder import FolderStore
from tests.support.copies import back_up, make_pair, names_below
from tests.support.stores import Hooked, Kind, LostAnswer, below

SESSION = SessionId("b" * 32)
PACKED = Transfer(pack_count=1, blob_count=12, content_size=3_000, stored_size=900)
PREFIX = f"sessions/{SESSION}/packed/"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "target", create=True)


def test_a_marker_counts_in_its_name_and_holds_nothing(store: FolderStore) -> None:
    mark_packed(store, SESSION, (7, 2), PACKED)
    (head,) = store.list()
    assert (head.name, head.size) == (f"{PREFIX}00007-2-12-3000-900", 0)
    assert read_packed(store, SESSION) == PACKED


def test_markers_are_added_up_and_each_part_counts_once(store: FolderStore) -> None:
    other = Transfer(pack_count=1, blob_count=1, content_size=10, stored_size=20)
    mark_packed(store, SESSION, (0, 0), PACKED)
    mark_packed(store, SESSION, (0, 1), other)
    mark_packed(store, SESSION, (100_000, 0), other)
    mark_packed(store, SESSION, (0, 1), PACKED)
    mark_packed(store, SessionId("c" * 32), (0, 0), PACKED)
    assert read_packed(store, SESSION).pack_count == 3


def test_those_since_a_moment_are_what_one_run_has_done(store: FolderStore) -> None:
    mark_packed(store, SESSION, (0, 0), PACKED)
    assert read_packed(store, SESSION, system_clock() - timedelta(minutes=1)) == PACKED
    assert read_packed(store, SESSION, system_clock() + timedelta(minutes=1)) == Transfer()


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "7-2-12-3000-900",
        "00007-02-12-3000-900",
        "00007-2-12-3000",
        "00007-2-12-3000-900-1",
        "00007-2-12--3000-900",
        "00007-2-12-3000-٩",
        "00007-2-12-3000-900\n",
        f"00007-2-12-3000-{'9' * 5000}",
        "x/00007-2-12-3000-900",
    ],
)
def test_any_other_name_counts_for_nothing(rest: str) -> None:
    assert sum_packed(SESSION, [PREFIX + rest, "00007-2-12-3000-900"]) == Transfer()
    assert sum_packed(SESSION, [PREFIX + rest, marker_name(SESSION, (1, 1), PACKED)]) == PACKED


def test_a_store_that_does_not_take_it_changes_nothing(store: FolderStore) -> None:
    def fail(kind: Kind, name: str) -> None:
        raise StoreError(f"{kind} of {name} failed")

    mark_packed(Hooked(store, fail), SESSION, (0, 0), PACKED)
    mark_packed(LostAnswer(store), SESSION, (0, 0), PACKED)
    assert read_packed(store, SESSION) == PACKED


def test_an_error_that_somebody_has_to_mend_is_told(store: FolderStore) -> None:
    def refuse(kind: Kind, name: str) -> None:
        raise InputError(f"{kind} of {name} is not allowed")

    with pytest.raises(InputError):
        mark_packed(Hooked(store, refuse), SESSION, (0, 0), PACKED)


@pytest.mark.parametrize("are_taken", [True, False])
def test_the_markers_of_a_session_tell_what_it_moved(tmp_path: Path, *, are_taken: bool) -> None:
    def refuse(kind: Kind, name: str) -> None:
        if kind == "put" and "/packed/" in name and not are_taken:
            raise StoreError("no room")

    pair = make_pair(tmp_path)
    chance = random.Random(1)
    back_up(pair.source, {b"%d" % number: chance.randbytes(8_000) for number in range(20)})
    outcome = pair.seen(target=Hooked(pair.target.store, refuse)).copy()
    assert outcome is not None
    assert outcome.status is SessionStatus.SUCCESS
    moved = outcome.transfer
    told = read_packed(pair.target.store, outcome.session_id)
    counted = Transfer(
        pack_count=moved.pack_count,
        blob_count=moved.blob_count,
        content_size=moved.content_size,
        stored_size=moved.stored_size,
        stages=StageSeconds(),
    )
    assert told == (counted if are_taken else Transfer())
    parts = names_below(pair.target.store, names.session(outcome.session_id, "parts/"))
    assert moved.pack_count == len(parts) > 1
    markers = names_below(pair.target.store, names.packed_of(outcome.session_id))
    assert len(markers) == (len(parts) if are_taken else 0)
    assert all(map(below(names.SESSIONS), markers))
