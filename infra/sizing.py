"""What copies of some size are made of, in any cloud, and how docs/scale.md gets its tables.

Each cloud's ``scale.py`` adds what its functions do in it, its prices and its limits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Generic, TypeVar

from core import limits
from core.plan.copy import Group, batch_limits, current_limits, cut_batches

Found = TypeVar("Found")
DOCUMENT = Path(__file__).resolve().parents[1] / "docs/scale.md"
MB = 1_000_000
GB = 1_000 * MB
TIB = 1 << 40
BLOB_SIZE = 512 * limits.KIB
SIZES = {"1 TiB": TIB, "100 TiB": 100 * TIB, "1 PiB": 1024 * TIB}

# --- What was measured, and what is assumed -------------------------------------------------------
STOP_CHECK_SECONDS = limits.STEP_STOP_CHECK_SECONDS
# Ten million blobs in 60 s on two cores (docs/benchmarks.md). Publish took 66 s with what it reads
# kept; where there is no room for that it reads parts twice, for which half as much is added.
ROWS_PER_SECOND = 10_000_000 / 60
PUBLISHED_ROWS_PER_SECOND = 10_000_000 / 90
# Each pack of a session takes publish five requests: its part is read twice where there is no room
# to keep it, and its checksum is asked for.
PROOF_REQUESTS, REQUEST_SECONDS = 5, 0.02
# What is at most in the temporary folder: two digests of each blob, which no compression makes
# smaller, and the objects at hand. 140 and 279 MB were measured of plans, 204 and 345 MB of the
# publishing of two and four million blobs, all new, none of what was fetched being kept
# (benchmarks/planning.py, "tight"); 200 MB of a second session of two million, of which 1 % is new.
TEMPORARY_BYTES_PER_BLOB = 70
TEMPORARY_BYTES = 100 * MB
# What may be needed once more is kept in some of the room, the source's tables apart from others.
TEMPORARY_SHARE = 1 - 2 / limits.TABLES_KEPT_SHARE
# Hot for as long as the copy lives: index and layer rows.
METADATA_BYTES_PER_BLOB = 160
# Nothing is compressed and nothing is there already: the most that a session can be.
STORED_SHARE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The batches of a first session that copies ``size`` bytes of content."""

    size: int
    blobs: int
    batches: int
    batch_size: int
    packs: int

    @property
    def plan_seconds(self) -> float:
        """How long the calls of plan take."""
        return self.blobs / ROWS_PER_SECOND

    @property
    def publish_seconds(self) -> float:
        """How long publish takes, whose one call has to do all of it."""
        requests = self.packs * PROOF_REQUESTS * REQUEST_SECONDS / limits.PROOF_THREADS
        return self.blobs / PUBLISHED_ROWS_PER_SECOND + requests

    @property
    def upload_parts(self) -> int:
        """Parts, or blocks, that its packs are uploaded in."""
        return ceil(self.size * STORED_SHARE / limits.UPLOAD_PART_SIZE)

    @property
    def temporary_bytes(self) -> int:
        """What plan and publish cannot do without in the temporary folder."""
        return self.blobs * TEMPORARY_BYTES_PER_BLOB + TEMPORARY_BYTES


def cut(size: int) -> Cut:
    """Cut a session of this size into batches, with the functions that plan one."""
    blobs = ceil(size / BLOB_SIZE)
    bounds = batch_limits(blobs, size, current_limits())
    groups = max(1, blobs // max(1, bounds.size_max // 64 // BLOB_SIZE))
    whole = [Group(count=blobs // groups, size=size // groups)] * groups
    batches = sum(1 for _ in cut_batches(whole, bounds))
    batch_size = ceil(size / batches)
    packs_of_batch = ceil(batch_size * STORED_SHARE / limits.PACK_SIZE_MAX)
    return Cut(
        size=size,
        blobs=blobs,
        batches=batches,
        batch_size=batch_size,
        packs=batches * packs_of_batch,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Generic[Found]):
    """A bound, and how much of it a session of some size takes."""

    name: str
    bound: float
    used: Callable[[Found], float]

    def share(self, found: Found) -> float:
        """Return how much of it is used; above 1 it is exceeded."""
        return self.used(found) / self.bound


def reach(limit: Limit[Found], scale: Callable[[int], Found]) -> str:
    """Return the size at which a limit is met, or that none meets it."""
    low, high = 0.01, 1024.0 * 64
    if limit.share(scale(int(high * TIB))) < 1:
        return "never"
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        if limit.share(scale(int(middle * TIB))) < 1:
            low = middle
        else:
            high = middle
    return f"{high:,.1f} TiB" if high < 10 else f"{high:,.0f} TiB"


# --- The document ---------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns but the first are numbers."""
    return "\n".join(_lines(head, rows))


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def fill(text: str, tables: Mapping[str, str]) -> str:
    """Return a document with each of the tables between its two marks."""
    for name, lines in tables.items():
        before, mark, rest = text.partition(f"<!-- table: {name} -->\n")
        _, end, after = rest.partition("\n<!-- end -->")
        if not (mark and end):
            raise SystemExit(f"{DOCUMENT} has no place for the table {name}")
        text = f"{before}{mark}\n{lines}\n{end}{after}"
    return text


def summed_rows(paid: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """Return what is paid for what, a column for each size, and the sums."""
    rows = [[name, *(f"{each[name]:,.2f}" for each in paid)] for name in paid[0]]
    return [*rows, ["**in all**", *(f"**{sum(each.values()):,.2f}**" for each in paid)]]


def per_tebibyte(paid: Sequence[Mapping[str, float]], sizes: Sequence[int]) -> list[str]:
    """Return the row of what a tebibyte costs."""
    sums = [sum(each.values()) for each in paid]
    per = [total / (size / TIB) for total, size in zip(sums, sizes, strict=True)]
    return ["a TiB", *(f"{each:,.2f}" for each in per)]


def limit_rows(
    limits_: Sequence[Limit[Found]], found: Sequence[Found], scale: Callable[[int], Found]
) -> list[list[str]]:
    """Return the shares of each limit, and where it is met."""
    return [
        [limit.name, *(f"{limit.share(each):.1%}" for each in found), reach(limit, scale)]
        for limit in limits_
    ]
