"""A session's working objects: what its steps leave for each other, all create-only.

Everything is named below ``sessions/<session id>/``. Steps pass names and counts; these values
carry no item names and no blob lists.
"""

from dataclasses import dataclass, field

from core.format import names
from core.ids import SessionId
from core.model import Layer, StageSeconds, TableObject
from core.plan.copy import PlanLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a plan stands on, fixed first: every rerun and joiner plans from this.

    ``parent`` is the name of the target's newest record of the source, empty without one;
    ``shared_layers`` is how many of the source's layers the new point shares with it, 0 when the
    two states have to be compared whole. ``floor`` and ``source_floor`` are the retention floors
    in nanoseconds. ``parts`` are parts of other sessions whose packs may be reused; ``excluded``
    are the packs, as (session, pack), whose rows do not count.
    """

    parent: str
    shared_layers: int
    floor: int
    source_floor: int
    limits: PlanLimits
    index: tuple[str, ...]
    parts: tuple[str, ...]
    excluded: tuple[tuple[str, str], ...]
    allow_damaged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A part of a bucket: what is below a prefix, or right below it.

    ``prefix`` is the hex of its bytes. Not ``is_deep`` leaves out what has a further ``/``.
    """

    prefix: str
    is_deep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """The disjoint parts that a bucket is cut into; together they are the whole.

    Groups are listed side by side, the parts of each one after the other.
    """

    groups: tuple[tuple[Shard, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A finished listing of a bucket: its stored pieces and the objects in them."""

    objects: tuple[TableObject, ...]
    object_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The rows that the new point adds to its parent, with the source's blob ids.

    ``is_full`` says that there was no parent to build on or that the two were compared whole.
    ``source_layers`` and ``data_set`` are those of the source's point.
    """

    objects: tuple[TableObject, ...]
    row_count: int
    removed_count: int
    range_count: int
    is_full: bool
    source_layers: tuple[Layer, ...]
    data_set: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBatch:
    """One batch: its table, its blobs and their content bytes."""

    table: TableObject
    blob_count: int
    content_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A finished plan. ``ranges`` hold the reused rows and the new blobs by id range."""

    delta: Delta
    ranges: tuple[TableObject, ...]
    batches: tuple[PlannedBatch, ...]
    reused_blob_count: int
    new_blob_count: int
    new_content_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A later round over objects that changed or vanished under the reader.

    ``objects`` are rows like a delta's, for each of these objects as it was found now: a deleted
    one is gone. ``batches`` are numbered from ``first_batch`` on.
    """

    objects: tuple[TableObject, ...]
    row_count: int
    first_batch: int
    batches: tuple[PlannedBatch, ...]
    blob_count: int
    content_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What repacking moved: packs, blobs, content bytes, stored bytes, and the stages' time."""

    pack_count: int = 0
    blob_count: int = 0
    content_size: int = 0
    stored_size: int = 0
    stages: StageSeconds = field(default_factory=StageSeconds)

    def plus(self, other: "Transfer") -> "Transfer":
        """Add what another call moved."""
        return Transfer(
            pack_count=self.pack_count + other.pack_count,
            blob_count=self.blob_count + other.blob_count,
            content_size=self.content_size + other.content_size,
            stored_size=self.stored_size + other.stored_size,
            stages=self.stages.plus(other.stages),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a session by one runner, whether it came to the end or not.

    ``runner`` is who repacked (``local``) and ``runner_reason`` why. ``outcome`` is a status or
    an error's message. Times are moments as ids write them; ``seconds`` is the wall time.
    """

    runner: str
    runner_reason: str
    started: str
    ended: str
    seconds: float
    outcome: str
    transfer: Transfer
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedItem:
    """An item of the source that could not be copied; the path is hex."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Why a session failed, written before its record's name is made void."""

    reasons: tuple[str, ...]
    items: tuple[DamagedItem, ...] = ()


def base_name(session_id: SessionId) -> str:
    """Name what the plan stands on."""
    return names.session(session_id, "base.json")


def shards_name(session_id: SessionId) -> str:
    """Name the parts that a bucket is listed in."""
    return names.session(session_id, "listing/groups.json")


def chunks_prefix(session_id: SessionId) -> str:
    """Return the prefix of the pieces of a listing."""
    return names.session(session_id, "listing/")


def chunk_name(session_id: SessionId, group: int, number: int) -> str:
    """Name the ``number``-th piece of the listing of a group of shards."""
    return f"{chunks_prefix(session_id)}{group:03d}-{number}.parquet"


def listing_name(session_id: SessionId) -> str:
    """Name the description of the finished listing."""
    return names.session(session_id, "listing.json")


def delta_name(session_id: SessionId) -> str:
    """Name the description of the delta."""
    return names.session(session_id, "delta.json")


def delta_table_name(session_id: SessionId, number: int) -> str:
    """Name one table of the delta."""
    return names.session(session_id, f"delta-{number}.parquet")


def range_name(session_id: SessionId, number: int) -> str:
    """Name the result of one id range."""
    return names.session(session_id, f"ranges/{number:05d}.parquet")


def plan_name(session_id: SessionId) -> str:
    """Name the finished plan."""
    return names.session(session_id, "plan.json")


def round_name(session_id: SessionId, number: int) -> str:
    """Name the description of a round; the first is the plan itself."""
    return names.session(session_id, f"rounds/{number}.json")


def found_name(session_id: SessionId, number: int, chunk: int) -> str:
    """Name one piece of what a round has found of the objects it is about."""
    return names.session(session_id, f"rounds/{number}-found-{chunk:05d}.parquet")


def round_table_name(session_id: SessionId, number: int, chunk: int) -> str:
    """Name one table of a round's rows."""
    return names.session(session_id, f"rounds/{number}-rows-{chunk}.parquet")


def reports_prefix(session_id: SessionId) -> str:
    """Return the prefix of the reports of why a session failed."""
    return names.session(session_id, "reports/")


def report_name(session_id: SessionId, number: int) -> str:
    """Name the ``number``-th report of why a session failed."""
    return f"{reports_prefix(session_id)}{number}.json"


def attempts_prefix(session_id: SessionId) -> str:
    """Return the prefix of a session's attempts."""
    return names.session(session_id, "attempts/")


def join_name(session_id: SessionId, own_id: SessionId) -> str:
    """Name the mark of an execution that goes on with a session of somebody else's.

    ``own_id`` is what its own session would have been.
    """
    return names.session(session_id, f"joins/{own_id}")


def stop_name(session_id: SessionId, number: int) -> str:
    """Name the ``number``-th order to stop."""
    return names.session(session_id, f"stops/{number}")


def resume_name(session_id: SessionId, number: int) -> str:
    """Name the order that lifts the ``number``-th stop."""
    return names.session(session_id, f"resumes/{number}")
