"""A key in a vault opens what it wrapped for the same repository, and says why when it does not."""

import base64
import logging
import secrets
import time
from dataclasses import replace

import pytest

from core.errors import InputError, IntegrityError, StoreError
from core.stores.azure_vault_key import VaultKey
from core.stores.cloud_key import Wrapping
from core.stores.settings import StoreSettings
from tests.emulators.vault import FAILED, FIREWALL, THROTTLED, KeyVault, RefusedError

PLAIN = secrets.token_bytes(32)
CONTEXT = {"coldhaul:repository": "0" * 32}
STRANGER = "https://coldhaul-nobody.vault.azure.net/keys/copies"
ROLE = "Key Vault Crypto Service Encryption User"


def key_at(url: str) -> VaultKey:
    return VaultKey(url, StoreSettings())


def test_a_key_opens_what_it_wrapped(key_vault: KeyVault) -> None:
    url = key_vault.new_key()
    wrapped = key_at(url).wrap(PLAIN, CONTEXT)
    assert PLAIN not in wrapped.data
    assert wrapped.key == key_vault.newest(url)
    # As another machine would.
    assert key_at(url).unwrap(wrapped, CONTEXT) == PLAIN


def test_what_is_wrapped_begins_with_the_context(key_vault: KeyVault) -> None:
    """As docs/format.md has it, and a reader who only has the vault finds it."""
    wrapped = key_at(key_vault.new_key()).wrap(PLAIN, CONTEXT)
    line = b"coldhaul:repository=" + b"0" * 32 + b"\n"
    assert key_at(wrapped.key).unwrap(wrapped, {}) == line + PLAIN


def test_a_rotated_key_opens_what_its_older_versions_wrapped(key_vault: KeyVault) -> None:
    url = key_vault.new_key()
    old = key_at(url).wrap(PLAIN, CONTEXT)
    newer = key_vault.rotate(url)
    new = key_at(url).wrap(PLAIN, CONTEXT)
    assert (old.key != newer, new.key) == (True, newer)
    for key in (key_at(url), key_at(old.key), key_at(newer)):
        assert key.unwrap(old, CONTEXT) == key.unwrap(new, CONTEXT) == PLAIN


def test_a_version_that_is_named_wraps(key_vault: KeyVault) -> None:
    url = key_vault.new_key()
    old = key_vault.newest(url)
    key_vault.rotate(url)
    assert key_at(old).wrap(PLAIN, CONTEXT).key == old


