"""Metadata packs: a point's record, layers and index once more, among the packs (I8).

A metadata pack is an ordinary pack. Its blobs, end to end, are a JSON list of [name, length] and
then the content of these objects, cut at ``BLOB_SIZE_MAX``; ids equal digests. What does not fit
into one pack goes on in the next.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core import ids, limits
from core.engine.packing import OpenPack
from core.engine.tables import Tables
from core.errors import IntegrityError
from core.format import frame, names, pack, seal
from core.format.pack import FrameBlob
from core.ids import BlobId, PackId, SessionId
from core.model import PackedBlob, TableObject
from core.sources.pack_reader import PackReader
from core.sources.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMember:
    """A stored table that goes into a metadata pack, fetched for as long as its turn takes."""

    table: TableObject
    tables: Tables

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def size(self) -> int:
        """The table's bytes."""
        return self.table.size

    def pieces(self) -> Iterator[bytes]:
        """Yield the content, cut at ``BLOB_SIZE_MAX``."""
        (path,) = self.tables.fetch_all([self.table])
        yield from _file_pieces(path)
        self.tables.release([self.table.name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An object that goes into a metadata pack: its name and where its content is."""

    name: str
    content: bytes | Path

    @property
    def size(self) -> int:
        """The content's bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def pieces(self) -> Iterator[bytes]:
        """Yield the content, cut at ``BLOB_SIZE_MAX``."""
        if isinstance(self.content, bytes):
            for start in range(0, len(self.content), limits.BLOB_SIZE_MAX):
                yield self.content[start : start + limits.BLOB_SIZE_MAX]
            return
        yield from _file_pieces(self.content)


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(limits.BLOB_SIZE_MAX):
            yield piece


def write_metadata_pack(
    repository: Repository, session_id: SessionId, members: Sequence[Member | StoredMember]
) -> list[str]:
    """Store the members under a new pack id; return the names of the packs written."""
    pack_id = ids.new_pack_id()
    written: list[str] = []
    current: OpenPack | None = None
    try:
        for piece in _pieces(members):
            compressed = frame.encode_frame(piece, repository.identity.parameters.zstd_level)
            blob = _describe(piece)
            limit = repository.identity.parameters.pack_size
            if current is not None and current.size_with(len(compressed), 1) > limit:
                current.complete()
                current = None
            if current is None:
                current = _open(repository, session_id, pack_id, written)
            current.add(compressed, [blob])
        assert current is not None, "a metadata pack has at least its list"
        current.complete()
    finally:
        if current is not None:
            current.abort()
    return written


def _open(
    repository: Repository, session_id: SessionId, pack_id: PackId, written: list[str]
) -> OpenPack:
    name = names.metadata_pack(session_id, pack_id, len(written))
    written.append(name)
    return OpenPack(repository, session_id, name, pack_id)


def _pieces(members: Sequence[Member | StoredMember]) -> Iterator[bytes]:
    yield json.dumps([[member.name, member.size] for member in members]).encode()
    for member in members:
        yield from member.pieces()


def _describe(piece: bytes) -> FrameBlob:
    digest = ids.content_digest(piece)
    return FrameBlob(id=BlobId(digest), digest=digest, length=len(piece))


def list_metadata_packs(repository: Repository) -> dict[str, list[tuple[str, int]]]:
    """Return all metadata packs: (name, stored size) of each one's packs in order.

    Keys are the names of the first packs; a pack whose first is missing is left out.
    """
    sizes = {
        head.name: head.size for head in repository.store.list(names.PACKS) if "/meta-" in head.name
    }
    found: dict[str, list[tuple[str, int]]] = {}
    for name in sizes:
        if name.rpartition("/meta-")[2].count("-"):
            continue
        run = [(name, sizes[name])]
        while (following := f"{name}-{len(run)}") in sizes:
            run.append((following, sizes[following]))
        found[name] = run
    return found


def read_metadata_pack(
    repository: Repository, packs: Sequence[tuple[str, int]], folder: Path
) -> dict[str, Path]:
    """Write a metadata pack's members to files in ``folder``; return their paths by name."""
    blobs = _read_blobs(repository, packs)
    listing = _parse_listing(packs[0][0], next(blobs))
    members: dict[str, Path] = {}
    for number, (name, length) in enumerate(listing):
        path = folder / f"member-{len(list(folder.iterdir()))}-{number}"
        _write_member(path, length, blobs, name)
        members[name] = path
    if next(blobs, None) is not None:
        raise IntegrityError(f"{packs[0][0]} holds more than its list names")
    return members


def read_listing(repository: Repository, packs: Sequence[tuple[str, int]]) -> dict[str, int] | None:
    """Return the names and sizes of a metadata pack's members, reading little more than that.

    None when its packs, going by their tables, do not hold all of them: whoever wrote it was
    stopped, or a pack of it is lost.
    """
    readers = [open_pack_by_name(repository, name, size) for name, size in packs]
    rows = [read_pack_rows(reader) for reader in readers]
    first = rows[0][0]
    content = readers[0].read_frame(first.frame_offset, first.frame_length)
    listing = _parse_listing(packs[0][0], check_blob(packs[0][0], first, content))
    stored = sum(row.length for pack_rows in rows for row in pack_rows) - first.length
    return dict(listing) if stored == sum(length for _, length in listing) else None


def _write_member(path: Path, length: int, blobs: Iterator[bytes], name: str) -> None:
    remaining = length
    with path.open("wb") as file:
        while remaining > 0:
            piece = next(blobs, b"")
            if not piece or len(piece) > remaining:
                raise IntegrityError(f"{name} is not whole in its metadata pack")
            file.write(piece)
            remaining -= len(piece)


def _parse_listing(name: str, data: bytes) -> list[tuple[str, int]]:
    try:
        listing = [(str(member), int(length)) for member, length in json.loads(data)]
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"{name} does not begin with a list of its members") from error
    return listing


def _read_blobs(repository: Repository, packs: Sequence[tuple[str, int]]) -> Iterator[bytes]:
    for name, size in packs:
        reader = open_pack_by_name(repository, name, size)
        rows = read_pack_rows(reader)
        for row in rows:
            content = reader.read_frame(row.frame_offset, row.frame_length)
            yield check_blob(reader.name, row, content)


def open_pack_by_name(repository: Repository, name: str, size: int) -> PackReader:
    """Prepare reading a pack of which only name and stored size are known."""
    header = b""
    if repository.identity.is_encrypted:
        with _named(name):
            seal.plain_size(size)
        header = repository.store.get_range(name, 0, seal.HEADER_SIZE)
    return repository.open_pack_at(name, size, header)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Let damage say where it is."""
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(f"{name}: {error.message.removeprefix(name + ': ')}") from error


def read_pack_rows(reader: PackReader) -> list[PackedBlob]:
    """Return where every blob of a pack is, from the pack's own tables."""
    size = reader.content_size
    tail = b""
    with _named(reader.name):
        while (wanted := min(size, pack.tail_size(size, tail))) > len(tail):
            tail = reader.read(size - wanted, wanted)
        return pack.read_tail(size, tail)


def check_blob(name: str, row: PackedBlob, frame_content: bytes) -> bytes:
    """Return a blob out of its frame's content, its digest checked (I4)."""
    content = frame_content[row.offset : row.offset + row.length]
    if len(content) != row.length or ids.content_digest(content) != row.digest:
        raise IntegrityError(f"{name}: the blob at {row.frame_offset} is not what was packed")
    return content
