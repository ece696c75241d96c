"""The values that the layers pass to each other. All are immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core import limits
from core.ids import BlobId, Digest, JobId, PackId, PointId, RepositoryId, SessionId


class RetentionType(StrEnum):
    """What ages: whole restore points, or each item by itself."""

    SNAPSHOT_BASED = "snapshot-based"
    ITEM_LEVEL = "item-level"


class ItemKind(StrEnum):
    """What an item is. Only files have blobs."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


class SessionKind(StrEnum):
    """What a session does: fill a hot repository, or copy a point of one."""

    BACKUP = "backup"
    COPY = "copy"


class SessionStatus(StrEnum):
    """How a session stands; derived from what is stored, never stored itself."""

    RUNNING = "Running"
    SUCCESS = "Success"
    WARNING = "Warning"
    FAILED = "Failed"
    STOPPED = "Stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How a repository's packs are made; fixed when it is created. Sizes in bytes."""

    pack_size: int = limits.PACK_SIZE_MAX
    frame_size: int = limits.FRAME_SIZE_TARGET
    zstd_level: int = limits.ZSTD_LEVEL_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a repository is, for ever: the content of ``repository.json``."""

    id: RepositoryId
    format_version: int
    retention_type: RetentionType
    is_encrypted: bool
    created: str
    parameters: Parameters = field(default_factory=Parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A row of a layer: the newest state of one path, or that it is gone.

    ``path`` is ``/``-separated bytes without a leading slash. ``modified`` is nanoseconds since
    the epoch. A file's content is cut at ``BLOB_SIZE_MAX``: all of its blobs but the last have
    exactly that length, so lengths follow from ``size``; an empty file has no blobs. A
    ``damaged`` row lists none although its size is not zero. ``metadata`` is JSON text: ``mode``
    (permission bits), ``target`` (hex of a link's target), ``changed`` (ctime in nanoseconds).
    """

    path: bytes
    kind: ItemKind
    size: int = 0
    modified: int = 0
    metadata: str = "{}"
    blobs: tuple[BlobId, ...] = ()
    is_deleted: bool = False
    is_damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRow:
    """A finished pack. ``header`` is the seal's first 56 bytes, empty when unencrypted."""

    session_id: SessionId
    pack_id: PackId
    size: int
    sha256: bytes
    checksum_kind: str = ""
    checksum_value: str = ""
    header: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBlob:
    """Where a blob is inside a pack.

    ``frame_offset`` and ``frame_length`` place the frame in the pack's content (before the
    seal); ``offset`` and ``length`` place the blob in the decompressed frame.
    """

    id: BlobId
    digest: Digest
    frame_offset: int
    frame_length: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableObject:
    """A stored table: its name, the size and SHA-256 of the Parquet bytes, and its rows."""

    name: str
    size: int
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of a restore point; more than one object only where it is very large."""

    objects: tuple[TableObject, ...]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The object that makes a restore point exist.

    ``source_id`` is the repository whose data this is: for a backup the repository itself.
    ``source_point`` is the point's id in the source; a backup's own id. ``parent`` is the id of
    the source point whose state the new layer was laid upon, or None. ``source_layers`` names
    the source's layers at that point (copies only). ``data_set`` is the folder of a backup.
    Counts and sizes are of visible rows, and of what this session added.
    """

    source_id: RepositoryId
    source_point: PointId
    session_id: SessionId
    kind: SessionKind
    job_id: JobId | None
    parent: PointId | None
    layers: tuple[Layer, ...]
    index: tuple[TableObject, ...] = ()
    source_layers: tuple[Layer, ...] = ()
    data_set: str = ""
    item_count: int = 0
    content_size: int = 0
    added_count: int = 0
    removed_count: int = 0
    damaged_count: int = 0
    new_blob_count: int = 0
    new_content_size: int = 0
    reused_blob_count: int = 0
    pack_count: int = 0
    stored_size: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def time(self) -> str:
        """The moment of the point, as ids write it."""
        return self.source_point.split("-", 1)[0]

    @property
    def id(self) -> PointId:
        """The point's id in the repository that holds this record."""
        return PointId(f"{self.time}-{self.session_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition:
    """The standing order as stored beside the data; no secrets.

    ``present`` lists the source's points when the job was created, which it never copies unless
    told; ``since`` is no clock.
    """

    job_id: JobId
    version: int
    source_id: RepositoryId
    source_url: str
    target_url: str
    schedule: str
    is_enabled: bool
    allow_damaged: bool
    present: tuple[PointId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Which session copies (or makes) a point, and under what name its record will appear.

    For a backup ``source_point`` is the point being made and ``ordinal`` is zero.
    """

    session_id: SessionId
    kind: SessionKind
    job_id: JobId | None
    job_version: int
    source_id: RepositoryId
    source_point: PointId
    record_name: str
    ordinal: int
    claimed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeconds:
    """Time the stages of the data path spent working or holding up the next; seconds."""

    source: float = 0.0
    repack: float = 0.0
    target: float = 0.0

    def plus(self, other: "StageSeconds") -> "StageSeconds":
        """Add two measurements."""
        return StageSeconds(
            source=self.source + other.source,
            repack=self.repack + other.repack,
            target=self.target + other.target,
        )

    @property
    def bottleneck(self) -> str:
        """The stage that the others waited for: Source, Repack or Target; empty if none ran."""
        spent: Mapping[str, float] = {
            "Source": self.source,
            "Repack": self.repack,
            "Target": self.target,
        }
        if not any(spent.values()):
            return ""
        return max(spent, key=lambda stage: spent[stage])
