"""The local runner: which point it takes, how it ends, and what is told of it."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import limits
from core.engine import jobs
from core.engine.history import view_session
from core.engine.progress import Silent
from core.engine.run import (
    begin_as,
    newest_copied,
    next_point,
    plan_run,
    run_job,
    run_session,
    unfinished_claims,
)
from core.engine.runner import Runner
from core.engine.session import stop, system_clock, void_session
from core.engine.state import Report
from core.errors import (
    ConflictError,
    InputError,
    IntegrityError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.format import names
from core.ids import JobId, PointId, SessionId
from core.limits import KIB
from core.model import SessionStatus
from core.stores.folder import FolderStore
from tests.support.bucket_copies import make_bucket_pair, read_objects
from tests.support.buckets import HookedBucket, fill
from tests.support.copies import (
    Pair,
    back_up,
    check_copied,
    claims_of,
    done,
    files,
    make_pair,
    make_repository,
    names_below,
    packs_of,
    pin_batches,
    read_state,
    record_name,
)
from tests.support.damaged_stores import Missing, Unlisted
from tests.support.invariants import check_copies
from tests.support.stores import Full, Hooked, Kind, Recording, Refusing, Unfinished, below

HERE = Runner(workers=1)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path)


def test_a_claim_of_ones_own_is_known_by_the_id_that_was_meant_for_it(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    ours, theirs = SessionId("a" * 32), SessionId("b" * 32)
    terms = (pair.target, pair.source, pair.definition, system_clock)
    assert begin_as(ours, *terms) == begin_as(ours, *terms)
    begun = begin_as(theirs, *terms)
    assert begun is not None
    assert (begun.session.id, begun.is_own) == (ours, False)
    assert len(claims_of(pair.target)) == 1


def test_there_is_nothing_to_do_before_a_point_appears(pair: Pair) -> None:
    assert pair.copy() is None
    back_up(pair.source, {b"a": b"1"})
    assert done(pair.copy()).status is SessionStatus.SUCCESS
    assert pair.copy() is None


def test_a_daily_job_copies_the_newest_and_skips_those_between(pair: Pair) -> None:
    """R3."""
    points = [back_up(pair.source, {b"a": b"%d" % number}).id for number in range(3)]
    assert pair.copied().source_point == points[2]
    assert pair.copy() is None
    assert newest_copied(pair.target, pair.definition, points) == points[2]
    assert newest_copied(pair.target, pair.definition, points[:2]) is None


def test_a_run_costs_no_more_requests_the_more_runs_there_have_been(pair: Pair) -> None:
    """Design section 10: an incremental session's requests follow its change."""
    counts = []
    for number in range(6):
        back_up(pair.source, {b"a": b"%d" % number})
        recording = Recording(pair.target.store)
        pair.seen(target=recording).copied()
        read = [name for name in recording.names("get") if name.startswith(names.JOBS)]
        counts.append(len(read))
    assert counts[1:] == [counts[1]] * 5


def test_an_immediate_job_copies_each_following_point(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, terms=jobs.Terms(schedule="immediate"))
    points = [back_up(pair.source, {b"a": b"%d" % number}).id for number in range(3)]
    assert [pair.copied().source_point for _ in points] == points
    assert pair.copy() is None


@pytest.mark.parametrize("schedule", ["immediate", "daily"])
def test_a_point_whose_copy_has_expired_is_not_taken_again(tmp_path: Path, schedule: str) -> None:
    """Its claim stands, so a run of it would do nothing and never come to the next point."""
    pair = make_pair(tmp_path, terms=jobs.Terms(schedule=schedule))
    first = back_up(pair.source, {b"a": b"1"})
    pair.target.store.put(names.condemned("run", record_name(pair.copied())), b"")
    assert pair.copy() is None
    with pytest.raises(ConflictError, match="copied already"):
        pair.copy(backfill=first.id)
    second = back_up(pair.source, {b"a": b"2"})
    assert pair.copied().source_point == second.id


