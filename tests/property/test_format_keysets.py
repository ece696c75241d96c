"""Laws of keysets that hold for all bytes."""

import contextlib
import json
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, IntegrityError
from core.format.keyset import (
    KeyRing,
    Keyset,
    decode_keyset,
    encode_keyset,
    open_key_ring,
    seal_key_ring,
)
from core.format.slots import CLOUD_KEY_SIZE_MAX, CLOUD_WRAPPED_SIZE_MAX, CloudKind, CloudSlot
from core.format.wrapping import new_kek, new_recovery_key, unwrap, wrap_recovery
from core.ids import RepositoryId

REPOSITORY = RepositoryId("0" * 32)
KEK = new_kek()
RECOVERY_KEY = new_recovery_key()
MADE = Keyset(
    version=1,
    slots=(wrap_recovery(KEK, RECOVERY_KEY, "paper"),),
    sealed_keys=b"sealed",
)
DATA = encode_keyset(MADE)

keys = st.binary(min_size=32, max_size=32)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def decodes_or_is_refused(data: bytes) -> None:
    with contextlib.suppress(IntegrityError, InputError):
        found = decode_keyset(data)
        assert decode_keyset(encode_keyset(found)) == found


@given(st.lists(keys, min_size=1, max_size=4), keys, st.integers(1, 10**9))
def test_a_key_ring_comes_back(epochs: list[bytes], id_key: bytes, version: int) -> None:
    ring = KeyRing(epochs=tuple(epochs), id_key=id_key)
    sealed = seal_key_ring(KEK, ring, REPOSITORY, version)
    made = decode_keyset(
        encode_keyset(Keyset(version=version, slots=MADE.slots, sealed_keys=sealed)), version
    )
    assert open_key_ring(KEK, made, REPOSITORY) == ring


shown = st.characters(exclude_categories=["C", "Z"])


@given(
    st.sampled_from(get_args(CloudKind)),
    st.text(shown, min_size=1, max_size=64),
    st.text(shown, min_size=1, max_size=CLOUD_KEY_SIZE_MAX),
    st.binary(min_size=1, max_size=CLOUD_WRAPPED_SIZE_MAX),
)
def test_a_slot_of_a_cloud_key_comes_back(
    kind: CloudKind, name: str, key: str, wrapped: bytes
) -> None:
    slot = CloudSlot(kind=kind, name=name, key=key, wrapped=wrapped)
    made = Keyset(version=7, slots=(slot,), sealed_keys=b"sealed")
    data = encode_keyset(made)
    assert decode_keyset(data, 7) == made
    assert encode_keyset(decode_keyset(data)) == data


@given(
    st.sampled_from(get_args(CloudKind)),
    st.sampled_from(["kind", "name", "key", "wrapped", "other"]),
    values | st.text(alphabet="0123456789abcdef"),
)
def test_a_field_of_a_cloud_slot_of_any_value_is_read_or_refused(
    kind: CloudKind, name: str, value: object
) -> None:
    stored = json.loads(DATA)
    slot = {"kind": kind, "name": "cloud", "key": "arn:aws:kms:x:1:key/a", "wrapped": "00"}
    stored["slots"].append({**slot, name: value})
    decodes_or_is_refused(json.dumps(stored).encode())


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_keyset(data: bytes) -> None:
    decodes_or_is_refused(data)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255), st.integers(0, 100))
def test_a_changed_or_cut_keyset_is_read_or_refused(place: int, mask: int, cut: int) -> None:
    changed = bytearray(DATA)
    changed[place] ^= mask
    decodes_or_is_refused(bytes(changed)[: len(changed) - cut])


@given(st.sampled_from(["format_version", "version", "slots", "sealed_keys"]), values)
def test_a_field_of_any_value_is_read_or_refused(name: str, value: object) -> None:
    decodes_or_is_refused(json.dumps({**json.loads(DATA), name: value}).encode())


@given(st.sampled_from(["kind", "name", "wrapped", "other"]), values)
def test_a_slots_field_of_any_value_is_read_or_refused(name: str, value: object) -> None:
    stored = json.loads(DATA)
    stored["slots"][0][name] = value
    decodes_or_is_refused(json.dumps(stored).encode())


@given(st.text(max_size=80))
def test_any_text_is_taken_for_some_secret_or_refused(secret: str) -> None:
    with contextlib.suppress(InputError):
        assert unwrap(MADE, secret) is None


@given(st.integers(0, len(RECOVERY_KEY) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_no_single_mistyped_letter_goes_unseen(place: int, letter: str) -> None:
    typed = RECOVERY_KEY[:place] + letter + RECOVERY_KEY[place + 1 :]
    try:
        assert (unwrap(MADE, typed) == KEK) == (typed == RECOVERY_KEY)
    except InputError:
        assert typed != RECOVERY_KEY
