"""Keysets: one KEK, several secrets, versions that cannot be swapped."""

import json
from dataclasses import replace
from typing import Any

import pytest

from core.errors import InputError, IntegrityError
from core.format import keyset, seal
from core.format.keyset import (
    CloudSlot,
    ForeignSlot,
    KeyRing,
    Keyset,
    PassphraseSlot,
    RecoverySlot,
    add_epoch,
    decode_keyset,
    encode_keyset,
    new_kek,
    new_key_ring,
    new_recovery_key,
    open_key_ring,
    seal_key_ring,
    unwrap,
    wrap_passphrase,
    wrap_recovery,
)
from core.ids import RepositoryId

REPOSITORY = RepositoryId("0123456789abcdef0123456789abcdef")
OTHER_REPOSITORY = RepositoryId("f" * 32)
KEK = new_kek()
RING = new_key_ring()
PASSPHRASE = "correct horse battery staple"
RECOVERY_KEY = new_recovery_key()
# Only tests may be this cheap.
MEMORY_KIB = 64


def make_keyset(version: int = 1, ring: KeyRing = RING) -> Keyset:
    return Keyset(
        version=version,
        slots=(
            wrap_passphrase(KEK, PASSPHRASE, "operator", memory_kib=MEMORY_KIB),
            wrap_recovery(KEK, RECOVERY_KEY, "paper"),
        ),
        sealed_keys=seal_key_ring(KEK, ring, REPOSITORY, version),
    )


MADE = make_keyset()


def stored_value(made: Keyset = MADE) -> dict[str, Any]:
    value = json.loads(encode_keyset(made))
    assert isinstance(value, dict)
    return value


