"""Passphrases and recovery keys: what opens, what does not, and what only looks like one."""

from dataclasses import replace

import pytest

from core.errors import InputError
from core.format import slots
from core.format.slots import RecoverySlot
from core.format.wrapping import new_recovery_key, unwrap, wrap_passphrase, wrap_recovery
from tests.support.keysets import KEK, MADE, MEMORY_KIB, PASSPHRASE, RECOVERY_KEY


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


def test_a_damaged_slot_opens_for_nobody() -> None:
    slot = MADE.slots[1]
    assert isinstance(slot, RecoverySlot)
    changed = bytes([slot.wrapped[0] ^ 1]) + slot.wrapped[1:]
    assert unwrap(replace(slot, wrapped=changed), RECOVERY_KEY) is None


def test_a_slot_that_wraps_something_other_than_a_kek_opens_for_nobody() -> None:
    slot = wrap_recovery(bytes(31), RECOVERY_KEY, "paper")
    assert len(slot.wrapped) == slots.WRAPPED_SIZE
    assert unwrap(slot, RECOVERY_KEY) is None
