"""``coldhaul job run``: one session of a job, and how any session's run is shown."""

from collections.abc import Callable
from typing import Annotated

import typer

from core.engine.progress import Progress
from core.engine.run import DryRun, SessionOutcome, begin_session, plan_run
from core.engine.runner import Runner
from core.engine.session import CopySession, system_clock
from core.ids import PointId
from core.model import SessionStatus
from core.plan.placement import NOT_CONFIGURED, Place
from proxy.appliance_run import Watch, refuse_doubled
from proxy.commands.arguments import JobName
from proxy.documents import Document, damaged_documents, point_document, transfer_document
from proxy.exits import DONE, INTEGRITY, NOT_READY, STORE, WARNINGS
from proxy.interrupt import LEAVING, STOPPING, InterruptedRunError, Stop, stoppable
from proxy.invocation import Invocation
from proxy.opened_job import open_job
from proxy.placed_run import Ran, Terms, run_placed
from proxy.placing import Placed, place_job
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

Begin = Callable[[], CopySession | None]


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
    # Before anything is claimed: an appliance that should run it and cannot is found out here.
    placed = place_job(invocation, name)

    def begin() -> CopySession | None:
        target, source, definition = job.target, job.source, job.definition
        begun = begin_session(target, source, definition, system_clock, backfill=point)
        if begun is None:
            return None
        if placed.appliance is not None and not begun.is_own:
            refuse_doubled(begun.session, placed.appliance)
        return begun.session

    return show_run(invocation, name, placed, begin)


def show_run(invocation: Invocation, name: str, placed: Placed, begin: Begin) -> int:
    """Run a session where it can be watched and stopped, and show how it ended."""
    go_on = invocation.command_line("job", "run", name)
    with stoppable(go_on) as stop, shown_progress(invocation.output) as progress:
        session = begin()
        if session is not None:
            terms = _terms(invocation, name, session, progress, stop)
            ran = run_placed(session, placed, terms)
    if session is None:
        invocation.output.show(
            {"job": name, "session": None},
            f"Nothing to copy: job {name!r} has copied every restore point that it should.",
        )
        return DONE
    return show_end(invocation, name, ran, stop)


def _terms(
    invocation: Invocation, name: str, session: CopySession, progress: Progress, stop: Stop
) -> Terms:
    def tell_place(place: Place) -> None:
        stop.notice = LEAVING if place is Place.APPLIANCE else STOPPING

    return Terms(
        local=Runner(progress=progress, stop=stop),
        watch=watch_terms(invocation, session, progress, stop),
        fallback=invocation.config.job(name).fallback,
        tell_place=tell_place,
    )


def watch_terms(
    invocation: Invocation, session: CopySession, progress: Progress, stop: Stop
) -> Watch:
    """Return how a session in an appliance is watched from the command line."""
    return Watch(
        progress=progress,
        leave=stop,
        go_on=invocation.command_line("session", "resume", session.id),
        again=invocation.command_line("session", "watch", session.id),
    )


def show_end(invocation: Invocation, name: str, ran: Ran, stop: Stop) -> int:
    """Show how a run ended, or that it goes on without whoever has watched it."""
    if ran.outcome is None:
        session_id = ran.session.id
        watch = invocation.command_line("session", "watch", session_id)
        end = invocation.command_line("session", "stop", session_id)
        raise InterruptedRunError(
            f"the appliance works on at the session {session_id}",
            f"To watch it again: {watch}; to stop it: {end}",
            stop.exit_code,
        )
    invocation.output.show(
        {"job": name, "session": _document(ran, ran.outcome)},
        *_lines(invocation, ran, ran.outcome),
    )
    return _exit_code(ran.outcome, stop)


def _document(ran: Ran, outcome: SessionOutcome) -> Document:
    plan, report = outcome.plan, outcome.report
    record = outcome.record
    warnings = record.warnings if record else ()
    return {
        "id": outcome.session_id,
        "status": outcome.status,
        "source_point": outcome.source_point,
        "runner": ran.runner,
        "runner_reason": ran.reason,
        "reasons": list(report.reasons if report else warnings),
        "damaged_items": damaged_documents(report.items if report else ()),
        "planned_blob_count": plan.new_blob_count if plan else 0,
        "planned_content_size": plan.new_content_size if plan else 0,
        "reused_blob_count": plan.reused_blob_count if plan else 0,
        **transfer_document(outcome.transfer, outcome.seconds),
        "restore_point": point_document(record) if record else None,
    }


def _lines(invocation: Invocation, ran: Ran, outcome: SessionOutcome) -> list[str]:
    lines = [f"Session {outcome.session_id}: {outcome.status}"]
    if ran.reason != NOT_CONFIGURED:
        lines.append(f"  ran on     {ran.runner}, because {ran.reason}")
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