def stored(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_keyset_comes_back_and_equal_ones_give_equal_bytes() -> None:
    data = encode_keyset(MADE)
    assert decode_keyset(data, 1) == decode_keyset(data) == MADE
    assert encode_keyset(decode_keyset(data)) == data


@pytest.mark.parametrize("secret", [PASSPHRASE, RECOVERY_KEY], ids=["passphrase", "recovery key"])
def test_each_secret_opens_the_same_keys(secret: str) -> None:
    kek = unwrap(decode_keyset(encode_keyset(MADE), 1), secret)
    assert kek == KEK
    assert open_key_ring(kek, MADE, REPOSITORY) == RING


def test_a_slot_opens_for_its_own_secret_only() -> None:
    passphrase_slot, recovery_slot = MADE.slots
    assert unwrap(passphrase_slot, PASSPHRASE) == KEK
    assert unwrap(passphrase_slot, RECOVERY_KEY) is None
    assert unwrap(recovery_slot, RECOVERY_KEY) == KEK
    assert unwrap(recovery_slot, PASSPHRASE) is None


@pytest.mark.parametrize("secret", ["", "wrong", PASSPHRASE.upper(), PASSPHRASE + " "])
def test_a_wrong_secret_opens_nothing(secret: str) -> None:
    assert unwrap(MADE, secret) is None
    assert unwrap(MADE, new_recovery_key()) is None


def test_a_passphrase_is_the_same_however_a_keyboard_composes_it() -> None:
    slot = wrap_passphrase(KEK, "caf\u00e9", "one", memory_kib=MEMORY_KIB)
    assert unwrap(slot, "cafe\u0301") == KEK


def test_a_passphrase_that_is_no_text_is_refused() -> None:
    for secret in ("\udcff", "good\ud800"):
        with pytest.raises(InputError, match="not valid text"):
            wrap_passphrase(KEK, secret, "one", memory_kib=MEMORY_KIB)
        with pytest.raises(InputError, match="not valid text"):
            unwrap(MADE, secret)
    with pytest.raises(InputError, match="is empty"):
        wrap_passphrase(KEK, "", "one", memory_kib=MEMORY_KIB)


@pytest.mark.usefixtures("real_keys")
def test_a_new_passphrase_slot_costs_what_the_format_says() -> None:
    slot = wrap_passphrase(KEK, PASSPHRASE, "one")
    assert (slot.memory_kib, slot.iterations, slot.lanes) == (65_536, 3, 4)
    assert unwrap(slot, PASSPHRASE) == KEK


def test_a_recovery_key_is_read_as_people_write_it() -> None:
    assert len(RECOVERY_KEY) == 56 + 7
    for text in (
        RECOVERY_KEY.lower(),
        RECOVERY_KEY.replace("-", ""),
        f"  {RECOVERY_KEY.replace('-', ' ')}\n",
        RECOVERY_KEY.replace("O", "0").replace("I", "1").replace("B", "8"),
    ):
        assert unwrap(MADE, text) == KEK


def test_a_mistyped_recovery_key_is_told_from_a_wrong_one() -> None:
    other = "A" if RECOVERY_KEY[3] != "A" else "C"
    mistyped = RECOVERY_KEY[:3] + other + RECOVERY_KEY[4:]
    with pytest.raises(InputError, match="typing error"):
        unwrap(MADE, mistyped)
    with pytest.raises(InputError, match="typing error"):
        unwrap(MADE, "9" + RECOVERY_KEY[1:])
    only_passphrase = replace(MADE, slots=MADE.slots[:1])
    assert unwrap(only_passphrase, mistyped) is None
    for text in (mistyped, "", RECOVERY_KEY[:-1], RECOVERY_KEY + "A"):
        with pytest.raises(InputError, match="not a recovery key"):
            wrap_recovery(KEK, text, "paper")


def test_a_new_epoch_keeps_the_old_ones_and_the_id_key() -> None:
    rotated = add_epoch(RING)
    assert rotated.id_key == RING.id_key
    assert rotated.epochs[:-1] == RING.epochs
    assert rotated.newest == rotated.epochs[-1]
    assert rotated.newest_first == (rotated.newest, *RING.newest_first)
    made = make_keyset(2, rotated)
    assert open_key_ring(KEK, made, REPOSITORY) == rotated


def test_random_things_differ() -> None:
    assert new_kek() != new_kek()
    assert new_key_ring() != new_key_ring()
    assert new_recovery_key() != new_recovery_key()


def test_keys_do_not_show_when_printed() -> None:
    assert repr(RING) == "KeyRing()"


def test_keys_of_another_version_or_repository_do_not_open() -> None:
    two = make_keyset(2)
    swapped = replace(two, sealed_keys=MADE.sealed_keys)
    with pytest.raises(IntegrityError, match=r"keys/2\.json: no key"):
        open_key_ring(KEK, swapped, REPOSITORY)
    with pytest.raises(IntegrityError, match=r"keys/1\.json: no key"):
        open_key_ring(KEK, MADE, OTHER_REPOSITORY)
    with pytest.raises(IntegrityError, match="no key"):
        open_key_ring(new_kek(), MADE, REPOSITORY)


def test_a_keyset_under_the_name_of_another_version_is_refused() -> None:
    with pytest.raises(IntegrityError, match=r"keys/2\.json holds version 1"):
        decode_keyset(encode_keyset(MADE), 2)


@pytest.mark.parametrize("place", [0, 23, 24, 60, -1])
def test_damaged_sealed_keys_are_found(place: int) -> None:
    damaged = bytearray(MADE.sealed_keys)
    damaged[place] ^= 1
    with pytest.raises(IntegrityError):
        open_key_ring(KEK, replace(MADE, sealed_keys=bytes(damaged)), REPOSITORY)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"[]",
        b"{}",
        stored({"epochs": [], "id_key": "00" * 32}),
        stored({"epochs": ["00" * 31], "id_key": "00" * 32}),
        stored({"epochs": ["00" * 32], "id_key": "00" * 33}),
        stored({"epochs": "00" * 32, "id_key": "00" * 32}),
        stored({"epochs": ["zz" * 32], "id_key": "00" * 32}),
        stored({"epochs": ["00" * 32]}),
    ],
)
def test_sealed_keys_that_are_no_key_ring_are_refused(plain: bytes) -> None:
    sealed = seal.seal(KEK, seal.context(REPOSITORY, "keys/1.json"), plain)
    with pytest.raises(IntegrityError, match=r"keys/1\.json is damaged"):
        open_key_ring(KEK, replace(MADE, sealed_keys=sealed), REPOSITORY)


@pytest.mark.parametrize("size", [0, 1, 100, -2])
def test_a_cut_keyset_is_refused(size: int) -> None:
    with pytest.raises(IntegrityError, match=r"keys/1\.json is damaged"):
        decode_keyset(encode_keyset(MADE)[:size], 1)


