"""``coldhaul job run``: one session of a job, and how any session's run is shown."""

from collections.abc import Callable
from typing import Annotated

import typer

from core.engine.progress import Progress
from core.engine.run import DryRun, SessionOutcome, plan_run, run_job
from core.engine.runner import Runner
from core.ids import PointId
from core.model import SessionStatus
from proxy.commands.arguments import JobName
from proxy.documents import Document, damaged_documents, point_document, transfer_document
from proxy.exits import DONE, INTEGRITY, NOT_READY, STORE, WARNINGS
from proxy.interrupt import Stop, stoppable
from proxy.invocation import Invocation
from proxy.opened_job import open_job
from proxy.progress import shown_progress
from proxy.wording import show_count, show_duration, show_path, show_rate, show_size

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", metavar="", help="Say what would be copied; write nothing.")
]
BackfillOption = Annotated[
    str | None,
    typer.Option("--backfill", metavar="POINT", help="Copy this older point of the source."),
]
# A session that failed may name very many items; all are in JSON.
_ITEMS_SHOWN_MAX = 20

Run = Callable[[Progress, Stop], SessionOutcome | None]


def run(
    invocation: Invocation,
    name: JobName,
    is_dry: DryRunOption = False,
    backfill: BackfillOption = None,
) -> int:
    """Run a job once: copy the restore point that its schedule asks for.

    Goes on with a session that was interrupted, and joins one that runs elsewhere. Refuses when
    the configuration says something else than the stored definition.

    Example: coldhaul job run nightly

    Example: coldhaul job run nightly --backfill 20260301T
    """
    job = open_job(invocation, name)
    point = PointId(backfill) if backfill else None
    if is_dry:
        return _show_plan(invocation, name, plan_run(job.target, job.source, job.definition, point))
    return show_run(
        invocation,
        name,
        lambda progress, stop: run_job(
            job.target,
            job.source,
            job.definition,
            Runner(progress=progress, stop=stop),
            backfill=point,
        ),
    )


def show_run(invocation: Invocation, name: str, body: Run) -> int:
    """Run a session where it can be watched and stopped, and show how it ended."""
    go_on = invocation.command_line("job", "run", name)
    with stoppable(go_on) as stop, shown_progress(invocation.output) as progress:
        outcome = body(progress, stop)
    if outcome is None:
        invocation.output.show(
            {"job": name, "session": None},
            f"Nothing to copy: job {name!r} has copied every restore point that it should.",
        )
        return DONE
    document = {"job": name, "session": _document(outcome)}
    invocation.output.show(document, *_lines(invocation, outcome))
    return _exit_code(outcome, stop)


def _document(outcome: SessionOutcome) -> Document:
    plan, report = outcome.plan, outcome.report
    record = outcome.record
    warnings = record.warnings if record else ()
    return {
        "id": outcome.session_id,
        "status": outcome.status,
        "source_point": outcome.source_point,
        "reasons": list(report.reasons if report else warnings),
        "damaged_items": damaged_documents(report.items if report else ()),
        "planned_blob_count": plan.new_blob_count if plan else 0,
        "planned_content_size": plan.new_content_size if plan else 0,
        "reused_blob_count": plan.reused_blob_count if plan else 0,
        **transfer_document(outcome.transfer, outcome.seconds),
        "restore_point": point_document(record) if record else None,
    }


def _lines(invocation: Invocation, outcome: SessionOutcome) -> list[str]:
    lines = [f"Session {outcome.session_id}: {outcome.status}"]
    record, report = outcome.record, outcome.report
    if record is not None:
        count = show_count(record.item_count, "item")
        lines.append(f"  point      {record.id}: {count}, {show_size(record.content_size)}")
    moved = outcome.transfer
    amount = f"{show_count(moved.blob_count, 'blob')}, {show_size(moved.content_size)}"
    stored = f"{show_size(moved.stored_size)} in {show_count(moved.pack_count, 'pack')}"
    lines.append(f"  copied     {amount}; stored as {stored}")
    if outcome.plan is not None and outcome.plan.reused_blob_count:
        lines.append(f"  reused     {show_count(outcome.plan.reused_blob_count, 'blob')}")
    rate = show_rate(moved.content_size, outcome.seconds)
    bottleneck = moved.stages.bottleneck
    speed = [show_duration(outcome.seconds), rate, bottleneck and f"bottleneck {bottleneck}"]
    lines.append(f"  time       {', '.join(part for part in speed if part)}")
    reasons = report.reasons if report else record.warnings if record else ()
    lines += [f"  reason     {reason}" for reason in reasons]
    items = report.items if report else ()
    lines += [
        f"  damaged    {show_path(bytes.fromhex(item.path))}: {item.reason}"
        for item in items[:_ITEMS_SHOWN_MAX]
    ]
    if len(items) > _ITEMS_SHOWN_MAX:
        lines.append(f"             and {len(items) - _ITEMS_SHOWN_MAX:,} more; --json has all")
    if outcome.status is SessionStatus.STOPPED:
        resume = invocation.command_line("session", "resume", outcome.session_id)
        lines.append(f"Finished packs are kept. To go on: {resume}")
    return lines


def _exit_code(outcome: SessionOutcome, stop: Stop) -> int:
    match outcome.status:
        case SessionStatus.SUCCESS:
            return DONE
        case SessionStatus.WARNING:
            return WARNINGS
        case SessionStatus.FAILED:
            damaged = outcome.report is not None and outcome.report.items
            return INTEGRITY if damaged else STORE
        case _:
            return stop.exit_code or NOT_READY


def _show_plan(invocation: Invocation, name: str, dry: DryRun) -> int:
    unfinished = [claim.session_id for claim in dry.unfinished]
    record = dry.record
    document = {
        "job": name,
        "dry_run": True,
        "source_point": point_document(record) if record else None,
        "bucket": dry.bucket_url or None,
        "unfinished_sessions": unfinished,
    }
    if dry.bucket_url:
        lines = [f"Would list {dry.bucket_url} and copy what has changed. Nothing was written."]
    elif record is None:
        lines = [f"Nothing to copy: job {name!r} has copied every restore point that it should."]
    else:
        items = f"{show_count(record.item_count, 'item')}, {show_size(record.content_size)}"
        lines = [f"Would copy {record.id}: {items}. Nothing was written."]
    lines += [f"Unfinished session: {session_id}" for session_id in unfinished]
    invocation.output.show(document, *lines)
    return DONE
