"""Planning many blobs against an index of as many, half of them known, and publishing them.

The tables are the real ones, in two sealed repositories, but for the packs: of these only names
and sizes are there, because nothing else is looked at. Each step is a process of its own:
``python -m benchmarks.planning FOLDER plan`` plans what ``prepare`` has built and prints the
seconds, ``repack`` writes the parts that the session's packs would have left, and ``publish``
publishes. ``FOLDER prepare COUNT first`` builds a target that knows no blob, and with ``tight``
behind a step no table is kept in the temporary folder only because it may be needed once more.
"""

import hashlib
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import ROOT
from benchmarks.measure import Usage, run
from core import ids, limits
from core.catalog.index import mapped_id_sql, range_bounds
from core.catalog.tables import WORKING_PARQUET
from core.catalog.workspace import Workspace, quote
from core.engine.batches import require_plan
from core.engine.create import create_repository
from core.engine.jobs import Terms, create_job, load_definition
from core.engine.plan import run_plan
from core.engine.publish import run_publish
from core.engine.run import next_point
from core.engine.session import CopySession, claim_point, system_clock
from core.engine.tables import Tables
from core.format import names
from core.ids import JobId, PackId
from core.model import (
    Layer,
    Parameters,
    Record,
    RetentionType,
    SessionKind,
    SessionStatus,
    TableObject,
)
from core.sources.repository import Repository, open_repository
from core.stores.folder import FolderStore

_SECRET = "benchmarks are not secret"
_JOB = JobId("bench")
_MEMORY_SIZE = 4 * limits.GIB
_PIECE_ROWS = 2_500_000
_PACK_BLOBS = 100_000
_BLOB_SIZE = 28_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What a step took: ``wall`` is its own, ``usage`` the whole process's."""

    step: str
    blob_count: int
    known_count: int
    wall: float
    usage: Usage


def measure_planning(folder: Path, blob_count: int) -> tuple[Planning, Planning]:
    """Build the tables, then plan and publish, each in a process of its own."""
    prepare(folder, blob_count)
    planning = _measure(folder, "plan")
    _measure(folder, "repack")
    return planning, _measure(folder, "publish")


def _measure(folder: Path, step: str) -> Planning:
    command = [sys.executable, "-m", "benchmarks.planning", str(folder), step]
    usage, text = run(command, folder, {"PYTHONPATH": str(ROOT)})
    answer = json.loads(text)
    return Planning(
        step=step,
        blob_count=answer["new"] + answer["reused"],
        known_count=answer["reused"],
        wall=answer["seconds"],
        usage=usage,
    )


def prepare(folder: Path, blob_count: int, *, is_first: bool = False) -> None:
    """Build a source with a point of so many files and a target with an index of as many blobs.

    ``is_first``: in the target is nothing yet.
    """
    source, target = _create(folder / "source"), _create(folder / "target")
    with Workspace(_MEMORY_SIZE) as workspace:
        _write_point(source, workspace, blob_count)
        if not is_first:
            _write_index(target, source, workspace, blob_count)
    create_job(target, source, _JOB, Terms(schedule="daily 22:00"), include_newest=True)


def _create(folder: Path) -> Repository:
    return create_repository(
        FolderStore(folder, create=True),
        retention_type=RetentionType.SNAPSHOT_BASED,
        secret=_SECRET,
        parameters=Parameters(),
        now=datetime.now(UTC),
    )


def _source_id(number: str) -> str:
    return f"unhex(sha256('blob ' || {number}))"


def _write_point(source: Repository, workspace: Workspace, blob_count: int) -> None:
    """Store a layer of files with one blob each, and the record of the point."""
    session_id = ids.new_session_id()
    objects = []
    for number, start in enumerate(range(0, blob_count, _PIECE_ROWS)):
        end = min(start + _PIECE_ROWS, blob_count)
        query = f"""select encode(printf('share/%06d/document-%09d.dat', i // 1000, i)) as path,
            'file' as kind, {_BLOB_SIZE}::BIGINT as size,
            (1735689600 + i % 5000000)::BIGINT * 1000000000 as modified,
            '{{"changed":' || i || ',"mode":420}}' as metadata, [{_source_id("i")}] as blobs,
            false as deleted, false as damaged
            from range({start}, {end}) t(i) order by i"""
        objects.append(_store(source, workspace, names.layer(session_id, number), query))
    time_text = ids.format_time(datetime.now(UTC))
    record = Record(
        source_id=source.identity.id,
        source_point=ids.point_id(time_text, session_id),
        session_id=session_id,
        kind=SessionKind.BACKUP,
        job_id=None,
        parent=None,
        layers=(Layer(objects=tuple(objects), rows=blob_count),),
        item_count=blob_count,
    )
    source.write_value(names.record(source.identity.id, time_text, session_id), record)