def test_an_older_point_is_copied_only_when_asked(pair: Pair) -> None:
    old = back_up(pair.source, {b"a": b"1", b"b": b"2"})
    new = back_up(pair.source, {b"a": b"3"})
    pair.copied()
    record = done(pair.copy(backfill=PointId(old.id[:22]))).record
    assert record is not None
    assert (record.source_point, record.parent) == (old.id, None)
    check_copied(pair, old, record)
    with pytest.raises(ConflictError, match="copied already"):
        pair.copy(backfill=new.id)
    with pytest.raises(NotFoundError, match="no restore point"):
        pair.copy(backfill=PointId("1999"))
    with pytest.raises(ConflictError, match="2 restore points"):
        pair.copy(backfill=PointId("2026"))


def test_a_dry_run_writes_nothing(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    recording = Recording(pair.target.store)
    dry = plan_run(pair.seen(target=recording).target, pair.source, pair.definition)
    assert dry.record is not None
    assert (dry.point, dry.unfinished) == (dry.record.id, ())
    assert recording.write_count == 0


def test_a_disabled_job_does_not_run(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    with pytest.raises(NotReadyError, match="disabled"):
        replace(pair, definition=replace(pair.definition, is_enabled=False)).copy()


def test_a_source_that_is_another_repository_is_refused(pair: Pair, tmp_path: Path) -> None:
    other = make_pair(tmp_path / "other").source
    with pytest.raises(InputError, match=other.identity.id):
        run_job(pair.target, other, pair.definition, HERE)


def test_a_run_joins_the_session_that_another_has_begun(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    begun = pair.session()
    assert unfinished_claims(pair.target, pair.definition) == (begun.claim,)
    assert done(pair.copy()).session_id == begun.id
    assert unfinished_claims(pair.target, pair.definition) == ()


def test_a_failed_session_makes_room_for_a_new_one(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    begun = pair.session()
    void_session(pair.target, begun.claim, Report(reasons=("because",)))
    assert done(pair.copy()).session_id != begun.id


def test_a_session_that_ended_meanwhile_is_told_as_it_ended(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    session = pair.session()
    outcome = done(pair.copy())
    assert run_session(session, HERE).record == outcome.record


def test_whoever_watches_stops_it_and_the_next_run_goes_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin_batches(monkeypatch, 64 * KIB)
    back_up(pair.source, files(40))
    runner = Runner(workers=1, stop=lambda: len(packs_of(pair.target)) >= 2)
    outcome = done(pair.copy(runner))
    assert outcome.status is SessionStatus.STOPPED
    assert outcome.record is None
    kept = packs_of(pair.target)
    finished = done(pair.copy())
    assert finished.session_id == outcome.session_id
    assert finished.status is SessionStatus.SUCCESS
    assert len(packs_of(pair.target)) == len(kept) + finished.transfer.pack_count
    check_copies(pair.target)


def ordered_to_stop(pair: Pair) -> Pair:
    """Return the pair whose session is ordered to stop when its second part is made."""

    def order(kind: Kind, name: str) -> None:
        if kind == "put" and name.endswith("-1.parquet") and "/parts/" in name:
            stop(pair.target.store, pair.session().id)

    return pair.seen(target=Hooked(pair.target.store, order))


def test_an_order_to_stop_from_elsewhere_is_honoured(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.engine.repack._STOP_CHECK_SECONDS", 0.0)
    back_up(pair.source, files(40))
    outcome = done(ordered_to_stop(pair).copy())
    assert outcome.status is SessionStatus.STOPPED
    with pytest.raises(NotReadyError, match="stopped") as caught:
        pair.copy()
    assert "session resume" in caught.value.hint


def test_a_batch_that_makes_no_progress_fails_the_session(pair: Pair) -> None:
    back_up(pair.source, files(5))
    session = pair.session()
    hiding = Unlisted(pair.target.store, below(names.session(session.id, "parts/")))
    outcome = done(pair.seen(target=hiding).copy())
    assert outcome.status is SessionStatus.FAILED
    assert outcome.report is not None
    assert "no progress" in outcome.report.reasons[0]
    assert done(pair.copy()).status is SessionStatus.SUCCESS


def test_short_calls_come_to_the_end(pair: Pair) -> None:
    back_up(pair.source, files(20))
    outcome = done(pair.copy(Runner(workers=1, call_seconds=0.0)))
    assert outcome.status is SessionStatus.SUCCESS
    assert outcome.transfer.pack_count == 10  # One for each frame of two files.
    check_copies(pair.target)


def test_a_source_that_goes_in_the_middle_is_a_stores_failure_and_no_damage(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FETCH_BYTES_IN_FLIGHT_MAX", 32 * KIB)
    back_up(pair.source, files(40))

    def unmount(kind: Kind, _: str) -> None:
        if kind == "complete" and (tmp_path / "source").exists():
            (tmp_path / "source").rename(tmp_path / "elsewhere")

    hooked = pair.seen(target=Hooked(pair.target.store, unmount))
    with pytest.raises(StoreError, match="source"):
        hooked.copy()
    shutil.move(tmp_path / "elsewhere", tmp_path / "source")
    kept = packs_of(pair.target)
    outcome = done(pair.copy())
    assert outcome.status is SessionStatus.SUCCESS
    assert set(kept) <= set(packs_of(pair.target))
    check_copies(pair.target)


@pytest.mark.parametrize("size", [500, 5_000, 70_000, 150_000, 245_000])
def test_a_full_target_is_a_stores_failure_and_goes_on_when_there_is_room(
    pair: Pair, size: int
) -> None:
    back_up(pair.source, files(30))
    with pytest.raises(StoreError, match="full"):
        pair.seen(target=Full(pair.target.store, size)).copy()
    kept = sum("/parts/" in name for name in names_below(pair.target.store, names.SESSIONS))
    outcome = done(pair.copy())
    assert outcome.status is SessionStatus.SUCCESS
    assert outcome.transfer.pack_count == 4 - kept
    check_copies(pair.target)


def test_a_report_that_cannot_be_kept_changes_nothing(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    session = pair.session()
    refusing = Refusing(pair.target.store, below(names.session(session.id, "attempts/")))
    warnings = Warnings()
    outcome = done(pair.seen(target=refusing).copy(Runner(workers=1, progress=warnings)))
    assert outcome.status is SessionStatus.SUCCESS
    assert "could not be kept" in warnings.lines[0]


class Warnings(Silent):
    """A progress that keeps warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def test_every_run_leaves_a_report_of_itself(pair: Pair) -> None:
    """R4: who ran it and why."""
    back_up(pair.source, files(5))
    newest = pair.source.read_record(pair.source.list_records()[-1].name)
    lost = names.blob(read_state(pair.source, newest)[b"03"].blobs[0])
    failed = done(pair.seen(source=Missing(pair.source.store, below(lost))).copy())
    claim = next(c for c in claims_of(pair.target) if c.session_id == failed.session_id)
    (attempt,) = view_session(pair.target, claim).attempts
    assert (attempt.runner, attempt.outcome) == ("local", "Failed")
    assert "no appliance" in attempt.runner_reason
    assert any("Repacking" in line for line in attempt.log)
    assert attempt.transfer.pack_count == 1


def test_a_run_that_ends_by_an_error_says_so_in_its_report(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    session = pair.session()
    pair.target.store.put(names.batch(session.id, 1, 0), b"rubbish")
    with pytest.raises(IntegrityError):
        pair.copy()
    view = view_session(pair.target, session.claim)
    assert view.attempts[0].outcome.startswith("integrity: ")
    assert names.batch(session.id, 1, 0) in view.reasons[0]


def test_a_run_gives_up_what_killed_runs_were_writing(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    ages = {"packs/old": 49, "packs/new": 1}
    started = {name: datetime.now(UTC) - timedelta(hours=hours) for name, hours in ages.items()}
    store = Unfinished(pair.target.store, started)
    done(pair.seen(target=store).copy())
    assert [upload.name for upload in store.uploads] == ["packs/new"]
    (claim,) = claims_of(pair.target)
    (attempt,) = view_session(pair.target, claim).attempts
    assert any("gave up 1 uploads" in line for line in attempt.log)


def test_uploads_that_cannot_be_given_up_are_told_and_keep_no_copy_back(pair: Pair) -> None:
    back_up(pair.source, {b"a": b"1"})
    started = {"packs/old": datetime.now(UTC) - timedelta(days=3)}
    store = Unfinished(pair.target.store, started, kept=["packs/"])
    warnings = Warnings()
    outcome = done(pair.seen(target=store).copy(Runner(workers=1, progress=warnings)))
    assert outcome.status is SessionStatus.SUCCESS
    assert "cannot abort packs/old" in warnings.lines[0]


def test_the_report_says_who_ran_it_and_why(pair: Pair) -> None:
    """R4."""
    back_up(pair.source, {b"a": b"1"})
    why = "fallback, because the appliance cannot be used"
    pair.copy(replace(HERE, reason=why))
    (claim,) = claims_of(pair.target)
    (attempt,) = view_session(pair.target, claim).attempts
    assert (attempt.runner, attempt.runner_reason) == ("local", why)
    assert any(line.endswith(f"runner: local, because {why}") for line in attempt.log)


def test_no_log_or_report_of_a_run_tells_an_items_name(pair: Pair) -> None:
    """I5."""
    back_up(pair.source, {b"payroll.xlsx": b"1"})
    outcome = done(pair.copy())
    (claim,) = claims_of(pair.target)
    (attempt,) = view_session(pair.target, claim).attempts
    assert "payroll" not in f"{attempt} {outcome}"


def test_points_of_the_source_that_are_condemned_are_not_copied(pair: Pair) -> None:
    old = back_up(pair.source, {b"a": b"1"})
    new = back_up(pair.source, {b"a": b"2"})
    name = names.record(new.source_id, new.time, new.session_id)
    pair.source.store.put(names.condemned("run", name), b"")
    assert next_point(pair.target, pair.source, pair.definition, None) == old.id


def test_sources_that_are_not_encrypted_share_their_blobs(tmp_path: Path) -> None:
    """Dedup works within a space."""
    pair = make_pair(tmp_path, is_encrypted=True, is_source_encrypted=False)
    back_up(pair.source, files(5))
    pair.copied()
    other = make_repository(FolderStore(tmp_path / "other", create=True))
    back_up(other, files(5))
    terms = jobs.Terms(schedule="immediate")
    second = jobs.create_job(pair.target, other, JobId("second"), terms, include_newest=True)
    record = done(run_job(pair.target, other, second, HERE)).record
    assert record is not None
    assert (record.new_blob_count, record.reused_blob_count) == (0, 5)
    check_copies(pair.target)


def test_every_run_of_a_bucket_makes_a_new_point(tmp_path: Path) -> None:
    pair = make_bucket_pair(tmp_path, fill(tmp_path / "bucket", {"a": b"1"}))
    first, second = pair.copied(), pair.copied()
    assert second.parent == first.source_point < second.source_point
    assert second.added_count == 0
    dry = plan_run(pair.target, pair.source, pair.definition)
    assert (dry.point, dry.record, dry.unfinished) == (None, None, ())
    assert dry.bucket_url == pair.source.url
    claim = pair.session().claim
    assert plan_run(pair.target, pair.source, pair.definition).unfinished == (claim,)


def test_a_bucket_has_no_older_points(tmp_path: Path) -> None:
    pair = make_bucket_pair(tmp_path, fill(tmp_path / "bucket", {"a": b"1"}))
    point = pair.copied().source_point
    for call in (
        lambda: plan_run(pair.target, pair.source, pair.definition, point),
        lambda: run_job(pair.target, pair.source, pair.definition, Runner(), backfill=point),
    ):
        with pytest.raises(InputError, match="no older restore points"):
            call()


def test_a_run_of_a_bucket_stops_between_rounds(tmp_path: Path) -> None:
    bucket = fill(tmp_path / "bucket", {"a": b"1", "b": b"2"})
    stops: list[bool] = []

    def change(kind: str, key: str) -> None:
        if kind == "read" and key == "a" and not stops:
            (tmp_path / "bucket" / "a").write_bytes(b"changed")
        if kind == "describe":
            stops.append(True)

    pair = make_bucket_pair(tmp_path, HookedBucket(bucket, change))
    outcome = pair.copy(Runner(workers=1, stop=lambda: bool(stops)))
    assert outcome.status is SessionStatus.STOPPED
    record = pair.seen(bucket=bucket).copied()
    assert record.session_id == outcome.session_id
    assert read_objects(pair.target, record) == {b"a": b"changed", b"b": b"2"}


def test_several_processes_read_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin_batches(monkeypatch, 20_000)
    files = {f"{number}": bytes([number]) * 5_000 for number in range(20)}
    pair = make_bucket_pair(tmp_path, fill(tmp_path / "bucket", files))
    record = pair.copied(Runner(workers=2))
    assert read_objects(pair.target, record) == {key.encode(): files[key] for key in files}
