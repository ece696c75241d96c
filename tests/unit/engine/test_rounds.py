"""Objects that change or vanish while they are copied are looked at again, and then left out."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core import limits
from core.engine.batches import read_rounds
from core.engine.plan import run_plan
from core.engine.publish import run_publish
from core.engine.repack import Call, run_repack
from core.engine.rounds import run_round
from core.engine.session import CopySession, read_claims
from core.engine.skipped import CHANGING, VANISHED_OBJECT, read_skipped
from core.errors import ConflictError, NotFoundError, NotReadyError, StoreError
from core.limits import MIB
from core.model import SessionStatus
from core.stores.bucket import Bucket, ObjectPart
from tests.support.bucket_copies import (
    BucketPair,
    Contents,
    expected,
    make_bucket_pair,
    properties_of,
    read_objects,
)
from tests.support.buckets import HookedBucket, WrappingBucket, fill
from tests.support.copies import JOB, back_up, make_pair, names_below, pin_batches
from tests.support.invariants import check_copies

FILES: Contents = {f"folder/{number}": b"%d" % number * 50 for number in range(30)}


class Disturbed(HookedBucket):
    """Calls ``disturb(key, time)`` before a key is read for the n-th time."""

    def __init__(self, bucket: Bucket, disturb: Callable[[str, int], None]) -> None:
        super().__init__(bucket, self._note)
        self._disturb = disturb
        self.reads: Counter[str] = Counter()

    def _note(self, kind: str, key: str) -> None:
        if kind == "read":
            self.reads[key] += 1
            self._disturb(key, self.reads[key])


def copy_disturbed(
    tmp_path: Path, contents: Contents, disturb: Callable[[Path, str, int], None]
) -> tuple[BucketPair, Disturbed]:
    bucket = tmp_path / "bucket"
    disturbed = Disturbed(fill(bucket, contents), lambda key, time: disturb(bucket, key, time))
    return make_bucket_pair(tmp_path, disturbed), disturbed


def test_nothing_changes_and_one_round_is_all(tmp_path: Path) -> None:
    pair, disturbed = copy_disturbed(tmp_path, FILES, lambda *_: None)
    record = pair.copied()
    assert record.warnings == ()
    assert read_objects(pair.target, record) == expected(FILES)
    assert set(disturbed.reads.values()) == {1}
    assert read_rounds(pair.target, record.session_id) == []


def test_what_changed_is_read_anew(tmp_path: Path) -> None:
    def disturb(bucket: Path, key: str, time: int) -> None:
        if key in {"folder/3", "folder/17"} and time == 1:
            (bucket / key).write_bytes(b"the second version")

    pair, disturbed = copy_disturbed(tmp_path, FILES, disturb)
    record = pair.copied()
    changed = dict.fromkeys(["folder/3", "folder/17"], b"the second version")
    assert read_objects(pair.target, record) == expected({**FILES, **changed})
    assert record.warnings == ()
    assert {key: time for key, time in disturbed.reads.items() if time > 1} == dict.fromkeys(
        changed, 2
    )
    assert record.new_blob_count == 30
    check_copies(pair.target)
    assert pair.copied().added_count == 0


def test_what_vanished_leaves_the_point_and_is_listed(tmp_path: Path) -> None:
    def disturb(bucket: Path, key: str, time: int) -> None:
        if key in {"folder/3", "folder/17"}:
            (bucket / key).unlink(missing_ok=True)

    pair, _ = copy_disturbed(tmp_path, FILES, disturb)
    outcome = pair.copy()
    assert outcome.status is SessionStatus.WARNING
    assert outcome.record is not None
    left = {key: content for key, content in FILES.items() if key not in {"folder/3", "folder/17"}}
    assert read_objects(pair.target, outcome.record) == expected(left)
    (warning,) = outcome.record.warnings
    assert warning.startswith("2 objects changed or vanished")
    skipped = read_skipped(pair.target, outcome.session_id)
    assert [(item.path, item.reason) for item in skipped] == [
        (b"folder/17", VANISHED_OBJECT), (b"folder/3", VANISHED_OBJECT)
    ]  # fmt: skip
    assert outcome.record.added_count == 28
    check_copies(pair.target)


def test_what_changes_each_time_leaves_the_point_after_three_rounds(tmp_path: Path) -> None:
    def disturb(bucket: Path, key: str, time: int) -> None:
        if key == "folder/7":
            (bucket / key).write_bytes(b"version %d" % time)

    pair, disturbed = copy_disturbed(tmp_path, FILES, lambda *_: None)
    first = pair.copied()
    fill(tmp_path / "bucket", {"folder/7": b"changed", "folder/8": b"changed as well"})
    pair = pair.seen(
        bucket=Disturbed(disturbed.inner, lambda key, time: disturb(tmp_path / "bucket", key, time))
    )
    outcome = pair.copy()
    record = outcome.record
    assert record is not None
    assert record.parent == first.source_point
    assert pair.source.bucket.reads["folder/7"] == limits.ROUNDS_MAX  # type: ignore[attr-defined]
    left = {**FILES, "folder/8": b"changed as well"}
    del left["folder/7"]
    assert read_objects(pair.target, record) == expected(left)
    assert [(item.path, item.reason) for item in read_skipped(pair.target, outcome.session_id)] == [
        (b"folder/7", CHANGING)
    ]
    assert (record.added_count, record.removed_count) == (1, 1)
    check_copies(pair.target)
    # It is in the next point, once it keeps still.
    content = (tmp_path / "bucket" / "folder" / "7").read_bytes()
    assert read_objects(pair.target, pair.seen(bucket=disturbed.inner).copied()) == expected(
        {**left, "folder/7": content}
    )


def test_an_object_is_never_put_together_from_two_versions(tmp_path: Path) -> None:
    """Some ranges of the first version are packed when it changes."""
    first, second = b"a" * (20 * MIB), b"b" * (20 * MIB)

    def disturb(bucket: Path, key: str, time: int) -> None:
        if key == "large" and time == 2:
            (bucket / key).write_bytes(second)

    pair, disturbed = copy_disturbed(tmp_path, {"large": first, "small": b"x"}, disturb)
    record = pair.copied()
    assert read_objects(pair.target, record) == expected({"large": second, "small": b"x"})
    assert disturbed.reads["large"] > 4
    check_copies(pair.target)


def test_a_new_object_that_vanished_leaves_no_trace(tmp_path: Path) -> None:
    pair, disturbed = copy_disturbed(tmp_path, FILES, lambda *_: None)
    pair.copied()
    fill(tmp_path / "bucket", {"new": b"for a moment"})
    bucket = tmp_path / "bucket"
    record = pair.seen(
        bucket=Disturbed(disturbed.inner, lambda key, _: (bucket / key).unlink(missing_ok=True))
    ).copied()
    assert (record.added_count, record.removed_count) == (0, 0)
    assert read_objects(pair.target, record) == expected(FILES)


def test_an_empty_object_that_grows_is_copied_as_it_is_then(tmp_path: Path) -> None:
    def disturb(bucket: Path, key: str, time: int) -> None:
        if key == "empty" and time == 1:
            (bucket / key).write_bytes(b"not any more")
        if key == "full" and time == 1:
            (bucket / key).write_bytes(b"")

    pair, _ = copy_disturbed(tmp_path, {"empty": b"", "full": b"something"}, disturb)
    record = pair.copied()
    assert read_objects(pair.target, record) == {b"empty": b"not any more", b"full": b""}
    assert record.warnings == ()
    assert len(properties_of(pair.target, record)) == 2


class Failing(WrappingBucket):
    """Fails to read the keys for which there is an error."""

    def __init__(self, bucket: Bucket, errors: dict[str, Exception]) -> None:
        super().__init__(bucket)
        self.errors = errors

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        if key in self.errors:
            raise self.errors[key]
        return super().read(key, etag, offset, length)


def test_archived_objects_fail_the_session_and_are_named(tmp_path: Path) -> None:
    bucket = fill(tmp_path / "bucket", {**FILES, "empty": b""})
    errors: dict[str, Exception] = {
        "folder/3": NotReadyError("archived"), "empty": NotReadyError("archived")
    }  # fmt: skip
    pair = make_bucket_pair(tmp_path, Failing(bucket, errors))
    outcome = pair.copy()
    assert outcome.status is SessionStatus.FAILED
    assert outcome.report is not None
    assert outcome.report.reasons == ("2 objects of the source are archived and cannot be read",)
    assert [bytes.fromhex(item.path) for item in outcome.report.items] == [b"empty", b"folder/3"]
    # Finished packs serve the next session, whose objects are described alone.
    record = pair.seen(bucket=bucket).copied()
    assert record.reused_blob_count == 29
    assert read_objects(pair.target, record) == expected({**FILES, "empty": b""})
    check_copies(pair.target)


def test_a_refusal_ends_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    bucket = fill(tmp_path / "bucket", FILES)
    pair = make_bucket_pair(tmp_path, Failing(bucket, {"folder/3": StoreError("refused")}))
    with pytest.raises(StoreError, match="refused"):
        pair.copy()
    record = pair.seen(bucket=bucket).copied()
    assert len(read_claims(pair.target, JOB)) == 1
    assert read_objects(pair.target, record) == expected(FILES)


def test_an_object_that_seems_gone_for_a_moment_is_copied(tmp_path: Path) -> None:
    """Also when it is found as it was listed."""
    bucket = fill(tmp_path / "bucket", FILES)
    failing = Failing(bucket, {"folder/3": NotFoundError("gone"), "folder/4": ConflictError("no")})
    pair = make_bucket_pair(tmp_path, failing)
    session = pair.session()
    repack(session, 0)
    failing.errors = {}
    (again,) = run_round(session).batches
    repack(session, again)
    record = run_publish(session).record
    assert record is not None
    assert read_objects(pair.target, record) == expected(FILES)
    assert record.warnings == ()


def repack(session: CopySession, number: int) -> None:
    assert run_plan(session) is not None
    assert run_repack(session, number, Call()).is_done


@pytest.fixture
def changed(tmp_path: Path) -> CopySession:
    """A session whose first round is over, and ten objects have changed meanwhile."""
    bucket = fill(tmp_path / "bucket", FILES)
    pair = make_bucket_pair(tmp_path, bucket)
    session = pair.session()
    assert run_plan(session) is not None
    for number in range(10):
        (tmp_path / "bucket" / f"folder/{number}").write_bytes(b"changed")
    repack(session, 0)
    return session


def test_publishing_waits_for_the_next_round(changed: CopySession) -> None:
    assert not run_publish(changed).is_done
    (number,) = run_round(changed).batches
    assert not run_publish(changed).is_done
    repack(changed, number)
    assert run_round(changed).batches == ()
    assert run_publish(changed).is_done


def test_a_round_that_is_not_repacked_is_asked_for_again(changed: CopySession) -> None:
    first = run_round(changed)
    assert (first.is_done, first.number, first.batches) == (True, 2, (1,))
    assert run_round(changed) == first


def test_a_round_is_planned_piece_by_piece(
    changed: CopySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROUND_CHUNK_OBJECTS", 3)
    calls = 0
    while not (outcome := run_round(changed, deadline=0.0)).is_done:
        calls += 1
    assert calls == 3
    found = names_below(changed.target.store, f"sessions/{changed.id}/rounds/2-found-")
    assert len(found) == 4
    repack(changed, outcome.batches[0])
    assert run_publish(changed).status is SessionStatus.SUCCESS


def test_a_round_stops_when_it_is_told_to(changed: CopySession) -> None:
    assert not run_round(changed, stop=lambda: True).is_done
    assert read_rounds(changed.target, changed.id) == []


def test_two_at_once_plan_one_round(changed: CopySession) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: run_round(changed), range(2))
    assert first == second
    assert len(read_rounds(changed.target, changed.id)) == 1


def test_several_batches_are_counted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin_batches(monkeypatch, 600)
    times: Counter[str] = Counter()

    def disturb(bucket: Path, key: str, time: int) -> None:
        if time <= 2 and int(key.rpartition("/")[2]) % 2:
            times[key] += 1
            (bucket / key).write_bytes(b"%d" % time * 60)

    pair, _ = copy_disturbed(tmp_path, FILES, disturb)
    record = pair.copied()
    rounds = read_rounds(pair.target, record.session_id)
    assert len(rounds) == 2
    assert min(len(each.batches) for each in rounds) > 1
    assert rounds[1].first_batch == rounds[0].first_batch + len(rounds[0].batches)
    changed = {key: b"2" * 60 for key, time in times.items() if time == 2}
    assert read_objects(pair.target, record) == expected({**FILES, **changed})


def test_copies_of_repositories_have_one_round(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    back_up(pair.source, {b"a": b"1"})
    outcome = run_round(pair.session())
    assert (outcome.is_done, outcome.batches) == (True, ())
