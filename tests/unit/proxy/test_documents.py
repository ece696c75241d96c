"""Values of the engine as the objects that programs read."""

import json

from core.engine.history import SessionView
from core.engine.state import Attempt, DamagedItem, Transfer
from core.ids import JobId, PointId, RepositoryId, SessionId
from core.model import Claim, Layer, Record, SessionKind, SessionStatus, StageSeconds, TableObject
from proxy.documents import (
    attempt_document,
    damaged_documents,
    iso_time,
    layer_documents,
    point_document,
    session_document,
    transfer_document,
)

TIME = "20260301T020304567890Z"
SESSION = SessionId("5" * 32)
SOURCE = RepositoryId("a" * 32)
POINT = PointId(f"{TIME}-{'6' * 32}")
TABLE = TableObject(name="layers/x-0.parquet", size=10, sha256="0" * 64, rows=3)
TRANSFER = Transfer(
    pack_count=2,
    blob_count=5,
    content_size=4000,
    stored_size=1000,
    stages=StageSeconds(source=1, repack=3, target=2),
)


def record(kind: SessionKind) -> Record:
    return Record(
        source_id=SOURCE,
        source_point=POINT,
        session_id=SESSION,
        kind=kind,
        job_id=JobId("nightly") if kind is SessionKind.COPY else None,
        parent=None,
        layers=(Layer(objects=(TABLE,), rows=3),),
        item_count=3,
        new_blob_count=7,
        new_content_size=70,
        stored_size=50,
        pack_count=1,
        warnings=("one item was skipped",),
    )


def view(kind: SessionKind, *, with_record: bool, attempts: tuple[Attempt, ...]) -> SessionView:
    total = Transfer()
    for attempt in attempts:
        total = total.plus(attempt.transfer)
    return SessionView(
        claim=Claim(
            session_id=SESSION,
            kind=kind,
            job_id=JobId("nightly"),
            job_version=1,
            source_id=SOURCE,
            source_point=POINT,
            record_name="x",
            ordinal=0,
            claimed=TIME,
        ),
        status=SessionStatus.WARNING,
        reasons=("one item was skipped",),
        report=None,
        record=record(kind) if with_record else None,
        attempts=attempts,
        transfer=total,
        planned_blobs=5,
        planned_size=4000,
        last_seen="2026-03-01T02:03:05+00:00",
    )


def attempt() -> Attempt:
    return Attempt(
        runner="local",
        runner_reason="no appliance",
        started=TIME,
        ended=TIME,
        seconds=2.0,
        outcome="Success",
        transfer=TRANSFER,
        log=("a line",),
    )


def test_a_moment_becomes_iso_8601() -> None:
    assert iso_time(TIME) == "2026-03-01T02:03:04.567890+00:00"
    assert iso_time("2026-03-01T02:03:05+00:00") == "2026-03-01T02:03:05+00:00"


def test_a_point_is_described_by_plain_values() -> None:
    document = json.loads(json.dumps(point_document(record(SessionKind.COPY))))
    assert document["id"] == f"{TIME}-{SESSION}"
    assert (document["kind"], document["job"]) == ("copy", "nightly")
    assert document["warnings"] == ["one item was skipped"]
    assert layer_documents(record(SessionKind.COPY)) == [
        {"row_count": 3, "size": 10, "objects": ["layers/x-0.parquet"]}
    ]


def test_a_transfer_has_a_rate_and_a_bottleneck() -> None:
    document = transfer_document(TRANSFER, 2.0)
    assert (document["content_rate"], document["bottleneck"]) == (2000, "Repack")
    assert transfer_document(Transfer(), 0.0)["content_rate"] == 0


def test_a_session_adds_up_its_runs() -> None:
    document = session_document(
        view(SessionKind.COPY, with_record=True, attempts=(attempt(), attempt()))
    )
    assert (document["pack_count"], document["content_size"]) == (4, 8000)
    assert document["written_object_count"] == 4
    assert (document["seconds"], document["content_rate"]) == (4.0, 2000)
    assert document["runner"] == "local"
    assert document["restore_point"] == f"{TIME}-{SESSION}"


def test_a_session_whose_runs_are_forgotten_is_known_by_its_record() -> None:
    document = session_document(view(SessionKind.COPY, with_record=True, attempts=()))
    assert (document["pack_count"], document["content_size"]) == (1, 70)


def test_a_backup_writes_its_blobs_as_objects() -> None:
    document = session_document(view(SessionKind.BACKUP, with_record=True, attempts=()))
    assert document["written_object_count"] == 7


def test_a_session_that_has_published_nothing_has_no_point() -> None:
    document = session_document(view(SessionKind.COPY, with_record=False, attempts=()))
    assert document["restore_point"] is None
    assert document["runner"] == ""


def test_the_log_of_a_run_is_there_when_asked_for() -> None:
    assert "log" not in attempt_document(attempt(), with_log=False)
    assert attempt_document(attempt(), with_log=True)["log"] == ["a line"]


def test_a_damaged_item_keeps_its_exact_path() -> None:
    items = [DamagedItem(path=b"a\xff".hex(), reason="gone"), DamagedItem(path="62", reason="x")]
    assert damaged_documents(items) == [
        {"path": '"a\\xff"', "path_hex": "61ff", "reason": "gone"},
        {"path": "b", "reason": "x"},
    ]
