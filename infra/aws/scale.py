"""How far the appliance goes and what it costs: computes the tables of docs/scale.md.

``python infra/aws/scale.py`` puts them there. Everything is arithmetic on the constants of
``core.limits``, the defaults of ``template.yaml``, what benchmarks measured, and prices. Each of
these stands below with where it is from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from infra.sizing import (
    BLOB_SIZE,
    DOCUMENT,
    MB,
    METADATA_BYTES_PER_BLOB,
    ROWS_PER_SECOND,
    SIZES,
    STOP_CHECK_SECONDS,
    STORED_SHARE,
    TEMPORARY_SHARE,
    Cut,
    Limit,
    cut,
    fill,
    limit_rows,
    per_tebibyte,
    summed_rows,
    table,
)

# --- Defaults of template.yaml --------------------------------------------------------------------
CONCURRENCY = 50
MEMORY_MB = {"plan": 4096, "repack": 1769, "publish": 4096}
STORAGE_MB = {"plan": 8192, "repack": 1024, "publish": 8192}
FUNCTION_SECONDS = 900

# --- What was measured, and what is assumed -------------------------------------------------------
# Content that a function of one processor repacks in a second. Its work takes 11 to 15 CPU seconds
# a GB (docs/benchmarks.md), so 67 to 88 MB/s; networks of functions were seen at 50 to 85 MB/s.
REPACK_RATE = 60 * MB
# A call stops early enough for its last pack to be finished. Plan's default memory is 2.3 cores.
REPACK_SECONDS = 780

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
class Scale(Cut):
    """One first session that copies ``size`` bytes of content."""

    plan_calls: int
    batch_calls: int

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


def scale(size: int) -> Scale:
    """Compute what a session of this size is made of."""
    found = cut(size)
    return Scale(
        size=size,
        blobs=found.blobs,
        batches=found.batches,
        batch_size=found.batch_size,
        packs=found.packs,
        plan_calls=ceil(found.blobs / ROWS_PER_SECOND / FUNCTION_SECONDS),
        batch_calls=ceil(found.batch_size / REPACK_RATE / REPACK_SECONDS),
    )


def money(found: Scale) -> dict[str, float]:
    """Return the dollars of one session by what they are paid for."""
    # Of a pack: its part's table and its progress marker. Of a batch: its table, and a few reads.
    puts = found.upload_parts + found.packs + 2 * found.packs + found.batches
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


LIMITS: tuple[Limit[Scale], ...] = (
    Limit(
        name="temporary files of plan and publish, 10,240 MB at most",
        bound=STORAGE_MB_MAX * MB * TEMPORARY_SHARE,
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


# --- The document ---------------------------------------------------------------------------------


def tables() -> dict[str, str]:
    """Return the tables of docs/scale.md by their names there."""
    found = [scale(size) for size in SIZES.values()]
    head = ["", *SIZES]
    paid = [money(each) for each in found]
    sizes = [each.size for each in found]
    return {
        "figures": table(head, [[name, *map(told, found)] for name, told in FIGURES.items()]),
        "money": table(head, [*summed_rows(paid), per_tebibyte(paid, sizes)]),
        "rent": table(head, summed_rows([months_rent(each) for each in found])),
        "limits": table([*head, "met at"], limit_rows(LIMITS, found, scale)),
    }


def with_tables(text: str) -> str:
    """Return a document with each of the tables between its two marks."""
    return fill(text, tables())


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


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
