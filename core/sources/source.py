"""What the engine needs of whatever a copy reads: a repository of ours, or any tool's bucket."""

from dataclasses import dataclass
from typing import Protocol

from core.ids import RepositoryId
from core.model import RetentionType


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBlob:
    """A blob as it is stored. ``properties`` is JSON text, on the first range of an object only."""

    content: bytes
    properties: str = ""


class Source(Protocol):
    """Where blobs come from. It is read and never written to (I7)."""

    @property
    def url(self) -> str:
        """Where this is, as the configuration writes it; it carries no secret."""

    @property
    def vendor(self) -> str:
        """One of ``filesystem``, ``amazon-s3``, ``azure-blob``, ``s3-compatible``."""

    @property
    def id(self) -> RepositoryId:
        """The id under which copies of it are kept: the same for ever."""

    @property
    def retention_type(self) -> RetentionType:
        """What ages: whole restore points, or each item by itself."""

    @property
    def space(self) -> str:
        """Where equal ids mean equal blobs."""

    @property
    def is_changing(self) -> bool:
        """Whether objects change and vanish under the reader as a matter of course."""

    @property
    def has_content_ids(self) -> bool:
        """Whether a blob's id is the digest of its content, checked as it is read."""

    def fetch(self, reference: bytes) -> SourceBlob:
        """Return what a batch's row refers to as the source stores it: wait for it, no more.

        ``NotFoundError``: it is gone. ``IntegrityError``: it has fewer bytes than it should. Of a
        bucket also ``ConflictError``: the object is another one by now, and ``NotReadyError``: it
        is archived.
        """

    def open(self, reference: bytes, stored: bytes) -> bytes:
        """Return the content of what was fetched, checked as far as the source's ids tell.

        ``IntegrityError``: it is damaged.
        """
