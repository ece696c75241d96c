"""The seal of an encrypted repository's objects: Cobblestone-256.

That is the chunked AES-256-GCM of c2sp.org/chunked-encryption. A sealed object is a header (24
bytes of salt, 32 of commitment) and then its chunks: 16,384 plain bytes and a 16-byte tag each,
the last one always shorter and possibly empty. Salt, input key and context give a key and a base
nonce of the object's own; chunk k's nonce is the base nonce XOR k. So a reader that has the
header may start at any chunk, and an object that was cut, even between chunks, shows it.

The streaming half is ``cryptography.cobblestone``; ranges are opened here.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import AlreadyFinalized, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from core.errors import InputError, IntegrityError
from core.ids import RepositoryId

Bytes = bytes | bytearray | memoryview

KEY_SIZE = 32
HEADER_SIZE = 56
CHUNK_SIZE = 16_384
TAG_SIZE = 16
STORED_CHUNK_SIZE = CHUNK_SIZE + TAG_SIZE

_SALT_SIZE = 24
_NONCE_SIZE = 12
_INFO = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"
_CONTEXT = "coldhaul/v1/"


def context(repository_id: RepositoryId, name: str) -> bytes:
    """Return what binds a seal to its place: no object can stand in for another."""
    return f"{_CONTEXT}{repository_id}/{name}".encode()


def sealed_size(plain_size: int) -> int:
    """Return how many bytes are stored for ``plain_size`` bytes of content."""
    return HEADER_SIZE + plain_size + TAG_SIZE * (plain_size // CHUNK_SIZE + 1)


def plain_size(sealed_size: int) -> int:
    """Return how many bytes of content a stored size holds.

    A size that no sealed object has is an ``IntegrityError``: the object was cut or added to.
    """
    full_count, rest = divmod(sealed_size - HEADER_SIZE, STORED_CHUNK_SIZE)
    if full_count < 0 or rest < TAG_SIZE:
        raise IntegrityError(f"no sealed object has {sealed_size} bytes: it was cut or added to")
    return full_count * CHUNK_SIZE + rest - TAG_SIZE


def seal(key: bytes, context: bytes, plain: Bytes) -> bytes:
    """Return the sealed object that holds ``plain``."""
    encryptor = Cobblestone256Encryptor(_checked(key), context)
    return encryptor.update(plain) + encryptor.finalize()


class Sealer:
    """Seals one object as it passes. A second object takes a second ``Sealer``."""

    def __init__(self, key: bytes, context: bytes) -> None:
        """Draw a new salt: no two objects share a key and nonces (I5)."""
        self._encryptor = Cobblestone256Encryptor(_checked(key), context)

    def update(self, data: Bytes) -> bytes:
        """Take the next plain bytes and return the stored bytes that are ready."""
        return self._encryptor.update(data)

    def finalize(self) -> bytes:
        """Return the last stored bytes."""
        return self._encryptor.finalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """Opens any run of one object's chunks. Made by ``open_header``; threads may share it."""

    name: str
    cipher: AESGCM
    base_nonce: int

    def open_chunks(self, first_chunk: int, stored: Bytes, *, is_end: bool) -> bytes:
        """Return the content of a run of stored chunks, the first of which is ``first_chunk``.

        ``is_end`` says that the object ends where the run ends: then, and only then, the run's
        last chunk is a short one.
        """
        view = memoryview(stored)
        if is_end:
            is_whole = len(view) % STORED_CHUNK_SIZE >= TAG_SIZE
        else:
            is_whole = len(view) % STORED_CHUNK_SIZE == 0
        if not is_whole:
            raise IntegrityError(
                f"{self.name}: {len(view)} bytes from chunk {first_chunk} on are not whole chunks"
            )
        return b"".join(
            [
                self._open_chunk(first_chunk + number, view[start : start + STORED_CHUNK_SIZE])
                for number, start in enumerate(range(0, len(view), STORED_CHUNK_SIZE))
            ]
        )

    def _open_chunk(self, number: int, stored: Bytes) -> bytes:
        nonce = (self.base_nonce ^ number).to_bytes(_NONCE_SIZE, "big")
        try:
            return self.cipher.decrypt(nonce, stored, None)
        except InvalidTag:
            raise IntegrityError(f"{self.name}: chunk {number} is not what was sealed") from None


def derive(key: bytes, context: bytes, salt: bytes) -> tuple[bytes, bytes, bytes]:
    """Return an object's own key, its base nonce and its commitment."""
    size = KEY_SIZE + _NONCE_SIZE + HEADER_SIZE - _SALT_SIZE
    derived = HKDFExpand(SHA512(), size, _INFO + salt + context).derive(key)
    nonce_end = KEY_SIZE + _NONCE_SIZE
    return derived[:KEY_SIZE], derived[KEY_SIZE:nonce_end], derived[nonce_end:]


