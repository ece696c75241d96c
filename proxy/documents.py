"""Restore points, sessions and jobs as the JSON objects that ``--json`` prints.

Sizes are bytes, times are ISO 8601 in UTC, durations are seconds. ``docs/cli.md`` describes them.
"""

from collections.abc import Sequence
from typing import Any

from core.engine.history import SessionView
from core.engine.skipped import SkippedItem
from core.engine.state import Attempt, DamagedItem, Transfer
from core.errors import InputError
from core.ids import parse_time
from core.model import JobDefinition, Record, SessionKind
from proxy.wording import path_fields

Document = dict[str, Any]


def iso_time(text: str) -> str:
    """Rewrite a moment as ids have it; any other text stays as it is."""
    try:
        return parse_time(text).isoformat()
    except InputError:
        return text


def point_document(record: Record) -> Document:
    """Describe a restore point."""
    return {
        "id": record.id,
        "time": iso_time(record.time),
        "kind": record.kind,
        "session": record.session_id,
        "job": record.job_id,
        "source_repository_id": record.source_id,
        "source_point": record.source_point,
        "data_set": record.data_set,
        "item_count": record.item_count,
        "content_size": record.content_size,
        "added_count": record.added_count,
        "removed_count": record.removed_count,
        "damaged_count": record.damaged_count,
        "new_blob_count": record.new_blob_count,
        "new_content_size": record.new_content_size,
        "reused_blob_count": record.reused_blob_count,
        "pack_count": record.pack_count,
        "stored_size": record.stored_size,
        "layer_count": len(record.layers),
        "warnings": list(record.warnings),
    }


def layer_documents(record: Record) -> list[Document]:
    """Describe a restore point's layers, oldest first."""
    return [
        {
            "row_count": layer.rows,
            "size": sum(table.size for table in layer.objects),
            "objects": [table.name for table in layer.objects],
        }
        for layer in record.layers
    ]


def transfer_document(transfer: Transfer, seconds: float) -> Document:
    """Describe what was moved, how fast, and what held it up."""
    return {
        "blob_count": transfer.blob_count,
        "pack_count": transfer.pack_count,
        "content_size": transfer.content_size,
        "stored_size": transfer.stored_size,
        "seconds": round(seconds, 3),
        "content_rate": round(transfer.content_size / seconds) if seconds > 0 else 0,
        "bottleneck": transfer.stages.bottleneck,
    }


def moved_by(view: SessionView) -> Transfer:
    """Return what a session moved: by its runs, or where those are forgotten by its record."""
    record = view.record
    if view.attempts or record is None:
        return view.transfer
    return Transfer(
        pack_count=record.pack_count,
        blob_count=record.new_blob_count,
        content_size=record.new_content_size,
        stored_size=record.stored_size,
    )


def session_document(view: SessionView) -> Document:
    """Describe a session as it stands."""
    claim = view.claim
    latest = view.attempts[-1] if view.attempts else None
    moved = moved_by(view)
    is_backup = claim.kind is SessionKind.BACKUP
    return {
        "id": claim.session_id,
        "kind": claim.kind,
        "status": view.status,
        "reasons": list(view.reasons),
        "job": claim.job_id,
        "job_version": claim.job_version,
        "source_repository_id": claim.source_id,
        "source_point": claim.source_point,
        "restore_point": view.record.id if view.record else None,
        "runner": latest.runner if latest else "",
        "runner_reason": latest.runner_reason if latest else "",
        "claimed": iso_time(claim.claimed),
        "last_seen": iso_time(view.last_seen),
        "planned_blob_count": view.planned_blobs,
        "planned_content_size": view.planned_size,
        "written_object_count": moved.blob_count if is_backup else moved.pack_count,
        **transfer_document(moved, view.seconds),
    }


def attempt_document(attempt: Attempt, *, with_log: bool) -> Document:
    """Describe one run of a session."""
    log = {"log": list(attempt.log)} if with_log else {}
    return {
        "started": iso_time(attempt.started),
        "ended": iso_time(attempt.ended),
        "runner": attempt.runner,
        "runner_reason": attempt.runner_reason,
        "outcome": attempt.outcome,
        **transfer_document(attempt.transfer, attempt.seconds),
        **log,
    }


def damaged_documents(items: Sequence[DamagedItem]) -> list[Document]:
    """Describe items that could not be copied."""
    return [{**path_fields(bytes.fromhex(item.path)), "reason": item.reason} for item in items]


def skipped_documents(items: Sequence[SkippedItem]) -> list[Document]:
    """Describe items that a backup left out."""
    return [
        {**path_fields(item.path), "reason": item.reason, "left_out_count": item.left_out_count}
        for item in items
    ]


def definition_document(definition: JobDefinition) -> Document:
    """Describe a job's stored definition."""
    return {
        "version": definition.version,
        "is_enabled": definition.is_enabled,
        "source_repository_id": definition.source_id,
        "source_url": definition.source_url,
        "target_url": definition.target_url,
        "schedule": definition.schedule,
        "allow_damaged": definition.allow_damaged,
        "present_point_count": len(definition.present),
    }
