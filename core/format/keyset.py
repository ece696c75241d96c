"""The keys of an encrypted repository, and how secrets open them.

A repository has one content key for each epoch and one id key: the key ring. A random
key-encryption key (KEK) seals the ring, and each slot of a keyset wraps the KEK for one secret.
So a changed passphrase is a new keyset version and touches no data (R9), and a new epoch takes
only one of the secrets.

A keyset is plain JSON. What is secret in it is sealed or wrapped; that the keys were not taken
from another version or repository is proved by the context of their seal.
"""

import base64
import json
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, ClassVar, Literal

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)
from pydantic import ConfigDict, Field, JsonValue

from core import limits
from core.errors import InputError, IntegrityError
from core.format import names, records, seal
from core.ids import RepositoryId

KEY_SIZE = 32
# AES-KWP adds eight bytes, by which it knows the right key.
WRAPPED_SIZE = KEY_SIZE + 8
SALT_SIZE = 16

# The second recommended option of RFC 9106: a tenth of a second, memory that even a small
# function has, and a price for every guess that no amount of hardware makes vanish.
ARGON2_MEMORY_KIB = 64 * 1024
ARGON2_ITERATIONS = 3
ARGON2_LANES = 4
# A keyset is obeyed before anything in it is proved, so what it may ask of a reader is bounded.
ARGON2_MEMORY_KIB_MAX = 1024 * 1024
ARGON2_ITERATIONS_MAX = 64
ARGON2_LANES_MAX = 64
# What Argon2 needs for each lane.
ARGON2_LANE_KIB_MIN = 8

SLOT_NAME_SIZE_MAX = 64
# The longest ARN of any service, and the longest answer of KMS to a request to encrypt.
CLOUD_KEY_SIZE_MAX = 2048
CLOUD_WRAPPED_SIZE_MAX = 6144
# What binds a cloud's wrapping to one repository. It is not secret: the cloud logs it.
CLOUD_CONTEXT = "coldhaul:repository"

_RECOVERY_DOMAIN = b"coldhaul recovery key\0"
_RECOVERY_CHECK_SIZE = 3
_RECOVERY_TEXT_SIZE = 56
_RECOVERY_GROUP_SIZE = 7
# Digits that base32 does not have are letters misread; dashes and spaces only help the eye.
_RECOVERY_READ = str.maketrans({"0": "O", "1": "I", "8": "B", "-": "", " ": "", "\n": ""})

_STORED = ConfigDict(strict=True, ser_json_bytes="hex", val_json_bytes="hex")

