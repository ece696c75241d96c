"""Repacking a batch: its packs and parts, and everything that may cut it short."""

import random
from pathlib import Path

import pytest

from core import limits
from core.catalog.tables import PART_COLUMNS
from core.catalog.workspace import Workspace, quote
from core.engine import session as sessions
from core.engine.batches import read_plan
from core.engine.plan import run_plan
from core.engine.repack import Call, RepackOutcome, list_parts, run_repack
from core.engine.session import CopySession
from core.errors import IntegrityError, StoreError
from core.format import names
from core.limits import MIB
from tests.support.copies import Pair, back_up, make_pair, packs_of, through
from tests.support.damaged_stores import LastByteFlipped, Missing, Unlisted
from tests.support.stores import Hooked, Kind, below

COUNT = 30
SIZE = 8_000


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Give a session of one batch of four packs."""
    pair = make_pair(tmp_path, is_encrypted=True)
    chance = random.Random(1)
    back_up(pair.source, {b"%d" % number: chance.randbytes(SIZE) for number in range(COUNT)})
    return pair


@pytest.fixture
def session(pair: Pair) -> CopySession:
    session = pair.session()
    assert run_plan(session) is not None
    return session


def seen(session: CopySession, pair: Pair) -> CopySession:
    """Return the session with the repositories of this pair."""
    return CopySession(
        target=pair.target,
        source=pair.source,
        claim=session.claim,
        definition=session.definition,
    )


def part_rows(session: CopySession) -> list[tuple[int, str, str | None]]:
    """Return ordinal, fault and pack of all rows of the batch's parts."""
    with Workspace(64 * MIB) as workspace:
        rows = []
        for name in list_parts(session.target, session, 0):
            path = workspace.new_path("part")
            session.target.fetch_table(name, path)
            query = f"select {PART_COLUMNS} from read_parquet({quote(path)}) order by ordinal"
            rows += [(row[0], row[1], row[5]) for row in workspace.rows(query)]
        return rows


def is_whole(session: CopySession) -> bool:
    """Say whether the parts cover the batch, each ordinal once and in order."""
    return [ordinal for ordinal, _, _ in part_rows(session)] == list(range(COUNT))


def test_every_blob_is_in_one_part_and_no_pack_is_too_large(session: CopySession) -> None:
    outcome = run_repack(session, 0, Call())
    assert outcome.is_done
    assert is_whole(session)
    packs = packs_of(session.target)
    assert outcome.part_count == outcome.transfer.pack_count == len(packs) == 4
    size_max = session.target.identity.parameters.pack_size
    sizes = [head.size for head in session.target.store.list(names.PACKS) if head.name in packs]
    assert max(sizes) <= size_max
    assert outcome.transfer.stored_size == sum(sizes)
    assert outcome.transfer.content_size == COUNT * SIZE


def test_a_finished_batch_is_not_touched_again(session: CopySession) -> None:
    run_repack(session, 0, Call())
    before = packs_of(session.target)
    outcome = run_repack(session, 0, Call())
    assert outcome.is_done
    assert outcome.transfer.pack_count == 0
    assert packs_of(session.target) == before


def test_any_number_of_calls_that_are_late_come_to_the_end(session: CopySession) -> None:
    outcome = run_repack(session, 0, Call(deadline=0))
    assert not outcome.is_done
    counts = [outcome.part_count]
    for _ in range(COUNT):
        outcome = run_repack(session, 0, Call(deadline=0))
        counts.append(outcome.part_count)
        if outcome.is_done:
            break
    assert counts == list(range(1, len(counts) + 1))
    assert is_whole(session)


def test_a_caller_that_stops_ends_it_at_once(session: CopySession) -> None:
    outcome = run_repack(session, 0, Call(stop=lambda: True))
    assert outcome == RepackOutcome(
        is_done=False, is_stopped=True, part_count=0, transfer=outcome.transfer
    )
    assert packs_of(session.target) == []


