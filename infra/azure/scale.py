"""How far the appliance in Azure goes and what it costs: computes its tables of docs/scale.md.

``python infra/azure/scale.py`` puts them there. Everything is arithmetic on the constants of
``core.limits``, the defaults of ``main.bicep``, what benchmarks measured, and prices. No list of
Azure's own could be had: each price says where it is from, and is to be taken within 15 per cent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from core import limits
from infra.sizing import (
    BLOB_SIZE,
    DOCUMENT,
    GB,
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

# --- Defaults of main.bicep, and of host.json -----------------------------------------------------
INSTANCES = 50
MEMORY_MB = 4096
FUNCTION_SECONDS = 900
# A call that can go on another time: an instance that is taken away has ten minutes.
CALL_SECONDS = 480

# --- What is assumed ------------------------------------------------------------------------------
# Content that an instance of two processors repacks in a second. Its work takes 11 to 15 CPU
# seconds a GB (docs/benchmarks.md), so 133 to 180 MB/s; the network of functions, seen at 50 to 85
# MB/s in Amazon's cloud and nowhere told of Azure's, is met before.
REPACK_RATE = 85 * MB
# A call stops early enough for its last pack to be finished.
REPACK_SECONDS = CALL_SECONDS - 120
# What Durable Functions writes for a call of an activity or of another orchestrator: that it was
# begun, that it ended, and the start and end of the orchestrator's turn that took notice. Most
# turns take notice of several; that each takes notice of one is the most.
ROWS_OF_CALL = 4
ROWS_OF_INSTANCE = 4
# Of such a turn: the history is read, rows are added, the instance's row is written. A page of
# history has 1,000 rows.
TABLE_WRITES_OF_TURN, ROWS_OF_PAGE = 2, 1000
# Of a call: its order and its answer are put into a queue, taken and deleted; an order that takes
# long is renewed twice.
QUEUE_OF_CALL = 8
# While a session runs: each instance, and each of four partitions, asks a queue every 30 s at the
# latest; leases of four partitions are renewed every 10 s.
PARTITIONS, POLL_SECONDS, LEASE_SECONDS = 4, 30, 10

# --- Prices in dollars, LRS -----------------------------------------------------------------------
# Microsoft's own sample prices of July 2024 (its page on estimating costs, which calls them
# fictitious), and a reference of several clouds of August 2026, not Azure's; of two, the higher.
READ = 0.005 / 10_000
WRITE = 0.055 / 10_000  # Put Blob and Put Block into Hot; List costs the same.
COMMIT = 0.11 / 10_000  # Put Block List into Archive.
ARCHIVE_GB_MONTH = 0.002  # 0.00099 in East US.
HOT_GB_MONTH = 0.0208
# A third party's table of May 2025.
FLEX_GB_SECOND = 0.000026
# Unsourced: what is remembered of Azure's pages. Small either way.
FLEX_EXECUTION = 0.40 / MB
HUB_QUEUE, HUB_TABLE, HUB_LEASE = 0.05 / 10_000, 0.05 / 10_000, 0.055 / 10_000

# --- Azure's limits -------------------------------------------------------------------------------
# Microsoft's table of the limits of Azure Functions, of February 2025.
TEMPORARY_BYTES_MAX = 800 * MB
INSTANCES_MAX = 1_000
# Microsoft's targets of a storage account: requests a second, and in several regions twice so many.
REQUESTS_PER_SECOND = 20_000
# Larger messages of the task hub go by way of blobs.
MESSAGE_BYTES_MAX = 45 << 10
# Orchestrators with more rows than this were seen to be slow; no limit of Azure's.
HISTORY_ROWS_MAX = 10_000


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
        """How long all batches take, side by side: all are called at once, and none waits."""
        return ceil(self.batches / INSTANCES) * self.batch_seconds

    @property
    def hours(self) -> float:
        """How long the session takes."""
        return (self.plan_seconds + self.repack_seconds + self.publish_seconds) / 3600

    @property
    def groups(self) -> int:
        """Sub-orchestrations, a group of batches each."""
        return ceil(self.batches / limits.GROUP_BATCHES_MAX)

    @property
    def orchestrations(self) -> int:
        """The session's, and one for each group."""
        return 1 + self.groups

    @property
    def activities(self) -> int:
        """Calls of plan, repack and publish."""
        return self.plan_calls + 1 + self.batches * self.batch_calls + 1

    @property
    def group_rows(self) -> int:
        """Rows in the history of a full group."""
        batches = min(self.batches, limits.GROUP_BATCHES_MAX)
        return ROWS_OF_INSTANCE + ROWS_OF_CALL * batches * self.batch_calls

    @property
    def session_rows(self) -> int:
        """Rows in the history of the session's own orchestration."""
        return ROWS_OF_INSTANCE + ROWS_OF_CALL * (self.plan_calls + 2 + self.groups)

    @property
    def rows(self) -> int:
        """Rows of all histories."""
        calls = self.activities + self.groups
        return ROWS_OF_INSTANCE * self.orchestrations + ROWS_OF_CALL * calls

    @property
    def table_requests(self) -> int:
        """Requests to the tables of the task hub; a group's history is read anew at each turn."""
        turns = self.activities + self.groups + self.orchestrations
        pages = ceil(self.group_rows / ROWS_OF_PAGE)
        return turns * (TABLE_WRITES_OF_TURN + pages)

    @property
    def queue_requests(self) -> int:
        """Requests to its queues."""
        polls = (min(INSTANCES, self.batches) + PARTITIONS) * self.hours * 3600 / POLL_SECONDS
        return ceil(QUEUE_OF_CALL * (self.activities + self.groups) + polls)

    @property
    def lease_requests(self) -> int:
        """Requests to its blobs."""
        return ceil(PARTITIONS * self.hours * 3600 / LEASE_SECONDS)


