"""What every store promises. The conformance suite holds each of them to it.

Names are ``/``-separated ASCII texts below the store's root (see ``check_name``). Objects are
created once and never changed (I2), so there is no way to overwrite one: every write is
create-only. A write is durable before it returns. Failures arrive as the errors of
``core.errors`` and as nothing else.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.errors import InputError
from core.limits import PATH_COMPONENT_SIZE_MAX

_NAME = re.compile(r"[A-Za-z0-9._=+~@-]+(/[A-Za-z0-9._=+~@-]+)*")
NAME_SIZE_MAX = 900
_PART = rf"(?!\.\.?(?:/|\Z))[A-Za-z0-9._=+~@-]{{1,{PATH_COMPONENT_SIZE_MAX}}}"
_WHOLE = re.compile(f"{_PART}(?:/{_PART})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """What a store says of an object without reading it. ``etag`` pins a version of it.

    A head and a completed upload say the same. A listing need not tell the checksum; nor need a
    put, whose ``modified`` may be this machine's clock.
    """

    name: str
    size: int
    etag: str
    modified: datetime
    checksum_kind: str = ""
    checksum_value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedUpload:
    """What somebody began to write and never completed or aborted. It is invisible and costs.

    ``token`` is the store's own name of it; ``size`` is what it holds, 0 where that is unknown.
    """

    name: str
    token: str
    started: datetime
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Whether a store keeps deleted objects, which cost on, and for how many days; 0: for ever."""

    is_kept: bool
    days: int = 0


class Upload(Protocol):
    """One large object on its way. Nothing is visible before ``complete`` returns."""

    def write(self, data: bytes) -> None:
        """Take the next bytes, in order. May block while earlier ones are sent."""

    def complete(self) -> ObjectHead:
        """Make the object visible and durable, or raise ``ConflictError`` if the name exists."""

    def abort(self) -> None:
        """Give up and leave nothing behind. Harmless after ``complete`` and when called twice."""


class Store(Protocol):
    """A folder, bucket or container below one prefix."""

    @property
    def url(self) -> str:
        """Where this is, as the configuration writes it; it carries no secret."""

    @property
    def vendor(self) -> str:
        """One of ``filesystem``, ``amazon-s3``, ``azure-blob``, ``s3-compatible``."""

    def obey(self, stop: Callable[[], bool]) -> None:
        """Sleep no more once ``stop`` says so, neither for bandwidth nor before another try."""

    def head(self, name: str) -> ObjectHead:
        """Describe an object, or raise ``NotFoundError``."""

    def get(self, name: str) -> bytes:
        """Return a whole object, or raise ``NotFoundError``."""

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return exactly these bytes; ``IntegrityError`` if the object ends before them."""

    def put(self, name: str, data: bytes) -> ObjectHead:
        """Create an object from bytes, or raise ``ConflictError`` if the name exists.

        A lost answer can make a write that happened look like a conflict: whoever catches one
        reads the object before drawing a conclusion.
        """

    def upload(self, name: str, *, is_cold: bool = False) -> Upload:
        """Begin a large object. The caller ends it by ``complete`` or ``abort``.

        ``is_cold`` writes it straight into the class for packs (R6), where a store has classes;
        everything else, also what ``put`` writes, goes into the class for metadata.
        """

    def list(self, prefix: str = "") -> Iterator[ObjectHead]:
        """Yield the objects whose names start with ``prefix``, in the order of their names.

        ``prefix`` is a text, not a folder: ``blobs/a`` finds ``blobs/ab/...`` as well.
        """

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no error."""

    def keeping(self, deleted: str) -> Keeping:
        """Say what becomes of objects after ``delete``; ``StoreError`` if the store does not tell.

        ``deleted`` is the name of one that was deleted just now.
        """

    def archived(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return those of these objects that need a retrieval before they can be read.

        The value is the object's class, as the store names it; names that are not there are left
        out. Reading such an object is a ``NotReadyError``.
        """

    def unfinished(self, prefixes: Sequence[str] = ("",)) -> Iterator[UnfinishedUpload]:
        """Yield the uploads that were begun and neither completed nor aborted.

        Only those of names that start with one of ``prefixes``, none of which starts with another.
        """

    def discard(self, upload: UnfinishedUpload) -> None:
        """Abort an upload that ``unfinished`` has found; one that is gone is no error."""


def is_name(text: str) -> bool:
    """Say whether ``check_name`` lets a text pass; for listings, where most do."""
    return len(text) <= NAME_SIZE_MAX and _WHOLE.fullmatch(text) is not None


def check_name(name: str) -> None:
    """Refuse a name that some store could not hold or that would leave the root."""
    if not _NAME.fullmatch(name) or len(name) > NAME_SIZE_MAX:
        raise InputError(f"{name!r} cannot be the name of an object")
    parts = name.split("/")
    if "." in parts or ".." in parts:
        raise InputError(f"{name!r} cannot be the name of an object: it has a '.' or '..' part")
    if max(map(len, parts)) > PATH_COMPONENT_SIZE_MAX:
        raise InputError(
            f"{name!r} cannot be the name of an object: a part of it is longer than"
            f" {PATH_COMPONENT_SIZE_MAX} characters"
        )


def check_prefix(prefix: str) -> None:
    """Refuse a text that no name of an object starts with."""
    # Any text can begin the last part, also one that could not be a part by itself.
    check_name(prefix if len(prefix) == NAME_SIZE_MAX else f"{prefix}x")


def write_whole(upload: Upload, data: bytes) -> ObjectHead:
    """Write an object from bytes and end its upload."""
    try:
        upload.write(data)
        return upload.complete()
    finally:
        upload.abort()
