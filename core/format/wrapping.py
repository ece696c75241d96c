"""How texts open a keyset: the KEK wrapped for a passphrase or a recovery key.

A passphrase is stretched by Argon2id, a recovery key is as random as any key; either way AES-KWP
wraps the KEK under what comes out, and so knows the right one.
"""

import base64
import secrets
import unicodedata
from collections.abc import Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from core.errors import InputError
from core.format.keyset import Keyset
from core.format.slots import (
    KEY_SIZE,
    SALT_SIZE,
    PassphraseSlot,
    RecoverySlot,
    Slot,
    check_slot_name,
)

# The second recommended option of RFC 9106: a tenth of a second, memory that even a small
# function has, and a price for every guess that no amount of hardware makes vanish.
ARGON2_MEMORY_KIB = 64 * 1024
ARGON2_ITERATIONS = 3
ARGON2_LANES = 4

_RECOVERY_DOMAIN = b"coldhaul recovery key\0"
_RECOVERY_CHECK_SIZE = 3
_RECOVERY_TEXT_SIZE = 56
_RECOVERY_GROUP_SIZE = 7
# Digits that base32 does not have are letters misread; dashes and spaces only help the eye.
_RECOVERY_READ = str.maketrans({"0": "O", "1": "I", "8": "B", "-": "", " ": "", "\n": ""})


def new_kek() -> bytes:
    """Return a new random key-encryption key."""
    return secrets.token_bytes(KEY_SIZE)


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
