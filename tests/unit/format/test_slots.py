"""Slots: what they may ask of a reader, and those of kinds that are not known."""

import json
from dataclasses import replace
from typing import get_args

import pytest

from core.errors import InputError, IntegrityError
from core.format import slots
from core.format.keyset import (
    decode_keyset,
    encode_keyset,
)
from core.format.slots import CloudKind, CloudSlot, ForeignSlot, PassphraseSlot, RecoverySlot
from core.format.wrapping import unwrap, wrap_passphrase, wrap_recovery
from tests.support.keysets import (
    KEK,
    MADE,
    MEMORY_KIB,
    PASSPHRASE,
    RECOVERY_KEY,
    stored,
    stored_value,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iterations", 0),
        ("iterations", slots.ARGON2_ITERATIONS_MAX + 1),
        ("lanes", 0),
        ("lanes", slots.ARGON2_LANES_MAX + 1),
        ("memory_kib", 7),
        ("memory_kib", 31),
        ("memory_kib", slots.ARGON2_MEMORY_KIB_MAX + 1),
        ("salt", "00" * 15),
        ("wrapped", "00" * 32),
    ],
)
def test_a_slot_that_asks_too_much_of_a_reader_is_damage(field: str, value: object) -> None:
    stored_keyset = stored_value()
    stored_keyset["slots"][0][field] = value
    with pytest.raises(IntegrityError, match=f"{field}"):
        decode_keyset(stored(stored_keyset), 1)


def test_slots_of_unknown_kinds_are_kept_as_they_are() -> None:
    foreign = {"kind": "new", "name": "cloud", "key": "arn", "wrapped": [1, {"deep": None}]}
    value = stored_value()
    value["slots"].append(foreign)
    found = decode_keyset(stored(value), 1)
    assert isinstance(found.slots[2], ForeignSlot)
    assert (found.slots[2].kind, found.slots[2].name) == ("new", "cloud")
    assert json.loads(encode_keyset(replace(found, version=2)))["slots"][2] == foreign
    assert unwrap(found, PASSPHRASE) == KEK
    assert unwrap(found.slots[2], PASSPHRASE) is None


@pytest.mark.parametrize("kind", get_args(CloudKind))
def test_a_slot_of_a_cloud_key_comes_back_and_opens_for_no_text(kind: CloudKind) -> None:
    slot = CloudSlot(kind=kind, name="cloud", key="arn:aws:kms:x:1:key/a", wrapped=b"\0" * 184)
    made = replace(MADE, slots=(*MADE.slots, slot))
    assert decode_keyset(encode_keyset(made), 1) == made
    assert stored_value(made)["slots"][2] == {
        "kind": kind,
        "name": "cloud",
        "key": "arn:aws:kms:x:1:key/a",
        "wrapped": "00" * 184,
    }
    assert unwrap(slot, PASSPHRASE) is None
    assert unwrap(replace(made, slots=(slot,)), RECOVERY_KEY) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", ""),
        ("key", 7),
        ("key", "x" * 2049),
        ("key", "\x1b[2J"),
        ("key", None),
        ("wrapped", ""),
        ("wrapped", "no hex"),
        ("wrapped", "00" * 6145),
    ],
)
@pytest.mark.parametrize("kind", get_args(CloudKind))
def test_a_damaged_slot_of_a_cloud_key_is_damage(kind: str, field: str, value: object) -> None:
    stored_keyset = stored_value()
    slot = {"kind": kind, "name": "cloud", "key": "arn", "wrapped": "00", field: value}
    stored_keyset["slots"].append(slot)
    with pytest.raises(IntegrityError, match=r"keys/1\.json is damaged: .*key|wrapped"):
        decode_keyset(stored(stored_keyset), 1)


def test_slots_say_their_kind() -> None:
    assert [slot.kind for slot in MADE.slots] == ["passphrase", "recovery"]
    assert isinstance(MADE.slots[0], PassphraseSlot)
    assert isinstance(MADE.slots[1], RecoverySlot)


def test_two_slots_of_one_name_are_not_written() -> None:
    doubled = replace(MADE, slots=(MADE.slots[0], replace(MADE.slots[1], name="operator")))
    with pytest.raises(InputError, match="named 'operator' already"):
        encode_keyset(doubled)


@pytest.mark.parametrize("name", ["", "x" * 65, "two\nlines", "\x1b[2J"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a key slot"):
        wrap_passphrase(KEK, PASSPHRASE, name, memory_kib=MEMORY_KIB)
    with pytest.raises(InputError, match="cannot name a key slot"):
        wrap_recovery(KEK, RECOVERY_KEY, name)
    with pytest.raises(InputError, match="cannot name a key slot"):
        encode_keyset(replace(MADE, slots=(replace(MADE.slots[1], name=name),)))
