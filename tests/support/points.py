"""Restore points made by hand, loose or packed, with whatever is wrong with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core import ids
from core.catalog.tables import INDEX_COLUMNS, write_items, write_part
from core.catalog.workspace import Workspace, quote
from core.engine.packing import begin_pack
from core.engine.tables import BLOB_ROW_SIZE, ITEM_ROW_SIZE, Tables
from core.format import frame, names
from core.format.pack import FrameBlob
from core.ids import BlobId, SessionId
from core.limits import BLOB_SIZE_MAX, MIB
from core.model import Item, ItemKind, Layer, PackedBlob, PackRow, Record, SessionKind
from core.sources.repository import Repository

_MEMORY_SIZE = 256 * MIB
MODIFIED = 1_700_000_000_123_456_789
TIME = "20250301T120000000000Z"


def file_item(path: bytes, content_size: int, blobs: Iterable[bytes], mode: int = 0o644) -> Item:
    """Return a file's item."""
    return Item(
        path=path,
        kind=ItemKind.FILE,
        size=content_size,
        modified=MODIFIED,
        metadata=f'{{"mode":{mode}}}',
        blobs=tuple(BlobId(blob) for blob in blobs),
    )


def folder_item(path: bytes, mode: int = 0o755, modified: int = MODIFIED) -> Item:
    """Return a folder's item."""
    metadata = f'{{"mode":{mode}}}'
    return Item(path=path, kind=ItemKind.FOLDER, modified=modified, metadata=metadata)


def link_item(path: bytes, target: bytes, modified: int = MODIFIED) -> Item:
    """Return a symbolic link's item."""
    metadata = f'{{"target":"{target.hex()}"}}'
    return Item(path=path, kind=ItemKind.LINK, modified=modified, metadata=metadata)


def cut(content: bytes) -> list[bytes]:
    """Cut a file's content into blobs."""
    return [
        content[start : start + BLOB_SIZE_MAX] for start in range(0, len(content), BLOB_SIZE_MAX)
    ]


def write_point(repository: Repository, items: Iterable[Item]) -> Record:
    """Store a restore point of one layer, and nothing that its items need."""
    session_id = ids.new_session_id()
    with Workspace(_MEMORY_SIZE) as workspace:
        count = write_items(workspace, items, "made_items")
        tables = Tables(repository, workspace)
        objects = tables.store(
            "made_items", "path", lambda number: names.layer(session_id, number), ITEM_ROW_SIZE
        )
    record = Record(
        source_id=repository.identity.id,
        source_point=ids.point_id(TIME, session_id),
        session_id=session_id,
        kind=SessionKind.BACKUP,
        job_id=None,
        parent=None,
        layers=(Layer(objects=objects, rows=count),) if objects else (),
        item_count=count,
    )
    repository.write_value(names.record(record.source_id, TIME, session_id), record)
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePack:
    """A stored pack and what is in it."""

    row: PackRow
    blobs: tuple[PackedBlob, ...]

    @property
    def name(self) -> str:
        """The pack's name in its store."""
        return names.pack_of(self.row)


def packed_id(repository: Repository, content: bytes) -> BlobId:
    """Return the id that ``write_pack`` gives a blob."""
    source_id = ids.content_digest(content)
    return ids.packed_blob_id(source_id, ids.SPACE_UNENCRYPTED, repository.id_key)


def write_pack(repository: Repository, frames: Sequence[Sequence[bytes]]) -> MadePack:
    """Store a pack of these frames of blobs; no index has it yet."""
    pack = begin_pack(repository, ids.new_session_id())
    rows: list[PackedBlob] = []
    try:
        for contents in frames:
            blobs = [
                FrameBlob(
                    id=packed_id(repository, content),
                    digest=ids.content_digest(content),
                    length=len(content),
                )
                for content in contents
            ]
            rows += pack.add(frame.encode_frame(b"".join(contents), 3), blobs)
        return MadePack(row=pack.complete(), blobs=tuple(rows))
    finally:
        pack.abort()


def write_index(
    repository: Repository, row: PackRow, blobs: Iterable[PackedBlob], session_id: str = ""
) -> str:
    """Store an index object of these rows and return its name."""
    session = SessionId(session_id) if session_id else ids.new_session_id()
    with Workspace(_MEMORY_SIZE) as workspace:
        path = workspace.new_path("part")
        write_part(workspace, path, row, ((n, "", blob, "") for n, blob in enumerate(blobs)))
        relation = f"(select {INDEX_COLUMNS} from read_parquet({quote(path)}))"
        (table,) = Tables(repository, workspace).store(
            relation, INDEX_COLUMNS, lambda number: names.index(session, number), BLOB_ROW_SIZE
        )
    return table.name


@dataclass(slots=True)
class Point:
    """A restore point being made. Content is stored loose, or in packs of one blob a frame."""

    repository: Repository
    is_packed: bool = False
    items: list[Item] = field(default_factory=list)
    _contents: dict[bytes, None] = field(default_factory=dict)

    def file(self, path: bytes, content: bytes, mode: int = 0o644) -> None:
        """Add a file and its content."""
        blobs: list[bytes] = []
        for piece in cut(content):
            if self.is_packed:
                self._contents[piece] = None
                blobs.append(packed_id(self.repository, piece))
            else:
                blobs.append(self.repository.put_blob(piece)[0])
        self.items.append(file_item(path, len(content), blobs, mode))

    def folder(self, path: bytes, mode: int = 0o755) -> None:
        """Add a folder."""
        self.items.append(folder_item(path, mode))

    def link(self, path: bytes, target: bytes) -> None:
        """Add a symbolic link."""
        self.items.append(link_item(path, target))

    def write(self) -> Record:
        """Store what was added."""
        if self._contents:
            frames = [[content] for content in self._contents]
            made = write_pack(self.repository, frames)
            write_index(self.repository, made.row, made.blobs)
        return write_point(self.repository, self.items)
