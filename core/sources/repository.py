"""One of our repositories, opened: names become checked content, content becomes stored objects.

What an object's stored form is: ``docs/format.md``, "Stored form". Every read is checked here:
first the seal, then the frame's checksum, then the digest or id where one is known (I4).
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from core import ids, limits
from core.catalog.layers import NO_FLOOR
from core.errors import ConflictError, InputError, IntegrityError, NotFoundError, StoreError
from core.format import frame, keyset, names, records, seal
from core.ids import BlobId, PointId, RepositoryId
from core.model import Identity, PackRow, Record, RetentionType, TableObject
from core.sources.pack_reader import PackReader, PlainSealer, decode_named_frame, decode_pieces
from core.sources.source import SourceBlob
from core.sources.unlocking import (
    UNLOCKING_HINT,
    KeyAccess,
    SecretSource,
    list_keyset_versions,
    read_newest_keyset,
    unlock,
)
from core.stores.store import ObjectHead, Store

T = TypeVar("T")

_PIECE_SIZE = 512 * seal.CHUNK_SIZE
_STORED_PIECE_SIZE = 512 * seal.STORED_CHUNK_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordName:
    """A restore point as its name tells it, without reading it. Void: will never exist."""

    name: str
    source_id: RepositoryId
    point: PointId
    is_void: bool


class Repository:
    """A repository whose identity is known and whose keys, if it has any, are at hand."""

    is_changing = False

    def __init__(self, store: Store, identity: Identity, keys: KeyAccess | None) -> None:
        """Take what ``open_repository`` found."""
        self.store = store
        self.identity = identity
        self._keys = keys

    # As the source of a copy: see ``core.sources.source``.

    @property
    def url(self) -> str:
        """Where this is."""
        return self.store.url

    @property
    def vendor(self) -> str:
        """Whose storage holds it."""
        return self.store.vendor

    @property
    def id(self) -> RepositoryId:
        """The repository's id."""
        return self.identity.id

    @property
    def retention_type(self) -> RetentionType:
        """What ages in it."""
        return self.identity.retention_type

    @property
    def has_content_ids(self) -> bool:
        """Whether blob ids are digests of the content."""
        return not self.identity.is_encrypted

    def fetch(self, reference: bytes) -> SourceBlob:
        """Return a loose blob as it is stored; its id is the reference."""
        try:
            return SourceBlob(content=self.store.get(names.blob(reference)))
        except NotFoundError:
            # A blob may be missing; a whole source that is missing is another matter.
            self._refuse_absence()
            raise

    def _refuse_absence(self) -> None:
        try:
            self.store.head(names.REPOSITORY)
        except NotFoundError:
            raise StoreError(
                f"{self.url} has lost its {names.REPOSITORY} while it was being copied",
                hint="Bring the source back and run the job again; finished packs are kept.",
            ) from None

    @property
    def id_key(self) -> bytes | None:
        """The key of blob ids; None when unencrypted."""
        return self._keys.ring.id_key if self._keys else None

    @property
    def keys(self) -> KeyAccess | None:
        """The keys in use; None when unencrypted."""
        return self._keys

    @property
    def space(self) -> str:
        """The space of this repository's loose blob ids."""
        return ids.blob_space(self.identity.id, is_encrypted=self.identity.is_encrypted)

    # Stored form: seal.

    def context(self, name: str) -> bytes:
        """Return what binds an object's seal to this repository and its name."""
        return seal.context(self.identity.id, name)

    def seal_object(self, name: str, plain: bytes) -> bytes:
        """Seal under the newest epoch; the bytes themselves when unencrypted."""
        if self._keys is None:
            return plain
        return seal.seal(self._keys.ring.newest, self.context(name), plain)

    def open_object(self, name: str, stored: bytes) -> bytes:
        """Undo ``seal_object``, looking once for newer keys before calling it damage."""
        if self._keys is None:
            return stored
        return self._with_keys(lambda keys: seal.open_sealed(keys, self.context(name), stored))

    def open_header(self, name: str, header: bytes) -> seal.Opener:
        """Open a seal's header for random access. Only for encrypted repositories."""
        return self._with_keys(lambda keys: seal.open_header(keys, self.context(name), header))

    def _with_keys(self, attempt: Callable[[tuple[bytes, ...]], T]) -> T:
        while True:
            tried = self._keys
            assert tried is not None
            try:
                return attempt(tried.ring.newest_first)
            except IntegrityError:
                # Rotated since we opened them? Another thread may find that out at any moment.
                if self._keys is tried:
                    self._refresh_keys(tried)
                if self._keys is tried:
                    raise

    def _refresh_keys(self, tried: KeyAccess) -> None:
        # Names alone tell, so that every damaged object does not cost the reading of a keyset.
        if max(list_keyset_versions(self.store, names.KEYS), default=0) <= tried.version:
            return
        newest = read_newest_keyset(self.store, names.KEYS)
        if newest is not None:
            ring = keyset.open_key_ring(tried.kek, newest, self.identity.id)
            self._keys = KeyAccess(kek=tried.kek, version=newest.version, ring=ring)

    # Small objects.

    def read_object(self, name: str, size_max: int = limits.JSON_SIZE_MAX) -> bytes:
        """Return an object's checked content."""
        plain = self.open_object(name, self.store.get(name))
        return decode_named_frame(name, plain, size_max)

    def write_object(self, name: str, content: bytes) -> None:
        """Create an object, or raise ``ConflictError``."""
        framed = frame.encode_frame(content, self.identity.parameters.zstd_level)
        self.store.put(name, self.seal_object(name, framed))

    def write_or_adopt(self, name: str, content: bytes) -> bytes:
        """Create an object, or return what somebody else created under this name."""
        try:
            self.write_object(name, content)
        except ConflictError:
            return self.read_object(name)
        return content

    def read_value(self, kind: type[T], name: str) -> T:
        """Read a dataclass of ``core.model`` stored as JSON."""
        return records.decode(kind, self.read_object(name), name)

    def write_value(self, name: str, value: object) -> None:
        """Create an object from a dataclass, or raise ``ConflictError``."""
        self.write_object(name, records.encode(value))

    def adopt_value(self, name: str, value: T) -> T:
        """Create an object from a dataclass, or return what is there already."""
        return records.decode(type(value), self.write_or_adopt(name, records.encode(value)), name)

    # Tables.

    def put_table(self, name: str, path: Path, rows: int) -> None:
        """Create a table object from a Parquet file, or raise ``ConflictError``."""
        size = path.stat().st_size
        assert size <= limits.TABLE_OBJECT_SIZE_MAX, f"{name} is cut too large"
        if size <= _PIECE_SIZE:
            self.write_object(name, path.read_bytes())
            return
        encoder = frame.FrameEncoder(self.identity.parameters.zstd_level, size)
        sealer = self.new_sealer(name)
        upload = self.store.upload(name)
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE_SIZE):
                    upload.write(sealer.update(encoder.update(piece)))
            upload.write(sealer.update(encoder.finish()))
            upload.write(sealer.finalize())
            upload.complete()
        finally:
            upload.abort()

    def new_sealer(self, name: str) -> seal.Sealer | PlainSealer:
        """Begin sealing a stream under ``name``; passes bytes through when unencrypted."""
        if self._keys is None:
            return PlainSealer()
        return seal.Sealer(self._keys.ring.newest, self.context(name))

    def fetch_table(self, name: str, path: Path, expected: TableObject | None = None) -> None:
        """Write a table's checked Parquet bytes to ``path``; compare them with ``expected``."""
        digest = hashlib.sha256()
        decoder = frame.FrameDecoder(limits.TABLE_OBJECT_SIZE_MAX)
        try:
            with path.open("wb") as file:
                for content in decode_pieces(decoder, self._read_opened(name)):
                    digest.update(content)
                    file.write(content)
        except IntegrityError as error:
            raise IntegrityError(f"{name}: {error.message.removeprefix(name + ': ')}") from error
        except OSError as error:
            raise StoreError(
                f"cannot write the temporary file {path}: {error.strerror}",
                hint="Make room in the temporary folder, or set TMPDIR to a larger one.",
            ) from error
        if expected is not None and digest.hexdigest() != expected.sha256:
            raise IntegrityError(f"{name} is not the table that was written under this name")

    def _read_opened(self, name: str) -> Iterator[bytes]:
        """Yield an object's plain bytes in pieces, so that large ones need little memory."""
        head = self.store.head(name)
        if self._keys is None or head.size <= _STORED_PIECE_SIZE:
            if self._keys is not None:
                yield self.open_object(name, self.store.get(name))
                return
            for offset in range(0, head.size, _PIECE_SIZE):
                yield self.store.get_range(name, offset, min(_PIECE_SIZE, head.size - offset))
            return
        seal.plain_size(head.size)
        opener = self.open_header(name, self.store.get_range(name, 0, seal.HEADER_SIZE))
        body_size = head.size - seal.HEADER_SIZE
        for number, offset in enumerate(range(0, body_size, _STORED_PIECE_SIZE)):
            length = min(_STORED_PIECE_SIZE, body_size - offset)
            stored = self.store.get_range(name, seal.HEADER_SIZE + offset, length)
            yield opener.open_chunks(number * 512, stored, is_end=offset + length == body_size)

    # Blobs, loose and in packs.

    def put_blob(self, content: bytes) -> tuple[BlobId, int]:
        """Store a blob unless it is there; return its id and the bytes newly stored."""
        blob_id = ids.loose_blob_id(content, self.id_key)
        name = names.blob(blob_id)
        framed = frame.encode_frame(content, self.identity.parameters.zstd_level)
        try:
            head = self.store.put(name, self.seal_object(name, framed))
        except ConflictError:
            # The id commits to the content, so whatever is there is the same blob.
            return blob_id, 0
        return blob_id, head.size

    def read_blob(self, blob_id: bytes) -> bytes:
        """Return a loose blob's content, checked against its id."""
        return self.open(blob_id, self.store.get(names.blob(blob_id)))

    def open(self, reference: bytes, stored: bytes) -> bytes:
        """Return a loose blob's content from its stored form, checked against its id."""
        name = names.blob(reference)
        content = decode_named_frame(name, self.open_object(name, stored), limits.BLOB_SIZE_MAX)
        if not hmac.compare_digest(ids.loose_blob_id(content, self.id_key), reference):
            raise IntegrityError(f"{name} does not hold the content that its id names")
        return content

    def open_pack(self, row: PackRow) -> PackReader:
        """Prepare range reads of a pack; nothing is read yet."""
        return self.open_pack_at(names.pack_of(row), row.size, row.header)

    def open_pack_at(self, name: str, size: int, header: bytes) -> PackReader:
        """Prepare range reads of a pack by its stored size and its seal's first 56 bytes."""
        # The identity alone says what is sealed: rows of an index may be anything.
        is_sealed = self.identity.is_encrypted
        opener = self.open_header(name, header) if is_sealed else None
        return PackReader(self.store, name, size, opener)

    # Restore points.

    def list_records(self, source_id: RepositoryId | None = None) -> list[RecordName]:
        """Return all records, oldest point first within a source; what is none is left out."""
        prefix = names.RECORDS if source_id is None else names.records_of(source_id)
        found = [head for head in self.store.list(prefix) if names.is_record(head.name)]
        return [_record_name(head) for head in found]

    def read_record(self, name: str) -> Record:
        """Read a record and check that it is the one its name says."""
        record = self.read_value(Record, name)
        source_id, point = names.parse_record(name)
        if (record.source_id, record.id) != (source_id, point):
            raise IntegrityError(f"{name} holds the record of another restore point")
        return record

    def list_marked(self, prefix: str) -> set[str]:
        """Return the names that markers below ``condemned/`` or ``damaged/`` carry."""
        marked = (head.name.removeprefix(prefix) for head in self.store.list(prefix))
        if prefix == names.CONDEMNED:
            return {name.split("/objects/", 1)[1] for name in marked if "/objects/" in name}
        return set(marked)

    def floor(self) -> int:
        """Return the highest retention floor ever written, in nanoseconds, or ``NO_FLOOR``."""
        written = (
            head.name.removeprefix(names.RETENTION).removesuffix(".json")
            for head in self.store.list(names.RETENTION)
        )
        return max((int(text) for text in written if text.isdigit()), default=NO_FLOOR)