@pytest.mark.parametrize("context", [{"coldhaul:repository": "1" * 32}, {"a": "b"}])
def test_another_context_opens_nothing(key_vault: KeyVault, context: dict[str, str]) -> None:
    key = key_at(key_vault.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    with pytest.raises(IntegrityError, match="another repository"):
        key.unwrap(wrapped, context)


def test_another_key_opens_nothing(key_vault: KeyVault) -> None:
    one, two = key_at(key_vault.new_key()), key_at(key_vault.new_key())
    wrapped = one.wrap(PLAIN, CONTEXT)
    with pytest.raises(IntegrityError, match="by another key"):
        two.unwrap(replace(wrapped, key=key_vault.newest(two.key)), CONTEXT)
    asked = key_vault.operations.copy()
    with pytest.raises(IntegrityError, match="by another key"):
        two.unwrap(wrapped, CONTEXT)
    assert key_vault.operations == asked


def test_another_version_opens_nothing(key_vault: KeyVault) -> None:
    url = key_vault.new_key()
    wrapped = key_at(url).wrap(PLAIN, CONTEXT)
    with pytest.raises(IntegrityError, match="by another key"):
        key_at(url).unwrap(replace(wrapped, key=key_vault.rotate(url)), CONTEXT)


@pytest.mark.parametrize("place", [0, 60, -1])
def test_what_was_changed_does_not_open(key_vault: KeyVault, place: int) -> None:
    key = key_at(key_vault.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    changed = bytearray(wrapped.data)
    changed[place] ^= 1
    with pytest.raises(IntegrityError, match="was changed"):
        key.unwrap(replace(wrapped, data=bytes(changed)), CONTEXT)


def test_a_key_that_is_not_there_is_the_configuration_s_fault(key_vault: KeyVault) -> None:
    url = f"https://{key_vault.host}/keys/nobody"
    with pytest.raises(InputError, match=f"{url}: there is no such key") as caught:
        key_at(url).wrap(PLAIN, CONTEXT)
    assert "az keyvault key recover" in caught.value.hint


def test_a_deleted_key_can_be_brought_back_for_a_while(key_vault: KeyVault) -> None:
    url = key_vault.new_key()
    wrapped = key_at(url).wrap(PLAIN, CONTEXT)
    key_vault.delete(url)
    with pytest.raises(InputError, match="there is no such key") as caught:
        key_at(url).unwrap(wrapped, CONTEXT)
    assert "recovery key" in caught.value.hint


def test_a_disabled_key_can_be_brought_back(key_vault: KeyVault) -> None:
    url = key_vault.new_key()
    wrapped = key_at(url).wrap(PLAIN, CONTEXT)
    key_vault.enable(url, is_enabled=False)
    with pytest.raises(StoreError, match="the key is disabled") as caught:
        key_at(url).unwrap(wrapped, CONTEXT)
    assert "recovery key" in caught.value.hint
    assert f"--enabled true --id {wrapped.key}" in caught.value.hint
    key_vault.enable(url, is_enabled=True)
    assert key_at(url).unwrap(wrapped, CONTEXT) == PLAIN


@pytest.mark.parametrize(
    "attributes", [{"exp": int(time.time()) - 60}, {"nbf": int(time.time()) + 3600}]
)
def test_a_key_outside_its_time_does_not_wrap(
    key_vault: KeyVault, attributes: dict[str, int]
) -> None:
    with pytest.raises(StoreError, match="the vault refuses this key") as caught:
        key_at(key_vault.new_key(**attributes)).wrap(PLAIN, CONTEXT)
    assert "from when until when" in caught.value.hint


def test_a_key_for_signatures_wraps_nothing(key_vault: KeyVault) -> None:
    with pytest.raises(InputError, match="not an RSA key") as caught:
        key_at(key_vault.new_curve_key()).wrap(PLAIN, CONTEXT)
    assert "--kty RSA" in caught.value.hint


def test_a_refusal_names_the_permission_the_role_and_the_key(key_vault: KeyVault) -> None:
    url = key_vault.new_key()
    wrapped = key_at(url).wrap(PLAIN, CONTEXT)
    key_vault.denied = {"keys/wrapKey", "keys/unwrapKey"}
    with pytest.raises(StoreError, match=f"{url}: keys/wrapKey is not allowed") as caught:
        key_at(url).wrap(PLAIN, CONTEXT)
    assert ROLE in caught.value.hint
    with pytest.raises(StoreError, match="keys/unwrapKey is not allowed") as caught:
        key_at(url).unwrap(wrapped, CONTEXT)
    assert ROLE in caught.value.hint
    assert wrapped.key in caught.value.message


def test_a_key_that_may_only_wrap_says_so(key_vault: KeyVault) -> None:
    key = key_at(key_vault.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    key_vault.limit(key.key, "wrapKey")
    with pytest.raises(StoreError, match="refuses this key") as caught:
        key.unwrap(wrapped, CONTEXT)
    assert "its operations" in caught.value.hint


def test_each_use_is_one_request_that_the_vault_sees(key_vault: KeyVault) -> None:
    key = key_at(key_vault.new_key())
    key.unwrap(key.wrap(PLAIN, CONTEXT), CONTEXT)
    assert key_vault.operations == {"keys/wrapKey": 1, "keys/unwrapKey": 1}


@pytest.mark.parametrize("fault", [THROTTLED, FAILED, None], ids=["throttled", "failed", "broken"])
def test_what_fails_for_a_moment_is_tried_again(
    key_vault: KeyVault, fault: RefusedError | None
) -> None:
    key = key_at(key_vault.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    key_vault.fail("keys/unwrapKey", fault, fault)
    assert key.unwrap(wrapped, CONTEXT) == PLAIN
    assert key_vault.operations["keys/unwrapKey"] == 3


NOBODY = "0" * 32


@pytest.mark.parametrize(
    "said",
    [
        {"value": None},
        {"value": 7},
        {"value": "no+base64"},
        {"value": "\u00e9"},
        {"kid": None},
        {"kid": f"{STRANGER}/{NOBODY}"},
        {"kid": "https://evil.example/keys/copies"},
    ],
)
def test_an_answer_that_no_vault_gives_is_refused(
    key_vault: KeyVault, said: dict[str, object]
) -> None:
    key = key_at(key_vault.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    key_vault.tamper = lambda answer: answer | said
    for use in (lambda: key.wrap(PLAIN, CONTEXT), lambda: key.unwrap(wrapped, CONTEXT)):
        with pytest.raises(StoreError, match="is no Key Vault"):
            use()


@pytest.mark.parametrize("said", [None, [], "text", {}])
def test_an_answer_without_fields_is_refused(key_vault: KeyVault, said: object) -> None:
    key = key_at(key_vault.new_key())
    key_vault.tamper = lambda _: said
    with pytest.raises(StoreError, match="is no Key Vault"):
        key.wrap(PLAIN, CONTEXT)


def test_an_answer_of_another_version_than_was_asked_is_refused(key_vault: KeyVault) -> None:
    key = key_at(key_vault.newest(key_vault.new_key()))
    wrapped = key.wrap(PLAIN, CONTEXT)
    newer = key_vault.rotate(key.key)
    key_vault.tamper = lambda answer: answer | {"kid": newer}
    for use in (lambda: key.wrap(PLAIN, CONTEXT), lambda: key.unwrap(wrapped, CONTEXT)):
        with pytest.raises(StoreError, match="is no Key Vault"):
            use()


def test_a_wrapping_does_not_show_what_was_unwrapped() -> None:
    assert repr(PLAIN) not in repr(Wrapping(key=STRANGER, data=PLAIN))


def test_a_firewall_is_told_of(key_vault: KeyVault) -> None:
    key = key_at(key_vault.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    key_vault.fail("keys/unwrapKey", FIREWALL)
    with pytest.raises(StoreError, match="does not let this network in"):
        key.unwrap(wrapped, CONTEXT)


def test_a_vault_that_is_not_there_is_told_of(key_vault: KeyVault) -> None:
    with pytest.raises(StoreError, match="nothing answers at https://coldhaul-nobody") as caught:
        key_at(STRANGER).wrap(PLAIN, CONTEXT)
    assert "az keyvault recover" in caught.value.hint


def test_the_endpoint_and_account_key_of_a_store_are_not_asked(key_vault: KeyVault) -> None:
    def no_key() -> str:
        raise AssertionError("an account key opens no vault")

    settings = StoreSettings(endpoint="http://127.0.0.1:9/account", account_key=no_key)
    key = VaultKey(key_vault.new_key(), settings)
    assert key.unwrap(key.wrap(PLAIN, CONTEXT), CONTEXT) == PLAIN


def test_no_key_and_no_token_reaches_a_log(
    key_vault: KeyVault, caplog: pytest.LogCaptureFixture
) -> None:
    """Even of a program that logs everything (I5)."""
    caplog.set_level(logging.DEBUG)
    key = key_at(key_vault.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    key.unwrap(wrapped, CONTEXT)
    line = b"coldhaul:repository=" + b"0" * 32 + b"\n"
    for secret in (PLAIN, line + PLAIN):
        assert base64.urlsafe_b64encode(secret).decode().rstrip("=") not in caplog.text
    assert "Bearer ey" not in caplog.text


def test_a_key_shows_its_name_alone() -> None:
    key = key_at(STRANGER)
    assert repr(key) == f"VaultKey('{STRANGER}')"
    assert key.is_same(f"{STRANGER}/{'0' * 32}")
    assert not key.is_same(STRANGER.replace("copies", "others"))
    assert not key.is_same("anything else")


def test_a_wrapping_that_names_another_server_asks_nobody() -> None:
    """A stored keyset is obeyed before anything in it is proved."""
    hostile = Wrapping(key="https://evil.example/keys/copies/" + "0" * 32, data=b"0" * 256)
    with pytest.raises(IntegrityError):
        key_at(STRANGER).unwrap(hostile, CONTEXT)
