"""Restoring a point as objects of a bucket or container, byte for byte, under any prefix.

Every file becomes an object of the same name, with the properties that its item has kept. What
cannot be an object, a link or an empty folder, is left out and listed. Conflicts are looked for
before anything is written.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from core.catalog.workspace import Workspace
from core.engine.bucket_landing import BucketLanding
from core.engine.faults import FaultLog
from core.engine.progress import Progress
from core.engine.restore_content import ContentWriter, check_stop
from core.engine.restore_object_tables import ObjectTables
from core.engine.restoring import (
    Conflicts,
    RestoreOutcome,
    find_content,
    judge_content,
    make_outcome,
    refuse_unmatched,
)
from core.engine.tables import Tables
from core.errors import ConflictError, InputError, IntegrityError
from core.limits import (
    RESTORE_FAILED_LISTED_MAX,
    RESTORE_MEMORY_SIZE,
    RESTORE_OBJECT_THREADS,
    RESTORE_PAGES_MAX,
)
from core.model import ItemKind, Record
from core.plan.paths import Selection
from core.plan.restore import plan_frame_reads, plan_loose_reads
from core.sources.bucket import path_of
from core.sources.repository import Repository
from core.stores.bucket import WritableBucket

_STOP_ASKED_EVERY = 1_000


def restore_objects(  # noqa: PLR0913  Keyword arguments that a call reads well with.
    repository: Repository,
    record: Record,
    bucket: WritableBucket,
    *,
    include: Sequence[str],
    overwrite: bool,
    progress: Progress,
    stop: Callable[[], bool],
) -> RestoreOutcome:
    """Restore a point's files, or those that ``include`` takes, as objects of ``bucket``.

    Every object appears whole or not at all. Objects that cannot be written are listed in the
    outcome and the others go on. Without ``overwrite`` nothing is replaced, and where the
    destination is not too large to be listed, nothing is written if anything is in the way.
    """
    selection = Selection(include)
    started = time.monotonic()
    with Workspace(RESTORE_MEMORY_SIZE) as workspace, FaultLog(workspace) as log:
        tables = Tables(repository, workspace)
        progress.start("Reading the restore point", None, None)
        rows = ObjectTables(tables, record, log)
        rows.choose(selection)
        refuse_unmatched(selection)
        _judge(rows, log, stop)
        rows.keep(())
        if not overwrite:
            _refuse_taken(rows, bucket, stop)
        problems = find_content(tables, rows, progress)
        rows.set_long_apart()
        content = ContentWriter(
            repository,
            BucketLanding(bucket, overwrite=overwrite),
            log,
            progress,
            threads=RESTORE_OBJECT_THREADS,
        )
        count, size = rows.file_totals()
        progress.start("Restoring", size, count)
        _write(rows, content, stop)
        outcome = make_outcome(content, rows, problems, 0, time.monotonic() - started)
        return _with_left_out(outcome, rows)


def _judge(rows: ObjectTables, log: FaultLog, stop: Callable[[], bool]) -> None:
    """Look at every item; those that cannot be restored are noted."""
    for number, candidate in enumerate(rows.candidates()):
        if number % _STOP_ASKED_EVERY == 0:
            check_stop(stop)
        if candidate.kind in {ItemKind.FOLDER, ItemKind.LINK}:
            continue
        try:
            judge_content(candidate)
        except (InputError, IntegrityError) as error:
            log.fail_with(candidate.row, error)


def _refuse_taken(rows: ObjectTables, bucket: WritableBucket, stop: Callable[[], bool]) -> None:
    conflicts = Conflicts()
    for path in rows.taken(_listed(bucket, stop)):
        conflicts.add(path, ConflictError("it is there already"))
    conflicts.refuse()


def _listed(bucket: WritableBucket, stop: Callable[[], bool]) -> Iterator[bytes]:
    token = ""
    for _ in range(RESTORE_PAGES_MAX):
        check_stop(stop)
        page = bucket.list_page(token=token)
        yield from (path_of(listed.key) for listed in page.objects)
        token = page.token
        if not token:
            return


def _write(rows: ObjectTables, content: ContentWriter, stop: Callable[[], bool]) -> None:
    content.write_empty(rows.empty_files(), stop)
    content.write_loose(plan_loose_reads(rows.loose_pieces()), stop)
    choice = 1
    while True:
        reads = plan_frame_reads(rows.packed_pieces(choice))
        content.write_packed(reads, rows.pack_row, stop)
        choice += 1
        if not rows.advance(choice):
            break
    content.write_long(rows.long_files(), stop)


def _with_left_out(outcome: RestoreOutcome, rows: ObjectTables) -> RestoreOutcome:
    listed, count = [], 0
    for path in rows.no_objects():
        count += 1
        if count <= RESTORE_FAILED_LISTED_MAX:
            listed.append(path)
    return replace(outcome, left_out=tuple(listed), left_out_count=count)
