"""What a copy never does: delete outside its working objects (I6), write to its source (I7)."""

from pathlib import Path

import pytest

from core.engine.history import abandon_session
from core.engine.session import system_clock
from core.engine.sweeping import sweep_sessions
from core.format import names
from core.model import SessionStatus
from tests.support.bucket_copies import make_bucket_pair
from tests.support.buckets import fill
from tests.support.copies import Pair, back_up, make_pair, packs_of
from tests.support.invariants import Watch, photograph
from tests.support.stores import Crash, CrashingStore, Recording


@pytest.fixture(params=[False, True], ids=["plain", "encrypted"])
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Pair:
    pair = make_pair(tmp_path, is_encrypted=request.param)
    back_up(pair.source, {b"one": b"1" * 100_000, b"two": bytes(range(256)) * 300})
    return pair


def test_no_step_deletes_anything_outside_sessions(pair: Pair) -> None:
    """A lost pack, a failed session, a swept one: all of it is left to prune (I6)."""
    recording = Recording(pair.target.store)
    watch = Watch(pair.target.store)
    seen = pair.seen(target=recording)
    with pytest.raises(Crash):
        pair.seen(target=CrashingStore(recording, 12)).copy()
    session = pair.session()
    abandon_session(seen.target, session.claim, "tried and given up")
    watch.look()
    packs = packs_of(pair.target)
    outcome = seen.copy()
    assert outcome is not None
    assert outcome.status is SessionStatus.SUCCESS
    sweep_sessions(seen.target, system_clock)
    watch.look()
    assert set(packs) <= set(packs_of(pair.target))
    deleted = recording.names("delete")
    assert deleted
    assert [name for name in deleted if not name.startswith(names.SESSIONS)] == []


def test_a_copy_does_not_touch_its_source(pair: Pair, tmp_path: Path) -> None:
    """Not a byte, not a time, not a temporary file (I7)."""
    before = photograph(tmp_path / "source")
    outcome = pair.copy()
    assert outcome is not None
    assert outcome.status is SessionStatus.SUCCESS
    assert photograph(tmp_path / "source") == before


def test_a_copy_of_a_bucket_does_not_touch_it(tmp_path: Path) -> None:
    """Neither the first copy nor a later one (I7)."""
    bucket = fill(tmp_path / "bucket", {"one": b"1" * 1_000, "folder/two": b"", "three": b"3"})
    pair = make_bucket_pair(tmp_path, bucket)
    before = photograph(tmp_path / "bucket")
    assert pair.copy().status is SessionStatus.SUCCESS
    assert pair.copy().status is SessionStatus.SUCCESS
    assert photograph(tmp_path / "bucket") == before
