"""The proof before a point exists, and the one write that makes it exist or not."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Condition

import pytest

from core import ids
from core.engine.metadata import open_pack_by_name, read_pack_rows
from core.engine.plan import run_plan
from core.engine.publish import PublishOutcome, run_publish, status_of
from core.engine.repack import Call, run_repack
from core.engine.session import CopySession, read_report, record_size, void_session
from core.engine.state import Report
from core.errors import IntegrityError
from core.format import names
from core.ids import JobId
from core.limits import KIB
from core.model import SessionKind, SessionStatus
from core.stores.store import ObjectHead, Store, Upload
from tests.support.copies import (
    Pair,
    back_up,
    check_copied,
    make_pair,
    names_below,
    packs_of,
    pin_batches,
    read_state,
    through,
)
from tests.support.damaged_stores import LastByteFlipped, Missing, Swapped, Truncated
from tests.support.invariants import check_copies
from tests.support.stores import Hooked, Kind, Recording, Wrapping, below

COUNT = 20


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Give a point of two batches of two packs each."""
    pin_batches(monkeypatch, 85 * KIB)
    pair = make_pair(tmp_path)
    chance = random.Random(4)
    back_up(pair.source, {b"%02d" % number: chance.randbytes(8_000) for number in range(COUNT)})
    return pair


def repacked(pair: Pair) -> CopySession:
    """Take the newest point's session as far as its parts."""
    session = pair.session()
    plan = run_plan(session)
    assert plan is not None
    for number in range(len(plan.batches)):
        assert run_repack(session, number, Call()).is_done
    return session


def seen(session: CopySession, store: Store) -> CopySession:
    return replace(session, target=through(session.target, store))


def reasons(outcome: PublishOutcome) -> str:
    assert outcome.status is SessionStatus.FAILED
    assert outcome.report is not None
    return " ".join(outcome.report.reasons)


def is_void(session: CopySession) -> bool:
    return record_size(session.target.store, session.claim.record_name) == 0


def test_a_proved_point_is_published_whole(pair: Pair) -> None:
    session = repacked(pair)
    outcome = run_publish(session)
    record = outcome.record
    assert outcome.is_done
    assert outcome.status is SessionStatus.SUCCESS
    assert record is not None
    assert record.kind is SessionKind.COPY
    assert (record.job_id, record.item_count) == (JobId("nightly"), COUNT)
    assert (record.pack_count, record.content_size) == (len(packs_of(pair.target)), COUNT * 8_000)
    assert record.stored_size == sum(
        pair.target.store.head(name).size for name in packs_of(pair.target)
    )
    assert names_below(pair.target.store, names.OPEN_SESSIONS) == []
    check_copies(pair.target)


def test_the_record_comes_last_and_its_packs_metadata_before_it(pair: Pair) -> None:
    session = repacked(pair)
    recording = Recording(pair.target.store)
    run_publish(seen(session, recording))
    written = [name.split("/")[0] for name in recording.names("put", "complete")]
    assert written == ["index", "layers", "packs", "restore-points"]


def test_publishing_again_tells_the_same(pair: Pair) -> None:
    session = repacked(pair)
    first = run_publish(session)
    recording = Recording(pair.target.store)
    assert run_publish(seen(session, recording)) == first
    assert recording.names("put", "complete") == []


def test_a_session_that_is_not_repacked_is_not_done(pair: Pair) -> None:
    session = pair.session()
    assert not run_publish(session).is_done
    run_plan(session)
    assert not run_publish(session).is_done
    run_repack(session, 0, Call(deadline=0))
    run_repack(session, 1, Call())
    assert not run_publish(session).is_done
    assert record_size(pair.target.store, session.claim.record_name) is None


def test_a_late_call_publishes_nothing(pair: Pair) -> None:
    session = repacked(pair)
    assert not run_publish(session, deadline=0).is_done
    assert record_size(pair.target.store, session.claim.record_name) is None


def test_a_session_without_changes_writes_a_record_and_its_metadata_alone(pair: Pair) -> None:
    pair.copied()
    source_record = back_up(pair.source, {})
    session = repacked(pair)
    recording = Recording(pair.target.store)
    record = run_publish(seen(session, recording)).record
    assert record is not None
    written = [name.split("/")[0] for name in recording.names("put", "complete")]
    assert written == ["packs", "restore-points"]
    check_copied(pair, source_record, record)


@pytest.mark.parametrize("broken", [Missing, Truncated])
def test_a_pack_that_is_not_whole_fails_the_session(
    pair: Pair, broken: Callable[..., Store]
) -> None:
    """I1: the record must not exist, now or later."""
    session = repacked(pair)
    lost = packs_of(pair.target)[1]
    outcome = run_publish(seen(session, broken(pair.target.store, below(lost))))
    assert lost in reasons(outcome)
    assert is_void(session)
    assert pair.copied().item_count == COUNT
    check_copies(pair.target)


