"""How far the appliance goes and what it costs: computes the tables of docs/scale.md.

``python infra/aws/scale.py`` puts them there. Everything is arithmetic on the constants of
``core.limits``, the defaults of ``template.yaml``, what benchmarks measured, and prices. Each of
these stands below with where it is from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from core import limits
from core.plan.copy import Group, batch_limits, current_limits, cut_batches

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/scale.md"
MB = 1_000_000
GB = 1_000 * MB
TIB = 1 << 40
BLOB_SIZE = 512 * limits.KIB
SIZES = {"1 TiB": TIB, "100 TiB": 100 * TIB, "1 PiB": 1024 * TIB}

# --- Defaults of template.yaml --------------------------------------------------------------------
CONCURRENCY = 50
MEMORY_MB = {"plan": 4096, "repack": 1769, "publish": 4096}
STORAGE_MB = {"plan": 8192, "repack": 1024, "publish": 8192}
FUNCTION_SECONDS = 900

# --- What was measured, and what is assumed -------------------------------------------------------
# Content that a function of one processor repacks in a second. Its work takes 11 to 15 CPU seconds
# a GB (docs/benchmarks.md), so 67 to 88 MB/s; networks of functions were seen at 50 to 85 MB/s.
REPACK_RATE = 60 * MB
STOP_CHECK_SECONDS = limits.STEP_STOP_CHECK_SECONDS
# A call stops early enough for its last pack to be finished.
REPACK_SECONDS = 780
# Ten million blobs in 60 s on two cores (docs/benchmarks.md); plan's default memory is 2.3 cores.
# The proof that publish makes goes through as many rows.
ROWS_PER_SECOND = 10_000_000 / 60
# Each pack of a session takes publish three requests, for its part and for its checksum.
PROOF_REQUESTS, REQUEST_SECONDS = 3, 0.02
# Rows of restore point, index and batches in the temporary folder, at their highest: 261 bytes a
# blob were measured of plans of 500,000 and of a million blobs, half of them new.
TEMPORARY_BYTES_PER_BLOB = 300
# Hot for as long as the copy lives: index and layer rows.
METADATA_BYTES_PER_BLOB = 160
# Nothing is compressed and nothing is there already: the most that a session can be.
STORED_SHARE = 1.0

# --- Prices of us-east-1 in dollars, from Amazon's list of 2026-09-28; Lambda's of 2026-04-24
GET = 0.0004 / 1000
PUT = 0.005 / 1000  # LIST, CreateMultipartUpload and UploadPart cost the same, in every class.
COMPLETE = 0.05 / 1000  # CompleteMultipartUpload into DEEP_ARCHIVE.
DEEP_ARCHIVE_GB_MONTH = 0.00099
STANDARD_GB_MONTH = 0.023
# S3 adds to each archived object, in bytes: 32 KiB at the archive's price, 8 KiB at STANDARD's.
ARCHIVED_EXTRA, STANDARD_EXTRA = 32 << 10, 8 << 10
LAMBDA_GB_SECOND = 0.0000133334  # arm64
LAMBDA_REQUEST = 0.20 / MB
LAMBDA_STORAGE_GB_SECOND = 0.0000000309  # Above 512 MB of temporary files.
TRANSITION = 0.025 / 1000

# --- Amazon's limits ------------------------------------------------------------------------------
STORAGE_MB_MAX = 10_240
STATE_BYTES_MAX = 256 << 10
HISTORY_EVENTS_MAX = 25_000
LAMBDA_CONCURRENCY = 1_000
GETS_PER_SECOND = 5_500  # A prefix; S3 divides a busy one by itself, which takes minutes to hours.
EXECUTION_SECONDS_MAX = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One first session that copies ``size`` bytes of content."""

    size: int
    blobs: int
    batches: int
    batch_size: int
    packs: int
    plan_calls: int
    batch_calls: int

    @property
    def plan_seconds(self) -> float:
        """How long the calls of plan take."""
        return self.blobs / ROWS_PER_SECOND

    @property
    def publish_seconds(self) -> float:
        """How long publish takes, whose one call has to do all of it."""
        requests = self.packs * PROOF_REQUESTS * REQUEST_SECONDS / limits.PROOF_THREADS
        return self.blobs / ROWS_PER_SECOND + requests

    @property
    def batch_seconds(self) -> float:
        """How long a batch takes."""
        return self.batch_size / REPACK_RATE

    @property
    def repack_seconds(self) -> float:
        """How long all batches take, side by side."""
        return ceil(self.batches / CONCURRENCY) * self.batch_seconds

    @property
    def hours(self) -> float:
        """How long the session takes."""
        return (self.plan_seconds + self.repack_seconds + self.publish_seconds) / 3600

    @property
    def executions(self) -> int:
        """One, and one for each batch."""
        return 1 + self.batches

    @property
    def transitions(self) -> int:
        """States entered, as Step Functions counts them.

        Of the parent, which copies one point: Begin, Repack batches, Are all batches done?, End,
        How did it end?, Does its job go on?, Session ended, and two for each call of plan and
        publish. Of a batch: its start, two for each call, and Batch ends.
        """
        parent = 7 + 2 * (self.plan_calls + 1) + 2
        return parent + self.batches * (2 + 2 * self.batch_calls)

    @property
    def events(self) -> int:
        """Events of the parent's history: a task has five, another state two, the map six."""
        return 18 + 7 * (self.plan_calls + 1) + 7

    @property
    def temporary_bytes(self) -> int:
        """What plan and publish hold in the temporary folder."""
        return self.blobs * TEMPORARY_BYTES_PER_BLOB


