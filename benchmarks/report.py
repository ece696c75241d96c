"""Results as tables of Markdown and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.bucket_peers import Served
from benchmarks.floor import Floor
from benchmarks.listing import ListingRun
from benchmarks.machine import Machine
from benchmarks.measure import Usage
from benchmarks.planning import Planning
from benchmarks.verdict import Verdict
from core.limits import MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a data set's table. None: it cannot be said of this."""

    name: str
    content_size: int
    usage: Usage
    stored_size: int | None = None
    object_count: int | None = None

    @property
    def rate(self) -> float:
        """Content, in MB a second of wall time."""
        return self.content_size / self.usage.wall / 1e6

    @property
    def cpu_per_gb(self) -> float:
        """CPU seconds for a GB of content."""
        return self.usage.cpu / self.content_size * 1e9


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_line(head, widths)]
    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.append(_line(rules, widths))
    return lines + [_line(row, widths) for row in rows]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    padded = [first.ljust(widths[0])]
    padded += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return f"| {' | '.join(padded)} |"


def set_table(title: str, machine: Machine, rows: Sequence[Row]) -> list[str]:
    """Return a data set's section."""
    head = (
        "",
        "wall s",
        "MB/s",
        "CPU s",
        "CPU s/GB",
        "peak MiB",
        "all MiB",
        "stored MB",
        "objects",
    )
    cells = [
        (
            row.name,
            f"{row.usage.wall:.2f}",
            f"{row.rate:.0f}",
            f"{row.usage.cpu:.2f}",
            f"{row.cpu_per_gb:.2f}",
            _mebibytes(row.usage.peak),
            _mebibytes(row.usage.peak_sum),
            "" if row.stored_size is None else f"{row.stored_size / 1e6:.1f}",
            "" if row.object_count is None else f"{row.object_count:,}",
        )
        for row in rows
    ]
    return [f"## {title}", "", str(machine), "", *write_table(head, cells), ""]


def served_table(
    title: str, machine: Machine, content_size: int, rows: Sequence[Served]
) -> list[str]:
    """Return the section of a data set between two buckets."""
    head = (
        "", "wall s", "MB/s", "CPU s", "CPU s/GB", "servers' CPU s", "peak MiB", "all MiB",
        "reads", "writes", "stored MB", "objects",
    )  # fmt: skip
    cells = [
        (
            row.name,
            f"{row.usage.wall:.2f}",
            f"{content_size / row.usage.wall / 1e6:.0f}",
            f"{row.usage.cpu:.2f}",
            f"{row.usage.cpu / content_size * 1e9:.2f}",
            f"{row.server_cpu:.2f}",
            _mebibytes(row.usage.peak),
            _mebibytes(row.usage.peak_sum),
            f"{row.read_count:,}",
            f"{row.write_count:,}",
            f"{row.stored_size / 1e6:.1f}",
            f"{row.object_count:,}",
        )
        for row in rows
    ]
    return [f"## {title}", "", str(machine), "", *write_table(head, cells), ""]


def _mebibytes(size: int) -> str:
    return f"{size / MIB:.0f}" if size else ""


def floor_table(title: str, floor: Floor, core_count: int) -> list[str]:
    """Return the floor's stages: CPU seconds for a GB of content, and bytes a second."""
    rows = [
        (
            stage,
            f"{seconds / floor.content_size * 1e9:.2f}",
            f"{floor.content_size / seconds / 1e6:.0f}" if seconds else "",
        )
        for stage, seconds in floor.stages.items()
    ]
    for name, seconds in _sums(floor, core_count).items():
        per_gb = seconds / floor.content_size * 1e9
        rows.append((name, f"{per_gb:.2f}", f"{1e3 / per_gb:.0f}"))
    return [f"### The floor: {title}", "", *write_table(("stage", "CPU s/GB", "MB/s"), rows), ""]


def _sums(floor: Floor, core_count: int) -> dict[str, float]:
    sums = {"all stages": floor.cpu}
    if floor.server_cpu:
        sums["their servers"] = floor.server_cpu
    return sums | {f"floor on {core_count} cores, wall": floor.wall(core_count)}


def plan_table(machine: Machine, steps: Sequence[Planning]) -> list[str]:
    """Return the section on planning and publishing."""
    head = ("", "wall s", "CPU s", "peak MiB", "temporary MB", "blobs", "known")
    rows = [
        (
            planning.step,
            f"{planning.wall:.1f}",
            f"{planning.usage.cpu:.1f}",
            _mebibytes(planning.usage.peak),
            f"{planning.usage.temporary / 1e6:,.0f}",
            f"{planning.blob_count:,}",
            f"{planning.known_count:,}",
        )
        for planning in steps
    ]
    return ["## Planning", "", str(machine), "", *write_table(head, rows), ""]


def listing_table(machine: Machine, listing: ListingRun) -> list[str]:
    """Return the section on listing a bucket."""
    head = ("", "listing s", "of it pages", "plan s", "CPU s", "peak MiB", "objects")
    cells = (
        "bucket that is made up",
        f"{listing.listing:.1f}",
        f"{listing.pages:.1f}",
        f"{listing.planning:.1f}",
        f"{listing.usage.cpu:.1f}",
        _mebibytes(listing.usage.peak),
        f"{listing.object_count:,}",
    )
    return ["## Listing", "", str(machine), "", *write_table(head, [cells]), ""]


def verdict_table(machine: Machine, verdicts: Sequence[Verdict]) -> list[str]:
    """Return the ratios, last."""
    rows = [
        (
            verdict.subject,
            verdict.promise,
            f"{verdict.value:.3g}{_unit(verdict)}",
            f"{'>=' if verdict.is_least else '<='} {verdict.target:g}{_unit(verdict)}",
            verdict.word,
        )
        for verdict in verdicts
    ]
    head = ("of", "promise", "measured", "target", "verdict")
    return ["## Ratios", "", str(machine), "", *write_table(head, rows), ""]


def _unit(verdict: Verdict) -> str:
    return verdict.unit if verdict.unit == "x" else f" {verdict.unit}".rstrip()


def verdict_document(verdict: Verdict) -> dict[str, object]:
    """Return a verdict for JSON."""
    return {**asdict(verdict), "verdict": verdict.word}
