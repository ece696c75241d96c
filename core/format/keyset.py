"""The keys of an encrypted repository, and how secrets open them.

A repository has one content key for each epoch and one id key: the key ring. A random
key-encryption key (KEK) seals the ring, and each slot of a keyset wraps the KEK for one secret.
So a changed passphrase is a new keyset version and touches no data (R9), and a new epoch takes
only one of the secrets.

A keyset is plain JSON. What is secret in it is sealed or wrapped; that the keys were not taken
from another version or repository is proved by the context of their seal.
"""

import json
import secrets
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, JsonValue

from core import limits
from core.errors import InputError, IntegrityError
from core.format import names, records, seal
from core.format.slots import (
    KEY_SIZE,
    Slot,
    check_slot_name,
    decode_slot,
    doubled_name,
    encode_slot,
    is_slot_name,
)
from core.ids import RepositoryId

# What binds a cloud's wrapping to one repository. It is not secret: the cloud logs it.
CLOUD_CONTEXT = "coldhaul:repository"

_STORED = ConfigDict(strict=True, ser_json_bytes="hex", val_json_bytes="hex")

_Key = Annotated[bytes, Field(min_length=KEY_SIZE, max_length=KEY_SIZE)]


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

    Two slots of one name, or a name that is none, are an ``InputError``; what could not be read
    back is an ``IntegrityError``.
    """
    for slot in keyset.slots:
        check_slot_name(slot.name)
    doubled = doubled_name(keyset.slots)
    if doubled is not None:
        raise InputError(f"there is a key slot named {doubled!r} already")
    value = {
        "format_version": limits.FORMAT_VERSION,
        "version": keyset.version,
        "slots": [encode_slot(slot) for slot in keyset.slots],
        "sealed_keys": keyset.sealed_keys.hex(),
    }
    data = (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
    # What cannot be read back would close the repository for every secret, for good.
    try:
        decode_keyset(data, keyset.version)
    except IntegrityError as error:
        raise IntegrityError(f"not written, for nobody could read it: {error.message}") from error
    return data


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
    slots = tuple(decode_slot(slot, where) for slot in stored.slots)
    if not all(is_slot_name(slot.name) for slot in slots):
        raise IntegrityError(f"{where} is damaged: a slot of it has no proper name")
    if doubled_name(slots) is not None:
        raise IntegrityError(f"{where} is damaged: two of its slots have the same name")
    return Keyset(version=stored.version, slots=slots, sealed_keys=stored.sealed_keys)


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


def cloud_context(repository_id: RepositoryId) -> dict[str, str]:
    """Return what a cloud's service is told when it wraps or unwraps a repository's KEK."""
    return {CLOUD_CONTEXT: repository_id}
