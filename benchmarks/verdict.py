"""The figures against what the design promises: pure arithmetic."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.limits import GIB, MIB

FLOOR_SHARE_MIN = 0.8
# By blob size in bytes: how many times as fast as the fastest peer, in wall time and in CPU.
PEER_TIMES_MIN = {28_000: 3.0, MIB: 2.0, 8 * MIB: 1.0}
SMALL_BLOB_SIZE = 28_000
# The peer that copies a restore point from a repository to a repository, checked and sealed anew.
ALIKE = "restic copy"
ARCHIVED_SHARE_MAX = 0.87
WRITES_SHARE_MAX = 0.01
PEAK_MAX = 512 * MIB
INCREMENTAL_SHARE_MAX = 0.03
PLAN_SECONDS_MAX = 60.0
PLAN_PEAK_MAX = 2 * GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run costs: wall and CPU seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFigures:
    """What was measured on one data set; sizes are bytes, counts numbers of things.

    ``idle`` is a run that finds nothing to copy: start-up and key derivation. ``single_size`` is
    what zstd makes of every blob by itself at the same level. Requests are reads of the source
    and writes to the target; ``written_count`` are the latter. ``floor_server_cpu`` is what
    servers on the same cores take to serve what the floor reads and writes.
    """

    name: str
    blob_size: int
    content_size: int
    core_count: int
    floor_cpu: float
    first: Cost
    idle: Cost
    incremental: Cost
    peers: Mapping[str, Cost]
    source_count: int
    written_count: int
    request_count: int
    incremental_request_count: int
    archived_size: int
    single_size: int
    peak: int
    floor_server_cpu: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One promise and what came of it. ``is_least`` says that the value must reach the target."""

    subject: str
    promise: str
    value: float
    target: float
    unit: str
    is_least: bool

    @property
    def is_met(self) -> bool:
        """Say whether the promise is kept."""
        return self.value >= self.target if self.is_least else self.value <= self.target

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return "met" if self.is_met else "short"


def floor_share(figures: SetFigures) -> float:
    """Return which part of a run's wall time even the floor would take."""
    cpu = figures.floor_cpu + (figures.floor_server_cpu or 0.0)
    return cpu / figures.core_count / figures.first.wall


def incremental_share(figures: SetFigures) -> float:
    """Return what an incremental run's CPU is of the first one's, start-up aside."""
    first = figures.first.cpu - figures.idle.cpu
    return max(0.0, figures.incremental.cpu - figures.idle.cpu) / first


def request_share(figures: SetFigures) -> float:
    """Return what an incremental run's requests are of the first one's."""
    return figures.incremental_request_count / figures.request_count


def judge_set(figures: SetFigures) -> Iterator[Verdict]:
    """Yield the verdicts on one data set."""
    name = figures.name
    yield _least(
        name, "wall: share that the floor would take", floor_share(figures), FLOOR_SHARE_MIN
    )
    if figures.floor_server_cpu is not None:
        # Where servers share the cores, CPU alone tells of the client.
        share = figures.floor_cpu / figures.first.cpu
        yield _least(name, "CPU: share that the floor would take", share, FLOOR_SHARE_MIN)
    times = PEER_TIMES_MIN.get(figures.blob_size)
    if times is not None:
        yield from _judge_peers(figures, times)
    if figures.blob_size == SMALL_BLOB_SIZE:
        archived = figures.archived_size / figures.single_size
        yield _most(name, "archived bytes / zstd of each blob", archived, ARCHIVED_SHARE_MAX)
        writes = figures.written_count / figures.source_count
        yield _most(name, "writes / objects of the source", writes, WRITES_SHARE_MAX)
    yield _most(name, "peak memory of a process", figures.peak / MIB, PEAK_MAX / MIB, "MiB")
    yield _most(name, "1 % changed: requests", request_share(figures), INCREMENTAL_SHARE_MAX)
    yield _most(name, "1 % changed: CPU", incremental_share(figures), INCREMENTAL_SHARE_MAX)


def _judge_peers(figures: SetFigures, times: float) -> Iterator[Verdict]:
    """Compare with the fastest of all, and with the one that does the same work."""
    first, peers = figures.first, figures.peers.values()
    wall = min(peer.wall for peer in peers) / first.wall
    cpu = min(peer.cpu for peer in peers) / first.cpu
    yield _least(figures.name, "wall: fastest peer / ours", wall, times, "x")
    yield _least(figures.name, "CPU: least peer / ours", cpu, times, "x")
    alike = figures.peers.get(ALIKE)
    if alike is not None:
        wall, cpu = alike.wall / first.wall, alike.cpu / first.cpu
        yield _least(figures.name, f"wall: {ALIKE} / ours", wall, times, "x")
        yield _least(figures.name, f"CPU: {ALIKE} / ours", cpu, times, "x")


def judge_plan(blob_count: int, seconds: float, peak: int) -> Iterator[Verdict]:
    """Yield the verdicts on planning so many blobs."""
    yield from _judge_plan(f"plan of {blob_count:,}", seconds, peak)


def judge_listing(object_count: int, seconds: float, peak: int) -> Iterator[Verdict]:
    """Yield the verdicts on planning a bucket; listing it takes what its vendor makes it take."""
    yield from _judge_plan(f"listing and plan of {object_count:,}", seconds, peak)


def _judge_plan(name: str, seconds: float, peak: int) -> Iterator[Verdict]:
    yield _most(name, "wall of the plan", seconds, PLAN_SECONDS_MAX, "s")
    yield _most(name, "peak memory", peak / MIB, PLAN_PEAK_MAX / MIB, "MiB")


def _least(subject: str, promise: str, value: float, target: float, unit: str = "") -> Verdict:
    return Verdict(
        subject=subject, promise=promise, value=value, target=target, unit=unit, is_least=True
    )


def _most(subject: str, promise: str, value: float, target: float, unit: str = "") -> Verdict:
    return Verdict(
        subject=subject, promise=promise, value=value, target=target, unit=unit, is_least=False
    )