@pytest.mark.parametrize("data", [b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a": ' * 100_000])
def test_what_is_no_keyset_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"the keyset is damaged"):
        decode_keyset(data)


def test_a_newer_format_is_told_from_damage() -> None:
    newer = {"format_version": 2, "whatever": "comes"}
    with pytest.raises(InputError, match="format version 2; this coldhaul knows up to 1") as caught:
        decode_keyset(stored(newer), 1)
    assert "newer coldhaul" in caught.value.hint


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format_version", 0),
        ("format_version", "1"),
        ("format_version", None),
        ("version", 0),
        ("version", -1),
        ("version", 1.5),
        ("version", True),
        ("sealed_keys", "0"),
        ("sealed_keys", "not hex"),
        ("sealed_keys", 7),
        ("slots", {}),
        ("slots", ["text"]),
        ("slots", [{}]),
        ("slots", [{"kind": "new"}]),
        ("slots", [{"kind": "new", "name": ""}]),
        ("slots", [{"kind": "new", "name": 7}]),
        ("slots", [{"kind": "new", "name": "x" * 65}]),
        ("slots", [{"kind": "new", "name": "\x1b[2J"}]),
        ("slots", [{"kind": "new", "name": "a"}, {"kind": "other", "name": "a"}]),
        ("slots", [{"kind": "passphrase", "name": "a"}]),
        ("slots", [{"kind": "recovery", "name": "a", "wrapped": "00" * 39}]),
        ("slots", [{"kind": "recovery", "name": "a", "wrapped": "00" * 41}]),
    ],
)
def test_a_field_that_is_wrong_is_damage(field: str, value: object) -> None:
    data = stored({**stored_value(), field: value})
    with pytest.raises(IntegrityError, match=r"keys/1\.json is damaged"):
        decode_keyset(data, 1)


@pytest.mark.parametrize("field", ["format_version", "version", "slots", "sealed_keys"])
def test_a_missing_field_is_damage(field: str) -> None:
    value = stored_value()
    del value[field]
    with pytest.raises(IntegrityError, match=f"{field}: Field required"):
        decode_keyset(stored(value), 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iterations", 0),
        ("iterations", keyset.ARGON2_ITERATIONS_MAX + 1),
        ("lanes", 0),
        ("lanes", keyset.ARGON2_LANES_MAX + 1),
        ("memory_kib", 7),
        ("memory_kib", 31),
        ("memory_kib", keyset.ARGON2_MEMORY_KIB_MAX + 1),
        ("salt", "00" * 15),
        ("wrapped", "00" * 32),
    ],
)
def test_a_slot_that_asks_too_much_of_a_reader_is_damage(field: str, value: object) -> None:
    stored_keyset = stored_value()
    stored_keyset["slots"][0][field] = value
    with pytest.raises(IntegrityError, match=f"{field}"):
        decode_keyset(stored(stored_keyset), 1)


def test_fields_of_later_versions_are_ignored() -> None:
    value = {**stored_value(), "comment": "more"}
    value["slots"][0]["comment"] = "more"
    assert decode_keyset(stored(value), 1) == MADE


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


def test_a_slot_of_a_cloud_key_comes_back_and_opens_for_no_text() -> None:
    slot = CloudSlot(kind="aws-kms", name="cloud", key="arn:aws:kms:x:1:key/a", wrapped=b"\0" * 184)
    made = replace(MADE, slots=(*MADE.slots, slot))
    assert decode_keyset(encode_keyset(made), 1) == made
    assert stored_value(made)["slots"][2] == {
        "kind": "aws-kms",
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
def test_a_damaged_slot_of_a_cloud_key_is_damage(field: str, value: object) -> None:
    stored_keyset = stored_value()
    slot = {"kind": "aws-kms", "name": "cloud", "key": "arn", "wrapped": "00", field: value}
    stored_keyset["slots"].append(slot)
    with pytest.raises(IntegrityError, match=r"keys/1\.json is damaged: .*key|wrapped"):
        decode_keyset(stored(stored_keyset), 1)


def test_a_cloud_is_told_which_repository_it_wraps_for() -> None:
    assert keyset.cloud_context(REPOSITORY) == {"coldhaul:repository": REPOSITORY}


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


def test_a_damaged_slot_opens_for_nobody() -> None:
    slot = MADE.slots[1]
    assert isinstance(slot, RecoverySlot)
    changed = bytes([slot.wrapped[0] ^ 1]) + slot.wrapped[1:]
    assert unwrap(replace(slot, wrapped=changed), RECOVERY_KEY) is None


def test_a_slot_that_wraps_something_other_than_a_kek_opens_for_nobody() -> None:
    slot = wrap_recovery(bytes(31), RECOVERY_KEY, "paper")
    assert len(slot.wrapped) == keyset.WRAPPED_SIZE
    assert unwrap(slot, RECOVERY_KEY) is None
