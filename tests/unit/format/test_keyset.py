"""Keysets: one KEK, several secrets, versions that cannot be swapped."""

from dataclasses import replace

import pytest

from core.errors import InputError, IntegrityError
from core.format import keyset, seal
from core.format.keyset import (
    add_epoch,
    decode_keyset,
    encode_keyset,
    new_key_ring,
    open_key_ring,
)
from core.format.slots import CLOUD_WRAPPED_SIZE_MAX, CloudSlot
from core.format.wrapping import new_kek, new_recovery_key, unwrap
from tests.support.keysets import (
    KEK,
    MADE,
    OTHER_REPOSITORY,
    PASSPHRASE,
    RECOVERY_KEY,
    REPOSITORY,
    RING,
    make_keyset,
    stored,
    stored_value,
)


def test_a_keyset_comes_back_and_equal_ones_give_equal_bytes() -> None:
    data = encode_keyset(MADE)
    assert decode_keyset(data, 1) == decode_keyset(data) == MADE
    assert encode_keyset(decode_keyset(data)) == data


@pytest.mark.parametrize("secret", [PASSPHRASE, RECOVERY_KEY], ids=["passphrase", "recovery key"])
def test_each_secret_opens_the_same_keys(secret: str) -> None:
    kek = unwrap(decode_keyset(encode_keyset(MADE), 1), secret)
    assert kek == KEK
    assert open_key_ring(kek, MADE, REPOSITORY) == RING


def test_what_could_not_be_read_back_is_not_written() -> None:
    """It would close the repository for every secret, whichever slot is at fault."""
    for wrapped in (b"", b"0" * (CLOUD_WRAPPED_SIZE_MAX + 1)):
        slot = CloudSlot(kind="aws-kms", name="cloud", key="arn", wrapped=wrapped)
        with pytest.raises(IntegrityError, match="nobody could read it"):
            encode_keyset(replace(MADE, slots=(*MADE.slots, slot)))


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


def test_fields_of_later_versions_are_ignored() -> None:
    value = {**stored_value(), "comment": "more"}
    value["slots"][0]["comment"] = "more"
    assert decode_keyset(stored(value), 1) == MADE


def test_a_cloud_is_told_which_repository_it_wraps_for() -> None:
    assert keyset.cloud_context(REPOSITORY) == {"coldhaul:repository": REPOSITORY}
