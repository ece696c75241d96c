"""The seal of an encrypted repository's objects: Cobblestone-256.

That is the chunked AES-256-GCM of c2sp.org/chunked-encryption. A sealed object is a header (24
bytes of salt, 32 of commitment) and then its chunks: 16,384 plain bytes and a 16-byte tag each,
the last one always shorter and possibly empty. Salt, input key and context give a key and a base
nonce of the object's own; chunk k's nonce is the base nonce XOR k. So a reader that has the
header may start at any chunk, and an object that was cut, even between chunks, shows it.

The streaming half is ``cryptography.cobblestone``; ranges are opened here.
"""

import hmac
from collections.abc import Buffer, Sequence
from dataclasses import dataclass

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from core.errors import IntegrityError
from core.ids import RepositoryId

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


def seal(key: bytes, context: bytes, plain: Buffer) -> bytes:
    """Return the sealed object that holds ``plain``."""
    encryptor = Cobblestone256Encryptor(key, context)
    return encryptor.update(plain) + encryptor.finalize()


class Sealer:
    """Seals one object as it passes. A second object takes a second ``Sealer``."""

    def __init__(self, key: bytes, context: bytes) -> None:
        """Draw a new salt: no two objects share a key and nonces (I5)."""
        self._encryptor = Cobblestone256Encryptor(key, context)

    def update(self, data: Buffer) -> bytes:
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

    def open_chunks(self, first_chunk: int, stored: Buffer, *, is_end: bool) -> bytes:
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

    def _open_chunk(self, number: int, stored: Buffer) -> bytes:
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
        raise IntegrityError(f"{_name(context)}: ends within its {HEADER_SIZE}-byte seal header")
    salt, commitment = header[:_SALT_SIZE], header[_SALT_SIZE:]
    for key in keys:
        _check_key(key)
        object_key, base_nonce, expected = derive(key, context, salt)
        if hmac.compare_digest(expected, commitment):
            return Opener(
                name=_name(context),
                cipher=AESGCM(object_key),
                base_nonce=int.from_bytes(base_nonce, "big"),
            )
    raise _no_key_fits(context)


class StreamOpener:
    """Opens one object as it passes. What it returned is proved; only ``finalize`` proves the end.

    After an ``IntegrityError`` it stays unusable.
    """

    def __init__(self, keys: Sequence[bytes], context: bytes) -> None:
        """Remember the keys in the order in which they are tried."""
        self._keys = keys
        self._context = context
        self._header = b""
        self._decryptor: Cobblestone256Decryptor | None = None
        self._is_broken = False

    def update(self, stored: Buffer) -> bytes:
        """Take the next stored bytes and return the content that is proved by now."""
        if self._decryptor is None:
            self._header += bytes(stored)
            if len(self._header) < HEADER_SIZE:
                return b""
            stored, self._header = self._header, self._header[:HEADER_SIZE]
            self._decryptor = _decryptor(self._keys, self._context, self._header)
            stored = memoryview(stored)[HEADER_SIZE:]
        return self._proved(self._decryptor.update, stored)

    def finalize(self) -> bytes:
        """Return the last content, or raise if the object does not end here."""
        if self._decryptor is None:
            raise IntegrityError(f"{_name(self._context)}: ends within its seal header")
        return self._proved(self._decryptor.finalize)