def scale(size: int) -> Scale:
    """Compute what a session of this size is made of."""
    found = cut(size)
    return Scale(
        size=size,
        blobs=found.blobs,
        batches=found.batches,
        batch_size=found.batch_size,
        packs=found.packs,
        plan_calls=ceil(found.blobs / ROWS_PER_SECOND / CALL_SECONDS),
        batch_calls=ceil(found.batch_size / REPACK_RATE / REPACK_SECONDS),
    )


def money(found: Scale) -> dict[str, float]:
    """Return the dollars of one session by what they are paid for."""
    # Of a pack: its part's table and its progress marker. Of a batch: its table, and a few reads.
    puts = found.upload_parts + 2 * found.packs + found.batches
    # Whether to stop is asked by two listings and a look at the record's name.
    looks = found.size / REPACK_RATE / STOP_CHECK_SECONDS
    lists = (found.blobs + found.packs + 2 * found.batches) / limits.AZURE_PAGE_MAX + 2 * looks
    seconds = found.plan_seconds + found.size / REPACK_RATE + found.publish_seconds
    hub = (
        found.queue_requests * HUB_QUEUE
        + found.table_requests * HUB_TABLE
        + found.lease_requests * HUB_LEASE
    )
    return {
        "Blob Storage: reads, one a blob": (found.blobs + looks) * READ,
        "Blob Storage: Put Block, Put Blob, List": (puts + lists) * WRITE,
        "Blob Storage: Put Block List into Archive": found.packs * COMMIT,
        "Functions: memory and time": MEMORY_MB / 1024 * seconds * FLEX_GB_SECOND,
        "Functions: executions": (found.activities + found.orchestrations) * FLEX_EXECUTION,
        "Task hub: queues, tables, leases": hub,
    }


def months_rent(found: Scale) -> dict[str, float]:
    """Return the dollars that a month of the copy costs."""
    hot = found.blobs * METADATA_BYTES_PER_BLOB
    return {
        "Archive": found.size * STORED_SHARE / (1 << 30) * ARCHIVE_GB_MONTH,
        "Hot: index and layers": hot / (1 << 30) * HOT_GB_MONTH,
    }