def _record_name(head: ObjectHead) -> RecordName:
    source_id, point = names.parse_record(head.name)
    return RecordName(name=head.name, source_id=source_id, point=point, is_void=head.size == 0)


def read_identity(store: Store) -> Identity:
    """Read ``repository.json``, or raise ``NotFoundError`` where there is no repository."""
    try:
        data = store.get(names.REPOSITORY)
    except NotFoundError:
        raise NotFoundError(
            f"{store.url} is not a coldhaul repository: it has no {names.REPOSITORY}",
            hint="Check the URL: 'coldhaul repository create' makes, 'coldhaul rebuild' mends one.",
        ) from None
    return records.decode_identity(data, f"{store.url}/{names.REPOSITORY}")


def open_repository(store: Store, secret: SecretSource | None) -> Repository:
    """Open a repository by what ``secret`` returns: a passphrase, recovery key or cloud key.

    It is asked only when the repository is encrypted.
    """
    identity = read_identity(store)
    if not identity.is_encrypted:
        return Repository(store, identity, None)
    if secret is None:
        raise InputError(
            f"{store.url} is encrypted and the configuration names no passphrase or cloud "
            "key for it",
            hint=UNLOCKING_HINT,
        )
    current = read_newest_keyset(store, names.KEYS)
    if current is None:
        raise IntegrityError(
            f"{store.url} is encrypted and has no keyset below {names.KEYS}",
            hint="'coldhaul rebuild' brings the keyset back from beside the packs.",
        )
    return Repository(store, identity, unlock(current, identity, secret(), store.url))