def _write_index(
    target: Repository, source: Repository, workspace: Workspace, blob_count: int
) -> None:
    """Store an index of which the second half of the point's blobs is the first half."""
    session_id = ids.new_session_id()
    packs = [ids.new_pack_id() for _ in range(-(-blob_count // _PACK_BLOBS))]
    sizes = workspace.new_path("packs", ".csv")
    sizes.write_text(
        "".join(f"{n},{_put_pack(target, session_id, p)}\n" for n, p in enumerate(packs))
    )
    mapped = mapped_id_sql(_source_id("i"), source.space, target.id_key)
    frame = "(i % 131072) // 150"
    workspace.run(
        f"""create table packs as select * from read_csv({quote(sizes)}, header=false,
            columns={{'n': 'BIGINT', 'pack': 'VARCHAR', 'pack_size': 'BIGINT'}});
        create table ids as select {mapped} as id, i
            from range({blob_count // 2}, {blob_count // 2 + blob_count}) t(i)"""
    )
    count = -(-blob_count // _PIECE_ROWS)
    for number in range(count):
        low, high = range_bounds(number, count)
        upper = f"and id < unhex('{high.hex()}')" if high is not None else ""
        query = f"""select id, unhex(sha256('content ' || i)) as digest,
            '{session_id}' as session, pack, pack_size, unhex(sha256(pack)) as pack_sha256,
            '' as checksum_kind, '' as checksum_value, unhex(sha256(pack))::BLOB as header,
            ({frame}) * 2100000::BIGINT as frame_offset, 2100000::BIGINT as frame_length,
            (i % 150) * {_BLOB_SIZE}::BIGINT as blob_offset, {_BLOB_SIZE}::BIGINT as length
            from ids join packs on n = (i - {blob_count // 2}) // {_PACK_BLOBS}
            where id >= unhex('{low.hex()}') {upper} order by id"""
        _store(target, workspace, names.index(session_id, number), query)
    workspace.run("drop table ids")


def _put_pack(target: Repository, session_id: ids.SessionId, pack_id: PackId) -> str:
    """Put a stand-in for a pack; return its line of the table."""
    head = target.store.put(
        names.pack(session_id, pack_id), b"only its name and size are looked at"
    )
    return f"{pack_id},{head.size}"


def _store(repository: Repository, workspace: Workspace, name: str, query: str) -> TableObject:
    path = workspace.new_path("stored")
    workspace.run(f"copy ({query}) to {quote(path)} (format parquet, compression zstd)")
    (rows,) = workspace.row(f"select count(*) from read_parquet({quote(path)})")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    repository.put_table(name, path, rows)
    size = path.stat().st_size
    path.unlink()
    return TableObject(name=name, size=size, sha256=sha256, rows=rows)


def _open_session(folder: Path) -> CopySession:
    """Open the session of the one point, which is there already after the first step."""
    source, target = (
        open_repository(FolderStore(folder / name), lambda: _SECRET)
        for name in ("source", "target")
    )
    definition = load_definition(target, _JOB)
    point = next_point(target, source, definition, None)
    assert point is not None, "the point is new to the job"
    claim = claim_point(target, definition, point, system_clock)
    return CopySession(target=target, source=source, claim=claim, definition=definition)


def _plan(session: CopySession) -> None:
    assert run_plan(session) is not None, "without a deadline a plan is finished"


def _repack(session: CopySession) -> None:
    """Write a part for each batch, as if all of it had gone into one pack."""
    with Workspace(_MEMORY_SIZE) as workspace:
        tables = Tables(session.target, workspace)
        for number, batch in enumerate(require_plan(session.target, session.id).batches):
            pack = ids.new_pack_id()
            size = _put_pack(session.target, session.id, pack).partition(",")[2]
            path = workspace.new_path("part")
            workspace.run(
                f"""copy (select ordinal, '' as fault, id, unhex(sha256(id)) as digest,
                    '{session.id}' as session, '{pack}' as pack, {size}::BIGINT as pack_size,
                    unhex(sha256('{pack}')) as pack_sha256, '' as checksum_kind,
                    '' as checksum_value, unhex(sha256('{pack}'))::BLOB as header,
                    (ordinal // 150) * 2100000::BIGINT as frame_offset,
                    2100000::BIGINT as frame_length,
                    (ordinal % 150) * {_BLOB_SIZE}::BIGINT as blob_offset, length
                    from read_parquet({quote(tables.fetch(batch.table.name))}) order by ordinal)
                to {quote(path)} ({WORKING_PARQUET})"""
            )
            session.target.put_table(names.part(session.id, number, 0), path, batch.blob_count)
            path.unlink()
            tables.release([batch.table.name])


def _publish(session: CopySession) -> None:
    outcome = run_publish(session)
    assert outcome.status is SessionStatus.SUCCESS, outcome.report


_STEPS = {"plan": _plan, "repack": _repack, "publish": _publish}


def _take(folder: Path, step: str) -> dict[str, float]:
    session = _open_session(folder)
    started = time.monotonic()
    _STEPS[step](session)
    seconds = time.monotonic() - started
    plan = require_plan(session.target, session.id)
    return {"seconds": seconds, "new": plan.new_blob_count, "reused": plan.reused_blob_count}


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, "prepare", count, *first]:
            prepare(Path(folder), int(count), is_first=first == ["first"])
        case [folder, step, *tight]:
            if tight == ["tight"]:
                limits.TABLES_KEPT_SHARE = 1 << 80
            sys.stdout.write(json.dumps(_take(Path(folder), step)))
