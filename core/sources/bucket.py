"""Any tool's objects under a prefix of a bucket, as the source of a copy.

Objects have no ids of ours and change under the reader, so a *reference* says what a listing said
of an object and which range of it is meant: a JSON array of the key's bytes (hex), size, ETag (hex
of its UTF-8), time of the last change in seconds, offset and length, without any space. Its SHA-256
is the blob's source id. Equal references mean equal content; a listing that differs in anything
costs no more than a second copy of what it is about.
"""

import hashlib
import json
from dataclasses import dataclass

from core.errors import IntegrityError, StoreError
from core.ids import RepositoryId
from core.model import RetentionType
from core.sources.source import SourceBlob
from core.stores.bucket import Bucket, ListedObject, Properties

SECONDS_MAX = ((1 << 63) - 1) // 10**9

_TEXTS = (
    "content_type", "content_encoding", "content_language", "content_disposition", "cache_control"
)  # fmt: skip
_MAPPINGS = ("metadata", "tags")
# ``json.dumps`` makes one each time.
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSource:
    """A bucket as ``core.sources.source`` wants it; ``retention_type`` is the configuration's.

    It can be pickled with its bucket: worker processes read it as well.
    """

    bucket: Bucket
    retention_type: RetentionType

    @property
    def url(self) -> str:
        """Where this is."""
        return self.bucket.url

    @property
    def vendor(self) -> str:
        """Whose storage it is."""
        return self.bucket.vendor

    @property
    def id(self) -> RepositoryId:
        """The first 128 bits of the SHA-256 of what the bucket is known by."""
        identity = self.bucket.identity.encode(errors="surrogateescape")
        return RepositoryId(hashlib.sha256(identity).hexdigest()[:32])

    @property
    def space(self) -> str:
        """A space of its own: what a listing says means nothing elsewhere."""
        return f"bucket:{self.id}"

    @property
    def is_changing(self) -> bool:
        """Say yes: its tool goes on working."""
        return True

    @property
    def has_content_ids(self) -> bool:
        """Say no: ids are known before the content is."""
        return False

    def fetch(self, reference: bytes) -> SourceBlob:
        """Return the range that a reference means, of the version that it means.

        A reference to no bytes gives the properties alone.
        """
        listed, offset, length = decode_reference(reference)
        part = self.bucket.read(listed.key, listed.etag, offset, length)
        if offset:
            return SourceBlob(content=part.content)
        return SourceBlob(
            content=part.content, properties=encode_properties(part.properties or Properties())
        )

    def open(self, reference: bytes, stored: bytes) -> bytes:
        """Return the bytes themselves: what reads them is held to the version and the length."""
        del reference
        return stored


def open_bucket_source(bucket: Bucket, retention_type: RetentionType) -> BucketSource:
    """Return a bucket as a source. Nothing in it can say what ages, so whoever asks does."""
    return BucketSource(bucket=bucket, retention_type=retention_type)


def path_of(key: str) -> bytes:
    """Return an item's path: the bytes that the key stands for."""
    return key.encode(errors="surrogateescape")


def key_of(path: bytes) -> str:
    """Return the key that an item's path was made of."""
    return path.decode(errors="surrogateescape")


def object_row(listed: ListedObject) -> tuple[bytes, int, str, int]:
    """Return the row of a stored listing: the key's bytes, size, ETag and seconds.

    Times are kept within what nanoseconds in 64 bits can say.
    """
    try:
        listed.etag.encode()
        path = path_of(listed.key)
    except UnicodeEncodeError:
        raise StoreError(
            f"the listing of an object of {len(listed.key)} characters holds what is no text",
            hint="The bucket, or what stands in front of it, does not speak its protocol.",
        ) from None
    modified = min(max(listed.modified, -SECONDS_MAX), SECONDS_MAX)
    return path, listed.size, listed.etag, modified


def encode_reference(listed: ListedObject, offset: int, length: int) -> bytes:
    """Write a reference. The same text as ``core.catalog.objects.item_reference_sql``."""
    parts = (
        f'"{path_of(listed.key).hex()}"',
        listed.size,
        f'"{listed.etag.encode().hex()}"',
        listed.modified,
        offset,
        length,
    )
    return f"[{','.join(map(str, parts))}]".encode()


def decode_reference(reference: bytes) -> tuple[ListedObject, int, int]:
    """Read a reference: the object as it was listed, offset and length."""
    try:
        # A text: what encoding bytes are in would be looked for.
        path, size, etag, modified, offset, length = json.loads(reference.decode("ascii"))
        listed = ListedObject(
            key=key_of(bytes.fromhex(path)),
            size=int(size),
            etag=bytes.fromhex(etag).decode(),
            modified=int(modified),
        )
        return listed, int(offset), int(length)
    except (ValueError, TypeError) as error:
        raise IntegrityError("a batch refers to an object in a way that nobody writes") from error


def encode_properties(properties: Properties) -> str:
    """Write properties as JSON text, in ASCII, without those that are empty."""
    value: dict[str, object] = {
        name: getattr(properties, name) for name in _TEXTS if getattr(properties, name)
    }
    for name in _MAPPINGS:
        if mapping := getattr(properties, name):
            value[name] = dict(sorted(mapping.items()))
    return _ENCODER.encode(value)


def read_properties(metadata: str) -> Properties:
    """Return the properties that an item's metadata carries; none where there are none.

    Anything that no copy writes is an ``IntegrityError``.
    """
    try:
        value = json.loads(metadata).get("properties", {})
        texts = {name: value.get(name, "") for name in _TEXTS}
        mappings = {name: value.get(name, {}) for name in _MAPPINGS}
        pairs = [pair for mapping in mappings.values() for pair in mapping.items()]
    except (ValueError, RecursionError, AttributeError):
        raise IntegrityError("its metadata is damaged: it does not hold properties") from None
    if not all(isinstance(text, str) for pair in (*pairs, texts.values()) for text in pair):
        raise IntegrityError("its metadata is damaged: its properties are no texts")
    return Properties(**texts, **mappings)
