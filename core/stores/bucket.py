"""What is promised of a bucket of any tool's objects: the source of a copy, or where one goes back.

Unlike a ``Store`` its objects have any names and change under the reader. A key is the name below
the prefix as text, ``surrogateescape`` standing for bytes that are no UTF-8. A copy never writes to
its source (I7): it holds a ``Bucket``, a restore a ``WritableBucket``.

Keys are their owner's business (I5): an error has them in its ``items``, and its message says
``...`` in their place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from core.stores.store import Upload

UNNAMED = "..."
"""Stands for a key where messages say which object they are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """What a listing says of an object. ``modified`` is whole seconds since the epoch."""

    key: str
    size: int
    etag: str
    modified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of a listing, in the order of the keys.

    ``prefixes`` are the common prefixes up to and with the next ``/``, when asked for. ``token``
    continues after this page, also days later and from another process; empty at the end.
    """

    objects: tuple[ListedObject, ...]
    prefixes: tuple[str, ...] = ()
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What an object carries beside its content and has to have again after a restore."""

    content_type: str = ""
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPart:
    """Bytes of an object; ``properties`` come with the first of them (offset 0) only."""

    content: bytes
    properties: Properties | None = None


class Bucket(Protocol):
    """All objects under one prefix of a bucket or container, for reading."""

    @property
    def url(self) -> str:
        """Where this is, as the configuration writes it; it carries no secret."""

    @property
    def vendor(self) -> str:
        """One of ``filesystem``, ``amazon-s3``, ``azure-blob``, ``s3-compatible``."""

    @property
    def identity(self) -> str:
        """A text that is the same for ever for this bucket and prefix, and no other."""

    def obey(self, stop: Callable[[], bool]) -> None:
        """Sleep no more once ``stop`` says so, neither for bandwidth nor before another try."""

    def list_page(self, prefix: str = "", *, token: str = "", is_deep: bool = True) -> ListPage:
        """Return one page of the objects whose keys start with ``prefix``.

        Not ``is_deep`` stops at the next ``/`` after ``prefix`` and gives common prefixes.
        """

    def read(self, key: str, etag: str, offset: int, length: int) -> ObjectPart:
        """Return exactly these bytes of the version that ``etag`` names.

        ``ConflictError``: the object is another one by now. ``NotFoundError``: it is gone.
        ``NotReadyError``: it is archived. A ``length`` of 0 asks for the properties alone.
        """

    def describe(self, key: str) -> ListedObject:
        """Return what a listing would say of this object now, or raise ``NotFoundError``."""


class WritableBucket(Bucket, Protocol):
    """A bucket that objects are put back into."""

    def write(self, key: str, properties: Properties, *, size: int, overwrite: bool) -> Upload:
        """Begin an object of ``size`` bytes with these properties.

        ``InputError``: there can be none of this key, size or properties. Without ``overwrite``,
        ``complete`` raises ``ConflictError`` if the name exists.
        """