def open_header(keys: Sequence[bytes], context: bytes, header: bytes) -> Opener:
    """Return the opener of the object that begins with ``header`` (56 bytes).

    The keys are tried in the order given, newest epoch first; the commitment decides. None that
    fits is an ``IntegrityError``.
    """
    if len(header) != HEADER_SIZE:
        raise _changed(context)
    salt, commitment = header[:_SALT_SIZE], header[_SALT_SIZE:]
    for key in keys:
        object_key, base_nonce, expected = derive(_checked(key), context, salt)
        if hmac.compare_digest(expected, commitment):
            return Opener(
                name=_name(context),
                cipher=AESGCM(object_key),
                base_nonce=int.from_bytes(base_nonce, "big"),
            )
    raise _no_key_fits(context)


class StreamOpener:
    """Opens one object as it passes: what is returned is proved, the end only by ``finalize``.

    Once it has raised it raises for ever.
    """

    def __init__(self, keys: Sequence[bytes], context: bytes) -> None:
        """Remember the keys, which are tried in the order given."""
        self._keys = keys
        self._context = context
        self._header = b""
        self._decryptor: Cobblestone256Decryptor | None = None

    def update(self, stored: Bytes) -> bytes:
        """Take the next stored bytes and return the content that they prove."""
        if self._decryptor is None:
            missing = HEADER_SIZE - len(self._header)
            self._header += bytes(stored[:missing])
            if len(self._header) < HEADER_SIZE:
                return b""
            self._decryptor = _decryptor(self._keys, self._context, self._header)
            stored = memoryview(stored)[missing:]
        try:
            return self._decryptor.update(stored)
        except (InvalidTag, AlreadyFinalized):
            raise _changed(self._context) from None

    def finalize(self) -> bytes:
        """Return the last content; an object that does not end here is an ``IntegrityError``."""
        if self._decryptor is None:
            raise _changed(self._context)
        try:
            return self._decryptor.finalize()
        except (InvalidTag, AlreadyFinalized):
            raise _changed(self._context) from None


def open_sealed(keys: Sequence[bytes], context: bytes, stored: Bytes) -> bytes:
    """Return the content of a whole sealed object."""
    view = memoryview(stored)
    decryptor = _decryptor(keys, context, view[:HEADER_SIZE])
    try:
        return decryptor.update(view[HEADER_SIZE:]) + decryptor.finalize()
    except InvalidTag:
        raise _changed(context) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRange:
    """The stored bytes that hold a range of content.

    Give ``length`` bytes from ``offset`` on to ``open_chunks`` with ``first_chunk`` and
    ``is_end``; the wanted content begins ``skip`` bytes into the result.
    """

    offset: int
    length: int
    first_chunk: int
    skip: int
    is_end: bool


def stored_range(offset: int, length: int, sealed_size: int) -> StoredRange:
    """Say which bytes of a sealed object hold ``length`` bytes of content from ``offset`` on."""
    size = plain_size(sealed_size)
    if offset < 0 or length < 0 or offset + length > size:
        raise IntegrityError(f"{length} bytes at {offset} are not within an object of {size} bytes")
    first_chunk = offset // CHUNK_SIZE
    last_chunk = max(first_chunk, (offset + length - 1) // CHUNK_SIZE)
    start = HEADER_SIZE + first_chunk * STORED_CHUNK_SIZE
    end = min(HEADER_SIZE + (last_chunk + 1) * STORED_CHUNK_SIZE, sealed_size)
    return StoredRange(
        offset=start,
        length=end - start,
        first_chunk=first_chunk,
        skip=offset - first_chunk * CHUNK_SIZE,
        is_end=last_chunk == size // CHUNK_SIZE,
    )


def _decryptor(keys: Sequence[bytes], context: bytes, header: Bytes) -> Cobblestone256Decryptor:
    """Return the decryptor, past the header, of the first key whose commitment fits."""
    if len(header) != HEADER_SIZE:
        raise _changed(context)
    for key in keys:
        decryptor = Cobblestone256Decryptor(_checked(key), context)
        try:
            decryptor.update(header)
        except InvalidTag:
            continue
        return decryptor
    raise _no_key_fits(context)


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_SIZE:
        raise InputError(f"a key of the seal has {KEY_SIZE} bytes, not {len(key)}")
    return key


def _name(context: bytes) -> str:
    # coldhaul / v1 / repository id / name under the prefix
    return context.decode(errors="backslashreplace").split("/", 3)[-1]


def _changed(context: bytes) -> IntegrityError:
    return IntegrityError(f"{_name(context)}: the sealed bytes are not what was written")


def _no_key_fits(context: bytes) -> IntegrityError:
    return IntegrityError(
        f"{_name(context)}: no key of this repository opens it",
        hint="either its header was changed, or it stood under another name, or a newer key exists",
    )
