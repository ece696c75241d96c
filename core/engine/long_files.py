"""Files of several pieces that are restored in order: their pieces wait in a file of the workspace.

A file of a terabyte has 131,072 pieces, several files are under way at once, and each reads its own
pieces at its own speed. So a piece is a line there, and in memory only while it is worked on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.catalog.workspace import spooled
from core.ids import BlobId, Digest, PackId, SessionId
from core.limits import BLOB_SIZE_MAX
from core.model import PackRow
from core.plan.restore import Frame, Piece, Place, Target

PIECE_COLUMNS = (
    "ordinal, length, blob, pack_no, frame_offset, frame_length, blob_offset, blob_length, digest, "
    "session, pack, pack_size, header"
)
"""What a line is made of; from ``pack_no`` on all are None for a loose blob."""
_LOOSE_FIELDS = 3

PieceRow = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPiece:
    """A piece and the pack that has it; None: it is loose."""

    piece: Piece
    pack: PackRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LongFile:
    """A file whose pieces are the ``count`` lines at ``start`` of the spool at ``path``."""

    target: Target
    path: Path
    start: int
    count: int

    def pieces(self) -> Iterator[PlacedPiece]:
        """Yield the pieces in order, each by its choices."""
        with spooled(self.path, "r") as lines:
            lines.seek(self.start)
            for _ in range(self.count):
                yield _parse(lines.readline(), self.target)


def spool_files(
    files: Iterable[tuple[Target, Iterable[PieceRow]]], path: Path
) -> Iterator[LongFile]:
    """Write each file's rows of ``PIECE_COLUMNS`` to ``path`` and yield the file, one by one.

    The rows of a file are asked for and written before it is yielded.
    """
    end = 0
    with spooled(path) as lines:
        for target, rows in files:
            start, count = end, 0
            for row in rows:
                end += lines.write(_line(row))
                count += 1
            lines.flush()
            yield LongFile(target=target, path=path, start=start, count=count)


def _line(row: PieceRow) -> str:
    known = row if row[_LOOSE_FIELDS] is not None else row[:_LOOSE_FIELDS]
    return ",".join(each.hex() if isinstance(each, bytes) else str(each) for each in known) + "\n"


def _parse(line: str, target: Target) -> PlacedPiece:
    ordinal, length, blob, *places = line.rstrip("\n").split(",")
    place, pack = _parse_place(*places) if places else (None, None)
    piece = Piece(
        target=target,
        ordinal=int(ordinal),
        offset=int(ordinal) * BLOB_SIZE_MAX,
        length=int(length),
        blob=BlobId(bytes.fromhex(blob)),
        place=place,
    )
    return PlacedPiece(piece=piece, pack=pack)


def _parse_place(*fields: str) -> tuple[Place, PackRow]:
    number, frame_offset, frame_length, offset, length, digest, session, pack, size, header = fields
    place = Place(
        frame=Frame(pack=int(number), offset=int(frame_offset), length=int(frame_length)),
        offset=int(offset),
        length=int(length),
        digest=Digest(bytes.fromhex(digest)),
    )
    row = PackRow(
        session_id=SessionId(session),
        pack_id=PackId(pack),
        size=int(size),
        sha256=b"",
        header=bytes.fromhex(header),
    )
    return place, row
