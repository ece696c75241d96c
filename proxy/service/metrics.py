"""What the service counts, in the format that Prometheus reads."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from core.engine.state import Transfer
from core.model import SessionStatus

_DURATION_BUCKETS = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600)


class Metrics:
    """All metrics, in a registry of their own. Safe to use from any thread."""

    def __init__(self) -> None:
        """Count from nothing."""
        self.registry = CollectorRegistry()
        registry = self.registry
        self.up = Gauge("coldhaul_up", "1 while the service runs", registry=registry)
        self.sessions = Counter(
            "coldhaul_sessions",
            "Runs of sessions by how they ended; Error: with their session still open",
            ("job", "status"),
            registry=registry,
        )
        self.last_success = Gauge(
            "coldhaul_last_success_timestamp_seconds",
            "When a session of the job was last published by this process",
            ("job",),
            registry=registry,
        )
        self.content = Counter(
            "coldhaul_content_bytes", "Content copied", ("job",), registry=registry
        )
        self.stored = Counter(
            "coldhaul_stored_bytes", "Bytes of packs stored", ("job",), registry=registry
        )
        self.packs = Counter("coldhaul_packs", "Packs stored", ("job",), registry=registry)
        self.duration = Histogram(
            "coldhaul_session_duration_seconds",
            "Wall time of runs",
            ("job",),
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )
        self.lag = Gauge(
            "coldhaul_lag_seconds",
            "For how long the job has been due and not been run",
            ("job",),
            registry=registry,
        )
        self.running = Gauge(
            "coldhaul_running", "1 while the job runs here", ("job",), registry=registry
        )
        self.done = Gauge(
            "coldhaul_phase_done_bytes", "Content done of this run", ("job",), registry=registry
        )
        self.planned = Gauge(
            "coldhaul_phase_total_bytes", "Content to do of this run", ("job",), registry=registry
        )
        self.errors = Counter(
            "coldhaul_errors", "Looks and runs that failed", ("job", "category"), registry=registry
        )
        self.notices = Counter(
            "coldhaul_notices", "Notices by their fate", ("notify", "fate"), registry=registry
        )

    def watch_job(self, job: str, lag_seconds: Callable[[], float]) -> None:
        """Show a job from now on; what is shown of it already goes on."""
        for status in (SessionStatus.SUCCESS, SessionStatus.WARNING, SessionStatus.FAILED):
            self.sessions.labels(job, status.value)
        for counter in (self.content, self.stored, self.packs):
            counter.labels(job)
        self.running.labels(job)
        self.lag.labels(job).set_function(lag_seconds)

    def forget_job(self, job: str) -> None:
        """Show the moving values of a job no longer; what was counted stays counted."""
        for gauge in (self.running, self.lag, self.done, self.planned):
            if (job,) in gauge._metrics:
                gauge.remove(job)

    def count_run(
        self, job: str, status: str, transfer: Transfer, seconds: float, ended: float
    ) -> None:
        """Count a run of a session that ended at ``ended`` (seconds since the epoch)."""
        self.sessions.labels(job, status).inc()
        self.content.labels(job).inc(transfer.content_size)
        self.stored.labels(job).inc(transfer.stored_size)
        self.packs.labels(job).inc(transfer.pack_count)
        self.duration.labels(job).observe(seconds)
        if status in {SessionStatus.SUCCESS, SessionStatus.WARNING}:
            self.last_success.labels(job).set(ended)

    def render(self) -> bytes:
        """Write all of them as text."""
        return generate_latest(self.registry)