def scale(size: int) -> Scale:
    """Compute what a session of this size is made of, with the functions that plan it."""
    blobs = ceil(size / BLOB_SIZE)
    bounds = batch_limits(
        blobs,
        size,
        current_limits(),
    )
    groups = max(1, blobs // max(1, bounds.size_max // 64 // BLOB_SIZE))
    whole = [Group(count=blobs // groups, size=size // groups)] * groups
    batches = sum(1 for _ in cut_batches(whole, bounds))
    batch_size = ceil(size / batches)
    packs_of_batch = ceil(batch_size * STORED_SHARE / limits.PACK_SIZE_MAX)
    table_seconds = blobs / ROWS_PER_SECOND
    return Scale(
        size=size,
        blobs=blobs,
        batches=batches,
        batch_size=batch_size,
        packs=batches * packs_of_batch,
        plan_calls=ceil(table_seconds / FUNCTION_SECONDS),
        batch_calls=ceil(batch_size / REPACK_RATE / REPACK_SECONDS),
    )


def money(found: Scale) -> dict[str, float]:
    """Return the dollars of one session by what they are paid for."""
    stored = found.size * STORED_SHARE
    parts = ceil(stored / limits.UPLOAD_PART_SIZE)
    # Of a pack: its part's table and its progress marker. Of a batch: its table, and a few reads.
    puts = parts + found.packs + 2 * found.packs + found.batches
    # Whether to stop is asked by two listings and a look at the record's name.
    looks = found.size / REPACK_RATE / STOP_CHECK_SECONDS
    lists = (found.blobs + found.packs + 2 * found.batches) / 1000 + 2 * looks
    gb_seconds = sum(
        MEMORY_MB[role] / 1024 * seconds
        for role, seconds in (
            ("plan", found.plan_seconds),
            ("repack", found.size / REPACK_RATE),
            ("publish", found.publish_seconds),
        )
    )
    temporary = sum(
        (STORAGE_MB[role] - 512) / 1024 * seconds
        for role, seconds in (
            ("plan", found.plan_seconds),
            ("repack", found.size / REPACK_RATE),
            ("publish", found.publish_seconds),
        )
    )
    calls = found.plan_calls + 2 + found.batches * found.batch_calls
    return {
        "S3: GET, one a blob": (found.blobs + looks) * GET,
        "S3: PUT, UploadPart, LIST": (puts + lists) * PUT,
        "S3: CompleteMultipartUpload into DEEP_ARCHIVE": found.packs * COMPLETE,
        "Lambda: memory and time": gb_seconds * LAMBDA_GB_SECOND,
        "Lambda: requests and temporary files": calls * LAMBDA_REQUEST
        + temporary * LAMBDA_STORAGE_GB_SECOND,
        "Step Functions: transitions": found.transitions * TRANSITION,
    }


def months_rent(found: Scale) -> dict[str, float]:
    """Return the dollars that a month of the copy costs."""
    archived = found.size * STORED_SHARE + found.packs * ARCHIVED_EXTRA
    hot = found.packs * STANDARD_EXTRA + found.blobs * METADATA_BYTES_PER_BLOB
    return {
        "DEEP_ARCHIVE": archived / (1 << 30) * DEEP_ARCHIVE_GB_MONTH,
        "STANDARD: index, layers, what S3 keeps of each pack": hot / (1 << 30) * STANDARD_GB_MONTH,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A bound, and how much of it a session of some size takes."""

    name: str
    bound: float
    used: Callable[[Scale], float]

    def share(self, found: Scale) -> float:
        """Return how much of it is used; above 1 it is exceeded."""
        return self.used(found) / self.bound


LIMITS = (
    Limit(
        name="temporary files of plan and publish, 10,240 MB at most",
        bound=STORAGE_MB_MAX * MB,
        used=lambda found: found.temporary_bytes,
    ),
    Limit(
        name="time of publish, which one call does, 900 s",
        bound=FUNCTION_SECONDS,
        used=lambda found: found.publish_seconds,
    ),
    Limit(
        name="GET requests on one prefix of the source, 5,500 a second",
        bound=GETS_PER_SECOND,
        used=lambda found: min(CONCURRENCY, found.batches) * REPACK_RATE / BLOB_SIZE,
    ),
    Limit(
        name="numbers of batches and results of the Map in the state, 256 KiB",
        bound=STATE_BYTES_MAX,
        used=lambda found: found.batches * len('"00000","stopped",'),
    ),
    Limit(
        name="events in the history of the parent, 25,000",
        bound=HISTORY_EVENTS_MAX,
        used=lambda found: found.events,
    ),
    Limit(
        name="functions at the same time, 1,000 an account and region unless it is a new one",
        bound=LAMBDA_CONCURRENCY,
        used=lambda found: min(CONCURRENCY, found.batches),
    ),
    Limit(
        name="length of an execution, a year",
        bound=EXECUTION_SECONDS_MAX,
        used=lambda found: found.hours * 3600,
    ),
)


def reach(limit: Limit) -> str:
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


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Yield the lines of a table whose columns but the first are numbers."""
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def tables() -> dict[str, str]:
    """Return the tables of docs/scale.md by their names there."""
    found = {name: scale(size) for name, size in SIZES.items()}
    head = ["", *SIZES]
    figures = [[name, *map(told, found.values())] for name, told in FIGURES.items()]
    made = {
        "figures": table(head, figures),
        "money": table(head, money_rows(found)),
        "rent": table(head, rent_rows(found)),
        "limits": table([*head, "met at"], limit_rows(found)),
    }
    return {name: "\n".join(lines) for name, lines in made.items()}


def with_tables(text: str) -> str:
    """Return a document with each of the tables between its two marks."""
    for name, lines in tables().items():
        before, mark, rest = text.partition(f"<!-- table: {name} -->\n")
        _, end, after = rest.partition("\n<!-- end -->")
        if not (mark and end):
            raise SystemExit(f"{DOCUMENT} has no place for the table {name}")
        text = f"{before}{mark}\n{lines}\n{end}{after}"
    return text


FIGURES: dict[str, Callable[[Scale], str]] = {
    "blobs": lambda found: f"{found.blobs:,}",
    "batches": lambda found: f"{found.batches:,}",
    "content of a batch, GiB": lambda found: f"{found.batch_size / (1 << 30):,.1f}",
    "packs": lambda found: f"{found.packs:,}",
    "executions": lambda found: f"{found.executions:,}",
    "calls of plan, of each batch, of publish": lambda found: (
        f"{found.plan_calls + 1}, {found.batch_calls}, 1"
    ),
    "state transitions": lambda found: f"{found.transitions:,}",
    "minutes of a batch": lambda found: f"{found.batch_seconds / 60:,.1f}",
    "hours of planning and proof": lambda found: (
        f"{(found.plan_seconds + found.publish_seconds) / 3600:,.2f}"
    ),
    "hours of repacking": lambda found: f"{found.repack_seconds / 3600:,.1f}",
    "hours in all": lambda found: f"{found.hours:,.1f}",
    "memory of plan, repack, publish, MB": lambda _: ", ".join(
        f"{v:,}" for v in MEMORY_MB.values()
    ),
    "temporary files of plan, MB": lambda found: f"{found.temporary_bytes / MB:,.0f}",
}


def money_rows(found: dict[str, Scale]) -> list[list[str]]:
    """Return what each service costs, and the sums."""
    paid = [money(each) for each in found.values()]
    rows = [[name, *(f"{each[name]:,.2f}" for each in paid)] for name in paid[0]]
    sums = [sum(each.values()) for each in paid]
    per = [total / (each.size / TIB) for total, each in zip(sums, found.values(), strict=True)]
    rows.append(["**in all**", *(f"**{total:,.2f}**" for total in sums)])
    rows.append(["a TiB", *(f"{each:,.2f}" for each in per)])
    return rows


def rent_rows(found: dict[str, Scale]) -> list[list[str]]:
    """Return what each class costs a month, and the sums."""
    paid = [months_rent(each) for each in found.values()]
    rows = [[name, *(f"{each[name]:,.2f}" for each in paid)] for name in paid[0]]
    return [*rows, ["**in all**", *(f"**{sum(each.values()):,.2f}**" for each in paid)]]


def limit_rows(found: dict[str, Scale]) -> list[list[str]]:
    """Return the shares of each limit."""
    return [
        [limit.name, *(f"{limit.share(each):.1%}" for each in found.values()), reach(limit)]
        for limit in LIMITS
    ]


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