LIMITS: tuple[Limit[Scale], ...] = (
    Limit(
        name="temporary files of plan and publish, 0.8 GB an instance of Flex Consumption",
        bound=TEMPORARY_BYTES_MAX * TEMPORARY_SHARE,
        used=lambda found: found.temporary_bytes,
    ),
    Limit(
        name="time of publish, which one call does, 900 s",
        bound=FUNCTION_SECONDS,
        used=lambda found: found.publish_seconds,
    ),
    Limit(
        name="requests to the account of the source, 20,000 a second",
        bound=REQUESTS_PER_SECOND,
        used=lambda found: min(INSTANCES, found.batches) * REPACK_RATE / BLOB_SIZE,
    ),
    Limit(
        name="rows in the history of a group of batches; above 10,000 it is slow",
        bound=HISTORY_ROWS_MAX,
        used=lambda found: found.group_rows,
    ),
    Limit(
        name="rows in the history of the session, the same",
        bound=HISTORY_ROWS_MAX,
        used=lambda found: found.session_rows,
    ),
    Limit(
        name="a group's numbers in a message, 45 KiB, were no two of them neighbours",
        bound=MESSAGE_BYTES_MAX,
        used=lambda found: min(found.batches, limits.GROUP_BATCHES_MAX) * len("00000 "),
    ),
    Limit(
        name="instances of an app, 1,000",
        bound=INSTANCES_MAX,
        used=lambda found: min(INSTANCES, found.batches),
    ),
)


# --- The document ---------------------------------------------------------------------------------


def tables() -> dict[str, str]:
    """Return Azure's tables of docs/scale.md by their names there."""
    found = [scale(size) for size in SIZES.values()]
    head = ["", *SIZES]
    paid = [money(each) for each in found]
    sizes = [each.size for each in found]
    figures = [[name, *map(told, found)] for name, told in FIGURES.items()]
    return {
        "azure-figures": table(head, figures),
        "azure-money": table(head, [*summed_rows(paid), per_tebibyte(paid, sizes)]),
        "azure-rent": table(head, summed_rows([months_rent(each) for each in found])),
        "azure-limits": table([*head, "met at"], limit_rows(LIMITS, found, scale)),
    }


def with_tables(text: str) -> str:
    """Return a document with each of the tables between its two marks."""
    return fill(text, tables())


FIGURES: dict[str, Callable[[Scale], str]] = {
    "blobs": lambda found: f"{found.blobs:,}",
    "batches": lambda found: f"{found.batches:,}",
    "content of a batch, GiB": lambda found: f"{found.batch_size / (1 << 30):,.1f}",
    "packs": lambda found: f"{found.packs:,}",
    "orchestrations": lambda found: f"{found.orchestrations:,}",
    "calls of plan, of each batch, of publish": lambda found: (
        f"{found.plan_calls + 1}, {found.batch_calls}, 1"
    ),
    "calls of activities": lambda found: f"{found.activities:,}",
    "rows of history: of the session, of a group, of all": lambda found: (
        f"{found.session_rows:,}, {found.group_rows:,}, {found.rows:,}"
    ),
    "requests to the task hub's queues, tables, blobs": lambda found: (
        f"{found.queue_requests:,}, {found.table_requests:,}, {found.lease_requests:,}"
    ),
    "minutes of a batch": lambda found: f"{found.batch_seconds / 60:,.1f}",
    "hours of planning and proof": lambda found: (
        f"{(found.plan_seconds + found.publish_seconds) / 3600:,.2f}"
    ),
    "hours of repacking": lambda found: f"{found.repack_seconds / 3600:,.1f}",
    "hours in all": lambda found: f"{found.hours:,.1f}",
    "memory of an instance, MB": lambda _: f"{MEMORY_MB:,}",
    "temporary files of plan, MB": lambda found: f"{found.temporary_bytes / MB:,.0f}",
    "TB read and written": lambda found: f"{found.size / GB / 1000:,.1f}",
}


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
