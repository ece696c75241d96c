"""What a restore makes of rows: what an item's metadata says, and in which order to read.

The order of reads is decided here and nowhere else: pieces arrive sorted by where their content
is, so that every frame is read once and every pack from its start to its end.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.errors import IntegrityError
from core.ids import BlobId, Digest
from core.limits import MIB
from core.model import ItemKind

# Ownership is not restored, so set-user-id and set-group-id would lend the rights of whoever
# restores to everybody.
MODE_MASK = 0o1777

# A link's target that the common systems can hold.
LINK_TARGET_SIZE_MAX = 4095

# One blob may be in a million files: what a read has to do is bounded all the same.
READ_PIECES_MAX = 4096
# Small loose blobs are read by one thread in a row, so that handing over costs little.
LOOSE_READ_PIECES = 32
LOOSE_READ_SIZE = MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What an item's metadata says: permission bits, if known, and where a link points."""

    mode: int | None
    link_target: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Inode:
    """What the destination had at an item's path before the restore, to be replaced."""

    device: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be at a path of the destination.

    ``row`` is the item's place in path order, ``modified`` nanoseconds, ``piece_count`` the
    number of blobs that a file is put together from, ``metadata`` the item's.
    """

    row: int
    path: bytes
    modified: int
    mode: int | None
    replaces: Inode | None
    size: int = 0
    piece_count: int = 0
    metadata: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame of a pack; ``pack`` is the pack's number within this restore."""

    pack: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a packed blob is, and what its content has to be."""

    frame: Frame
    offset: int
    length: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A blob of a file: ``length`` bytes at ``offset``. Without a place the blob is loose."""

    target: Target
    ordinal: int
    offset: int
    length: int
    blob: BlobId
    place: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Pieces that one thread reads and writes: of one frame, or of a few loose blobs."""

    frame: Frame | None
    pieces: tuple[Piece, ...]


def read_attributes(kind: ItemKind, metadata: str) -> Attributes:
    """Return what metadata says; ``IntegrityError`` for what no backup writes."""
    try:
        value = json.loads(metadata)
    except (ValueError, RecursionError):
        raise IntegrityError("its metadata is damaged: it is not JSON") from None
    if not isinstance(value, dict):
        raise IntegrityError("its metadata is damaged: it is not an object")
    mode = value.get("mode")
    if mode is not None and (type(mode) is not int or not 0 <= mode < 1 << 32):
        raise IntegrityError("its metadata is damaged: the mode is not a mode")
    target = _link_target(value.get("target")) if kind is ItemKind.LINK else b""
    return Attributes(mode=None if mode is None else mode & MODE_MASK, link_target=target)


def _link_target(value: object) -> bytes:
    try:
        target = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        target = b""
    if not target or b"\0" in target or len(target) > LINK_TARGET_SIZE_MAX:
        raise IntegrityError("its metadata is damaged: the link has no target that could be one")
    return target


def plan_frame_reads(pieces: Iterable[Piece]) -> Iterator[Read]:
    """Cut packed pieces, sorted by frame, into reads.

    Consecutive reads may be of one frame where that has very many pieces; nothing else splits it.
    """
    current: list[Piece] = []
    frame: Frame | None = None
    for piece in pieces:
        assert piece.place is not None
        if current and (piece.place.frame != frame or len(current) >= READ_PIECES_MAX):
            yield Read(frame=frame, pieces=tuple(current))
            current = []
        frame = piece.place.frame
        current.append(piece)
    if current:
        yield Read(frame=frame, pieces=tuple(current))


def plan_loose_reads(pieces: Iterable[Piece]) -> Iterator[Read]:
    """Cut loose pieces, sorted so that equal blobs stand together, into reads.

    A blob is read once, unless more than ``READ_PIECES_MAX`` pieces need it.
    """
    current: list[Piece] = []
    size = 0
    for piece in pieces:
        is_new = not current or piece.blob != current[-1].blob
        is_enough = len(current) >= LOOSE_READ_PIECES or size + piece.length > LOOSE_READ_SIZE
        if current and ((is_new and is_enough) or len(current) >= READ_PIECES_MAX):
            yield Read(frame=None, pieces=tuple(current))
            current, size = [], 0
        size += piece.length if is_new else 0
        current.append(piece)
    if current:
        yield Read(frame=None, pieces=tuple(current))
