"""The slots of a keyset: each wraps the key-encryption key (KEK) for one secret.

What a slot asks of its reader is bounded here; ``core.format.wrapping`` makes and opens those of
passphrases and recovery keys, ``core.sources.unlocking`` those of cloud keys.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field, JsonValue

from core.errors import InputError, IntegrityError
from core.format import records

KEY_SIZE = 32
# AES-KWP adds eight bytes, by which it knows the right key.
WRAPPED_SIZE = KEY_SIZE + 8
SALT_SIZE = 16

# A keyset is obeyed before anything in it is proved, so what it may ask of a reader is bounded.
ARGON2_MEMORY_KIB_MAX = 1024 * 1024
ARGON2_ITERATIONS_MAX = 64
ARGON2_LANES_MAX = 64
# What Argon2 needs for each lane.
ARGON2_LANE_KIB_MIN = 8

SLOT_NAME_SIZE_MAX = 64
# The longest ARN of any service, and the longest answer of KMS to a request to encrypt; what Key
# Vault has is shorter.
CLOUD_KEY_SIZE_MAX = 2048
CLOUD_WRAPPED_SIZE_MAX = 6144

CloudKind = Literal["aws-kms", "azure-key-vault"]

_STORED = ConfigDict(strict=True, ser_json_bytes="hex", val_json_bytes="hex")

_Salt = Annotated[bytes, Field(min_length=SALT_SIZE, max_length=SALT_SIZE)]
_Wrapped = Annotated[bytes, Field(min_length=WRAPPED_SIZE, max_length=WRAPPED_SIZE)]


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

    kind: CloudKind
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


def is_opened_by_text(slot: Slot) -> bool:
    """Say whether a passphrase or recovery key opens it, which nobody else can take away."""
    return isinstance(slot, PassphraseSlot | RecoverySlot)


def check_slot_name(name: str) -> None:
    """Raise ``InputError`` for what cannot name a slot."""
    if not is_slot_name(name):
        raise InputError(
            f"{name!r} cannot name a key slot: it takes 1 to {SLOT_NAME_SIZE_MAX} printable"
            " characters"
        )


def doubled_name(slots: Sequence[Slot]) -> str | None:
    """Return a name that two of the slots have, or None."""
    slot_names = [slot.name for slot in slots]
    return next((name for name in slot_names if slot_names.count(name) > 1), None)


def encode_slot(slot: Slot) -> object:
    """Return a slot as a keyset holds it."""
    return json.loads(slot.content if isinstance(slot, ForeignSlot) else records.encode(slot))


def decode_slot(value: dict[str, JsonValue], where: str) -> Slot:
    """Read a slot of any kind; what cannot be one is an ``IntegrityError`` about ``where``."""
    data = json.dumps(value, sort_keys=True).encode()
    kind, name = value.get("kind"), value.get("name")
    if kind == "passphrase":
        slot = records.decode(PassphraseSlot, data, where)
        if slot.memory_kib < ARGON2_LANE_KIB_MIN * slot.lanes:
            raise IntegrityError(f"{where} is damaged: memory_kib is too small for its lanes")
        return slot
    if kind == "recovery":
        return records.decode(RecoverySlot, data, where)
    if kind in get_args(CloudKind):
        cloud = records.decode(CloudSlot, data, where)
        if not cloud.key.isprintable():
            raise IntegrityError(f"{where} is damaged: the key of a slot cannot be shown")
        return cloud
    if not isinstance(kind, str) or not isinstance(name, str):
        raise IntegrityError(f"{where} is damaged: a slot of it has no kind or no name")
    return ForeignSlot(kind=kind, name=name, content=data.decode())


def is_slot_name(name: str) -> bool:
    """Say whether a slot can have this name."""
    return 1 <= len(name) <= SLOT_NAME_SIZE_MAX and name.isprintable()