def test_an_order_to_stop_is_honoured_within_seconds(
    session: CopySession, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.engine.repack._STOP_CHECK_SECONDS", 0.0)

    def stop(kind: Kind, name: str) -> None:
        if kind == "put" and name.endswith("-1.parquet"):
            sessions.stop(pair.target.store, session.id)

    ordered = seen(session, pair.seen(target=Hooked(pair.target.store, stop)))
    outcome = run_repack(ordered, 0, Call())
    assert outcome.is_stopped
    assert 2 <= outcome.part_count < 4


def test_an_order_to_stop_is_remembered_between_two_looks(session: CopySession, pair: Pair) -> None:
    sessions.stop(pair.target.store, session.id)
    outcome = run_repack(session, 0, Call())
    assert outcome.is_stopped
    assert not outcome.is_done


def test_a_part_that_another_run_made_first_is_taken_over(session: CopySession, pair: Pair) -> None:
    """I3: of two runs one wins each part, and the other goes on behind it."""

    def overtake(kind: Kind, name: str) -> None:
        if kind == "put" and name == names.part(session.id, 0, 0):
            run_repack(session, 0, Call(deadline=0))

    late = seen(session, pair.seen(target=Hooked(pair.target.store, overtake)))
    assert run_repack(late, 0, Call()).is_done
    assert is_whole(session)
    assert len(packs_of(session.target)) == len(list_parts(session.target, session, 0)) + 1


def test_a_missing_part_is_named(session: CopySession) -> None:
    run_repack(session, 0, Call())
    lost = names.part(session.id, 0, 1)
    session.target.store.delete([lost])
    with pytest.raises(IntegrityError, match=lost):
        run_repack(session, 0, Call())


def test_strange_names_among_the_parts_mean_nothing(session: CopySession) -> None:
    session.target.store.put(f"{names.parts_of(session.id, 0)}0.parquet.old", b"?")
    session.target.store.put(names.session(session.id, "parts/.DS_Store"), b"?")
    assert run_repack(session, 0, Call()).is_done


def test_a_store_that_hides_parts_does_not_make_it_work_for_ever(
    session: CopySession, pair: Pair
) -> None:
    run_repack(session, 0, Call(deadline=0))
    hiding = Unlisted(pair.target.store, below(names.parts_of(session.id, 0)))
    outcome = run_repack(seen(session, pair.seen(target=hiding)), 0, Call())
    assert not outcome.is_done
    assert outcome.part_count == 0


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_blobs_that_cannot_be_had_are_told_in_the_part(
    session: CopySession, pair: Pair, fault: str
) -> None:
    bad = [head.name for head in pair.source.store.list(names.BLOBS)][:3]
    kind = Missing if fault == "missing" else LastByteFlipped
    broken = kind(pair.source.store, lambda name: name in bad)
    outcome = run_repack(seen(session, pair.seen(source=broken)), 0, Call())
    assert outcome.is_done
    assert is_whole(session)
    faults = [row for row in part_rows(session) if row[1]]
    assert [row[1] for row in faults] == [fault] * 3


def test_a_batch_without_any_blob_left_makes_parts_of_bounded_size(
    session: CopySession, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PACK_BLOBS_MAX", 10)
    empty = Missing(pair.source.store, below(names.BLOBS))
    outcome = run_repack(seen(session, pair.seen(source=empty)), 0, Call())
    assert outcome.is_done
    assert outcome.part_count == 3
    assert outcome.transfer.pack_count == 0
    assert is_whole(session)


def test_a_whole_source_that_is_gone_is_no_damage(session: CopySession, pair: Pair) -> None:
    gone = Missing(pair.source.store)
    with pytest.raises(StoreError, match=names.REPOSITORY):
        run_repack(seen(session, pair.seen(source=gone)), 0, Call())
    assert list_parts(session.target, session, 0) == []


@pytest.fixture
def damaged_names(session: CopySession) -> dict[str, str]:
    run_repack(session, 0, Call(deadline=0))
    return {
        "plan": names.session(session.id, "plan.json"),
        "batch": names.batch(session.id, 1, 0),
        "part": names.part(session.id, 0, 0),
    }


@pytest.mark.parametrize("what", ["plan", "batch", "part"])
@pytest.mark.parametrize("kind", [LastByteFlipped, Missing])
def test_damage_of_what_it_works_from_is_named(
    session: CopySession,
    pair: Pair,
    damaged_names: dict[str, str],
    what: str,
    kind: type[LastByteFlipped | Missing],
) -> None:
    """I4: nothing is believed before it is checked."""
    name = damaged_names[what]
    broken = through(pair.target, kind(pair.target.store, below(name)))
    work = CopySession(
        target=broken, source=pair.source, claim=session.claim, definition=session.definition
    )
    if what == "part" and kind is Missing:
        # Nobody can tell that it was there: its pack is dead, and is made again.
        work = session
        pair.target.store.delete([name])
        assert run_repack(work, 0, Call()).is_done
        return
    with pytest.raises(IntegrityError, match=name):
        run_repack(work, 0, Call())


def test_the_plan_is_unchanged_by_repacking(session: CopySession) -> None:
    before = read_plan(session.target, session.id)
    run_repack(session, 0, Call())
    assert read_plan(session.target, session.id) == before