_Key = Annotated[bytes, Field(min_length=KEY_SIZE, max_length=KEY_SIZE)]
_Salt = Annotated[bytes, Field(min_length=SALT_SIZE, max_length=SALT_SIZE)]
_Wrapped = Annotated[bytes, Field(min_length=WRAPPED_SIZE, max_length=WRAPPED_SIZE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """The keys that open a repository's objects, oldest epoch first, and the key of its ids."""

    __pydantic_config__: ClassVar[ConfigDict] = _STORED

    epochs: Annotated[tuple[_Key, ...], Field(min_length=1)] = field(repr=False)
    id_key: _Key = field(repr=False)

    @property
    def newest(self) -> bytes:
        """The content key under which new objects are sealed."""
        return self.epochs[-1]

    @property
    def newest_first(self) -> tuple[bytes, ...]:
        """All content keys in the order in which a reader tries them."""
        return self.epochs[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseSlot:
    """The KEK wrapped under a key that Argon2id (version 1.3) derives from a passphrase."""

    __pydantic_config__: ClassVar[ConfigDict] = _STORED

    kind: Literal["passphrase"] = "passphrase"
    name: str
    salt: _Salt
    iterations: Annotated[int, Field(ge=1, le=ARGON2_ITERATIONS_MAX)]
    lanes: Annotated[int, Field(ge=1, le=ARGON2_LANES_MAX)]
    memory_kib: Annotated[int, Field(ge=ARGON2_LANE_KIB_MIN, le=ARGON2_MEMORY_KIB_MAX)]
    wrapped: _Wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySlot:
    """The KEK wrapped under a recovery key, which is as random as any key and needs no Argon2."""

    __pydantic_config__: ClassVar[ConfigDict] = _STORED

    kind: Literal["recovery"] = "recovery"
    name: str
    wrapped: _Wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSlot:
    """The KEK wrapped by a key that a cloud's service holds; ``key`` says which one it is."""

    __pydantic_config__: ClassVar[ConfigDict] = _STORED

    kind: Literal["aws-kms"]
    name: str
    key: Annotated[str, Field(min_length=1, max_length=CLOUD_KEY_SIZE_MAX)]
    wrapped: Annotated[bytes, Field(min_length=1, max_length=CLOUD_WRAPPED_SIZE_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSlot:
    """A slot of a kind that is not known here: kept as it is (``content`` is its JSON)."""

    kind: str
    name: str
    content: str


Slot = PassphraseSlot | RecoverySlot | CloudSlot | ForeignSlot


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """One version of a repository's keyset: the sealed key ring, and the KEK in slots."""

    version: int
    slots: tuple[Slot, ...]
    sealed_keys: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredKeyset:
    __pydantic_config__: ClassVar[ConfigDict] = _STORED

    format_version: int
    version: Annotated[int, Field(ge=1)]
    slots: list[dict[str, JsonValue]]
    sealed_keys: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _FormatVersion:
    __pydantic_config__: ClassVar[ConfigDict] = _STORED

    format_version: Annotated[int, Field(ge=1)]


def encode_keyset(keyset: Keyset) -> bytes:
    """Write a keyset as ``keys/<version>.json`` holds it; equal keysets give equal bytes.

    Two slots of one name, or a name that is none, are an ``InputError``.
    """
    for slot in keyset.slots:
        check_slot_name(slot.name)
    doubled = _doubled_name(keyset.slots)
    if doubled is not None:
        raise InputError(f"there is a key slot named {doubled!r} already")
    value = {
        "format_version": limits.FORMAT_VERSION,
        "version": keyset.version,
        "slots": [_slot_value(slot) for slot in keyset.slots],
        "sealed_keys": keyset.sealed_keys.hex(),
    }
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def decode_keyset(data: bytes, expected_version: int | None = None) -> Keyset:
    """Read a keyset; one of a newer format is an ``InputError``, anything else damage.

    ``expected_version`` is the one that the object's name carries.
    """
    where = "the keyset" if expected_version is None else names.keyset(expected_version)
    format_version = records.decode(_FormatVersion, data, where).format_version
    if format_version > limits.FORMAT_VERSION:
        raise InputError(
            f"{where} has format version {format_version}; this coldhaul knows up to"
            f" {limits.FORMAT_VERSION}",
            hint="Use a newer coldhaul to work with this repository.",
        )
    stored = records.decode(_StoredKeyset, data, where)
    if expected_version is not None and stored.version != expected_version:
        raise IntegrityError(f"{where} holds version {stored.version} of the keyset")
    slots = tuple(_read_slot(slot, where) for slot in stored.slots)
    if not all(_is_slot_name(slot.name) for slot in slots):
        raise IntegrityError(f"{where} is damaged: a slot of it has no proper name")
    if _doubled_name(slots) is not None:
        raise IntegrityError(f"{where} is damaged: two of its slots have the same name")
    return Keyset(version=stored.version, slots=slots, sealed_keys=stored.sealed_keys)


def new_kek() -> bytes:
    """Return a new random key-encryption key."""
    return secrets.token_bytes(KEY_SIZE)


def new_key_ring() -> KeyRing:
    """Return a new key ring of one epoch."""
    return KeyRing(epochs=(secrets.token_bytes(KEY_SIZE),), id_key=secrets.token_bytes(KEY_SIZE))


def add_epoch(ring: KeyRing) -> KeyRing:
    """Return the ring with a new content key as its newest. The id key never changes."""
    return KeyRing(epochs=(*ring.epochs, secrets.token_bytes(KEY_SIZE)), id_key=ring.id_key)


def seal_key_ring(kek: bytes, ring: KeyRing, repository_id: RepositoryId, version: int) -> bytes:
    """Return the sealed keys of one version of a repository's keyset."""
    context = seal.context(repository_id, names.keyset(version))
    return seal.seal(kek, context, records.encode(ring))


def open_key_ring(kek: bytes, keyset: Keyset, repository_id: RepositoryId) -> KeyRing:
    """Return the keys of a keyset; ``IntegrityError`` unless they were sealed for just this."""
    name = names.keyset(keyset.version)
    plain = seal.open_sealed([kek], seal.context(repository_id, name), keyset.sealed_keys)
    return records.decode(KeyRing, plain, name)


def wrap_passphrase(
    kek: bytes, passphrase: str, name: str, *, memory_kib: int = ARGON2_MEMORY_KIB
) -> PassphraseSlot:
    """Return a slot that this passphrase opens."""
    check_slot_name(name)
    if not passphrase:
        raise InputError(f"the passphrase for key slot {name!r} is empty")
    salt = secrets.token_bytes(SALT_SIZE)
    key = _derive(passphrase, salt, ARGON2_ITERATIONS, ARGON2_LANES, memory_kib)
    return PassphraseSlot(
        name=name,
        salt=salt,
        iterations=ARGON2_ITERATIONS,
        lanes=ARGON2_LANES,
        memory_kib=memory_kib,
        wrapped=aes_key_wrap_with_padding(key, kek),
    )


def wrap_recovery(kek: bytes, recovery_key: str, name: str) -> RecoverySlot:
    """Return a slot that this recovery key opens; a mistyped one is an ``InputError``."""
    check_slot_name(name)
    key = _read_recovery_key(recovery_key)
    if key is None:
        raise InputError("this is not a recovery key, or it has a typing error")
    return RecoverySlot(name=name, wrapped=aes_key_wrap_with_padding(key, kek))


def is_opened_by_text(slot: Slot) -> bool:
    """Say whether a passphrase or recovery key opens it, which nobody else can take away."""
    return isinstance(slot, PassphraseSlot | RecoverySlot)


def cloud_context(repository_id: RepositoryId) -> dict[str, str]:
    """Return what a cloud's service is told when it wraps or unwraps a repository's KEK."""
    return {CLOUD_CONTEXT: repository_id}


def new_recovery_key() -> str:
    """Return a new random recovery key as text: eight groups of seven letters and digits."""
    key = secrets.token_bytes(KEY_SIZE)
    text = base64.b32encode(key + _recovery_check(key)).decode()
    starts = range(0, _RECOVERY_TEXT_SIZE, _RECOVERY_GROUP_SIZE)
    return "-".join(text[start : start + _RECOVERY_GROUP_SIZE] for start in starts)


def unwrap(locked: Keyset | Slot, secret: str) -> bytes | None:
    """Return the KEK if ``secret`` opens this slot, or any slot of this keyset; None otherwise.

    Slots of cloud keys are opened by their service alone: see ``core.sources.unlocking``.
    One that opens nothing and looks like a mistyped recovery key is an ``InputError``.
    """
    slots: Sequence[Slot] = locked.slots if isinstance(locked, Keyset) else (locked,)
    recovery_key = _read_recovery_key(secret)
    # A passphrase takes a tenth of a second to try, a recovery key nothing.
    for slot in slots:
        if isinstance(slot, RecoverySlot) and recovery_key is not None:
            kek = _unwrap(recovery_key, slot.wrapped)
            if kek is not None:
                return kek
    for slot in slots:
        if isinstance(slot, PassphraseSlot):
            key = _derive(secret, slot.salt, slot.iterations, slot.lanes, slot.memory_kib)
            kek = _unwrap(key, slot.wrapped)
            if kek is not None:
                return kek
    has_recovery_slot = any(isinstance(slot, RecoverySlot) for slot in slots)
    if has_recovery_slot and recovery_key is None and _is_like_recovery_key(secret):
        raise InputError("the recovery key has a typing error: its check letters do not fit")
    return None


def _derive(passphrase: str, salt: bytes, iterations: int, lanes: int, memory_kib: int) -> bytes:
    """Derive a slot's key. Equal-looking passphrases of any keyboard are equal: NFC, UTF-8."""
    try:
        text = unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:
        raise InputError("the passphrase is not valid text (UTF-8)") from None
    derivation = Argon2id(
        salt=salt, length=KEY_SIZE, iterations=iterations, lanes=lanes, memory_cost=memory_kib
    )
    return derivation.derive(text)


def _unwrap(key: bytes, wrapped: bytes) -> bytes | None:
    try:
        kek = aes_key_unwrap_with_padding(key, wrapped)
    except InvalidUnwrap:
        return None
    return kek if len(kek) == KEY_SIZE else None


def _recovery_text(text: str) -> str:
    return text.strip().upper().translate(_RECOVERY_READ)


def _is_like_recovery_key(text: str) -> bool:
    stripped = _recovery_text(text)
    return len(stripped) == _RECOVERY_TEXT_SIZE and stripped.isascii() and stripped.isalnum()


def _read_recovery_key(text: str) -> bytes | None:
    if not _is_like_recovery_key(text):
        return None
    try:
        data = base64.b32decode(_recovery_text(text))
    except ValueError:
        return None
    key, check = data[:KEY_SIZE], data[KEY_SIZE:]
    return key if secrets.compare_digest(check, _recovery_check(key)) else None


def _recovery_check(key: bytes) -> bytes:
    return sha256(_RECOVERY_DOMAIN + key).digest()[:_RECOVERY_CHECK_SIZE]


def _is_slot_name(name: str) -> bool:
    return 1 <= len(name) <= SLOT_NAME_SIZE_MAX and name.isprintable()


def check_slot_name(name: str) -> None:
    """Raise ``InputError`` for what cannot name a slot."""
    if not _is_slot_name(name):
        raise InputError(
            f"{name!r} cannot name a key slot: it takes 1 to {SLOT_NAME_SIZE_MAX} printable"
            " characters"
        )


def _doubled_name(slots: Sequence[Slot]) -> str | None:
    slot_names = [slot.name for slot in slots]
    return next((name for name in slot_names if slot_names.count(name) > 1), None)


def _slot_value(slot: Slot) -> object:
    return json.loads(slot.content if isinstance(slot, ForeignSlot) else records.encode(slot))


def _read_slot(value: dict[str, JsonValue], where: str) -> Slot:
    data = json.dumps(value, sort_keys=True).encode()
    kind, name = value.get("kind"), value.get("name")
    if kind == "passphrase":
        slot = records.decode(PassphraseSlot, data, where)
        if slot.memory_kib < ARGON2_LANE_KIB_MIN * slot.lanes:
            raise IntegrityError(f"{where} is damaged: memory_kib is too small for its lanes")
        return slot
    if kind == "recovery":
        return records.decode(RecoverySlot, data, where)
    if kind == "aws-kms":
        cloud = records.decode(CloudSlot, data, where)
        if not cloud.key.isprintable():
            raise IntegrityError(f"{where} is damaged: the key of a slot cannot be shown")
        return cloud
    if not isinstance(kind, str) or not isinstance(name, str):
        raise IntegrityError(f"{where} is damaged: a slot of it has no kind or no name")
    return ForeignSlot(kind=kind, name=name, content=data.decode())