def test_a_reused_pack_that_is_gone_fails_the_session(pair: Pair) -> None:
    pair.copied()
    state_before = read_state(pair.source, back_up(pair.source, {b"a": b"1"}))
    twin = replace(state_before[b"03"], path=b"twin")
    back_up(pair.source, {b"twin": twin})
    session = repacked(pair)
    (used,) = {name for name in packs_of(pair.target) if holds(pair, name, twin.blobs[0])}
    pair.target.store.delete([used])
    assert used in reasons(run_publish(session))


def holds(pair: Pair, pack: str, source_id: bytes) -> bool:
    """Say whether a pack holds a source's blob, by its tables."""
    blob_id = ids.packed_blob_id(source_id, pair.source.space, pair.target.id_key)
    size = pair.target.store.head(pack).size
    rows = read_pack_rows(open_pack_by_name(pair.target, pack, size))
    return blob_id in {row.id for row in rows}


class Checksummed(Wrapping):
    """A store that tells checksums of its own, as cloud stores do; ``salt`` makes them differ."""

    def __init__(self, store: Store, salt: str = "") -> None:
        super().__init__(store)
        self._salt = salt

    def head(self, name: str) -> ObjectHead:
        return self._with_checksum(super().head(name))

    def complete(self, name: str, upload: Upload) -> ObjectHead:
        return self._with_checksum(super().complete(name, upload))

    def _with_checksum(self, head: ObjectHead) -> ObjectHead:
        return replace(head, checksum_kind="etag", checksum_value=f"{head.etag}{self._salt}")


def test_a_new_pack_with_another_checksum_fails_the_session(pair: Pair) -> None:
    kept = pair.seen(target=Checksummed(pair.target.store))
    session = repacked(kept)
    changed = through(pair.target, Checksummed(pair.target.store, "x"))
    outcome = run_publish(replace(session, target=changed))
    assert "checksum" in reasons(outcome)
    assert kept.copied().item_count == COUNT


def test_parts_and_packs_are_looked_at_side_by_side(pair: Pair) -> None:
    """One after the other, those of 8 TiB would take longer than a function may run."""
    kept = pair.seen(target=Checksummed(pair.target.store))
    session = repacked(kept)
    to_come = dict.fromkeys(("/parts/", "packs/"), 2)
    changed = Condition()

    def wait(kind: Kind, name: str) -> None:
        what = next((each for each in to_come if each in name), None)
        if kind != "head" or what is None:
            return
        with changed:
            to_come[what] -= 1
            changed.notify_all()
            assert changed.wait_for(lambda: to_come[what] <= 0, 60), f"{name} alone"

    watched = through(pair.target, Hooked(Checksummed(pair.target.store), wait))
    assert run_publish(replace(session, target=watched)).is_done
    assert all(count <= 0 for count in to_come.values())


def missing_blobs(pair: Pair, *paths: bytes) -> Pair:
    """Return the pair seen as if these files' blobs were gone from the source."""
    newest = pair.source.read_record(pair.source.list_records()[-1].name)
    items = read_state(pair.source, newest)
    lost = [names.blob(blob) for path in paths for blob in items[path].blobs]
    return pair.seen(source=Missing(pair.source.store, below(*lost)))


def test_items_that_could_not_be_had_fail_the_session_by_name(pair: Pair) -> None:
    session = repacked(missing_blobs(pair, b"03", b"11"))
    outcome = run_publish(session)
    assert "2 items" in reasons(outcome)
    assert outcome.report is not None
    assert [bytes.fromhex(item.path) for item in outcome.report.items] == [b"03", b"11"]
    assert all("missing" in item.reason for item in outcome.report.items)
    assert is_void(session)


def test_finished_packs_of_a_failed_session_are_used_by_the_next(pair: Pair) -> None:
    failed = repacked(missing_blobs(pair, b"03"))
    run_publish(failed)
    before = packs_of(pair.target)
    record = pair.copied()
    assert (record.reused_blob_count, record.new_blob_count) == (COUNT - 1, 1)
    assert len(packs_of(pair.target)) == len(before) + 1
    check_copies(pair.target)


def test_damaged_items_are_flagged_where_that_is_allowed(pair: Pair) -> None:
    allowed = replace(pair, definition=replace(pair.definition, allow_damaged=True))
    outcome = run_publish(repacked(missing_blobs(allowed, b"03")))
    assert outcome.status is SessionStatus.WARNING
    assert outcome.record is not None
    assert status_of(outcome.record) is SessionStatus.WARNING
    item = read_state(pair.target, outcome.record)[b"03"]
    assert (item.is_damaged, item.blobs, item.size) == (True, (), 8_000)
    assert outcome.record.damaged_count == 1
    check_copies(pair.target)


