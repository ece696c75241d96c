"""What ``/health`` answers: every job, what it does, what is wrong."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.engine.run import SessionOutcome
from core.engine.standing import NEVER
from proxy.service.job_state import JobState
from proxy.service_tables import ProxyTable

Document = dict[str, Any]


def health_document(
    proxy: ProxyTable,
    states: Sequence[JobState],
    started: datetime,
    now: datetime,
    problems: Sequence[str],
) -> Document:
    """Describe the service; it is healthy while nobody has to look at anything."""
    told = [*problems]
    told += [f"{state.name}: {problem}" for state in states for problem in state.problems]
    return {
        "is_healthy": not told,
        "proxy": proxy.name,
        "pool": proxy.pool,
        "time_zone": str(proxy.time_zone),
        "started": _iso(started),
        "problems": told,
        "jobs": [job_document(state, now) for state in states],
    }


def job_document(state: JobState, now: datetime) -> Document:
    """Describe a job as it stands in the service."""
    return {
        "name": state.name,
        "doing": state.doing,
        "is_enabled": state.is_enabled,
        "session": state.session,
        "last_run": None if state.last == NEVER else _iso(state.last),
        "next_run": _iso(state.next_run(now)),
        "lag_seconds": round(state.lag_seconds(now), 3),
        "waits_for": state.waits_for,
        "last_outcome": state.last_outcome,
        "problems": state.problems,
    }


def outcome_document(outcome: SessionOutcome, ended: datetime) -> Document:
    """Describe how a run ended, in counts."""
    report, record = outcome.report, outcome.record
    return {
        "session": outcome.session_id,
        "status": outcome.status.value,
        "ended": _iso(ended),
        "reasons": list(report.reasons if report else record.warnings if record else ()),
        "restore_point": record.id if record else None,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
