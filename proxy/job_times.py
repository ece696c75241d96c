"""When a job ran last and may run next, as ``job list`` shows it."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from core.engine.standing import NEVER, last_begun, last_claimed
from core.model import JobDefinition
from core.sources.repository import Repository
from proxy.config import Config
from proxy.due import next_run
from proxy.tables import JobTable


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """``last`` is when the newest session was claimed; ``next`` is None for a disabled job."""

    last: datetime | None
    next: datetime | None


def zone_of(config: Config) -> tzinfo:
    """Return the time zone of the proxy of a configuration; UTC without one."""
    return UTC if config.proxy is None else config.proxy.time_zone


def job_times(
    job: JobTable, zone: tzinfo, target: Repository, definition: JobDefinition, now: datetime
) -> JobTimes:
    """Tell from the target alone when a job ran and may run."""
    claimed = last_claimed(target, definition.job_id)
    if not definition.is_enabled:
        return JobTimes(last=claimed, next=None)
    last = max(last_begun(target, definition.job_id), claimed or NEVER)
    return JobTimes(last=claimed, next=next_run(job.schedule, job.window, zone, last, now))


def show_moment(moment: datetime | None, zone: tzinfo, now: datetime) -> str:
    """Write a moment in local time for people; one that has come is now."""
    if moment is None:
        return ""
    if moment == now:
        return "now"
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