def test_a_report_names_items_within_bounds_and_counts_them_all(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.engine.publish._PATHS_SIZE_MAX", 200)
    outcome = run_publish(repacked(missing_blobs(pair, *(b"%02d" % n for n in range(10)))))
    assert "10 items" in reasons(outcome)
    assert outcome.report is not None
    assert len(outcome.report.items) == 3


def test_an_abandoned_session_publishes_nothing(pair: Pair) -> None:
    session = repacked(pair)
    void_session(pair.target, session.claim, Report(reasons=("no longer wanted",)))
    assert reasons(run_publish(session)) == "no longer wanted"


def test_a_void_without_a_report_is_a_failed_session_all_the_same(pair: Pair) -> None:
    """A prune makes such voids, and reports are swept in the end."""
    session = repacked(pair)
    pair.target.store.put(session.claim.record_name, b"")
    assert "given up" in reasons(run_publish(session))


def at_the_record(session: CopySession, act: Callable[[], object]) -> CopySession:
    """Return the session whose publisher is overtaken at the moment it makes the record."""

    def overtake(kind: Kind, name: str) -> None:
        if kind == "put" and name == session.claim.record_name:
            hooked.before = lambda _kind, _name: None
            act()

    hooked = Hooked(session.target.store, overtake)
    return seen(session, hooked)


def test_an_abandonment_that_is_first_wins(pair: Pair) -> None:
    """I3: the create-only put of the record's name is the sole arbiter."""
    session = repacked(pair)
    report = Report(reasons=("no longer wanted",))
    overtaken = at_the_record(session, lambda: void_session(pair.target, session.claim, report))
    assert reasons(run_publish(overtaken)) == "no longer wanted"
    assert is_void(session)


def test_two_publishers_at_once_publish_one_point(pair: Pair) -> None:
    session = repacked(pair)
    first: list[PublishOutcome] = []
    outcome = run_publish(at_the_record(session, lambda: first.append(run_publish(session))))
    assert [outcome] == first
    assert len(pair.target.list_records()) == 1
    check_copies(pair.target)


@pytest.mark.parametrize("order", ["index", "layers"])
def test_a_publisher_that_is_overtaken_adopts_what_is_there(pair: Pair, order: str) -> None:
    session = repacked(pair)
    first: list[PublishOutcome] = []

    def overtake(kind: Kind, name: str) -> None:
        if kind == "put" and name.startswith(f"{order}/") and not first:
            first.append(run_publish(session))

    outcome = run_publish(seen(session, Hooked(pair.target.store, overtake)))
    assert [outcome] == first
    check_copies(pair.target)


def test_parts_of_another_batch_are_no_proof(pair: Pair) -> None:
    """One batch's part under the other's name has as many rows, and other blobs."""
    session = repacked(pair)
    stored = {
        names.part(session.id, 1, number): names.part(session.id, 0, number) for number in (0, 1)
    }
    outcome = run_publish(seen(session, Swapped(pair.target.store, stored)))
    assert "in no pack" in reasons(outcome)
    assert is_void(session)


def test_parts_that_overlap_are_damage(pair: Pair) -> None:
    session = repacked(pair)
    stored = {names.part(session.id, 0, 1): names.part(session.id, 0, 0)}
    with pytest.raises(IntegrityError, match="overlap"):
        run_publish(seen(session, Swapped(pair.target.store, stored)))
    assert record_size(pair.target.store, session.claim.record_name) is None


NEEDED = ["base.json", "plan.json", "delta-0.parquet", "ranges/00000.parquet", "parts/00000-0"]


@pytest.mark.parametrize("name", NEEDED)
def test_damage_of_what_the_proof_needs_is_named(pair: Pair, name: str) -> None:
    """I4."""
    session = repacked(pair)
    full = names.session(session.id, name)
    with pytest.raises(IntegrityError, match=full):
        run_publish(seen(session, LastByteFlipped(pair.target.store, below(full))))
    assert record_size(pair.target.store, session.claim.record_name) is None


@pytest.mark.parametrize("name", ["base.json", "delta-0.parquet", "ranges/00000.parquet"])
def test_what_the_proof_needs_and_is_lost_is_named(pair: Pair, name: str) -> None:
    session = repacked(pair)
    full = names.session(session.id, name)
    pair.target.store.delete([full])
    with pytest.raises(IntegrityError, match=full):
        run_publish(session)


def test_the_report_of_a_failure_is_kept(pair: Pair) -> None:
    session = repacked(missing_blobs(pair, b"03"))
    outcome = run_publish(session)
    assert read_report(session.target, session.id) == outcome.report
