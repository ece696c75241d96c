"""A secret in a vault comes back as it was stored, or nobody learns anything about it."""

import pytest

from core.errors import InputError, StoreError
from core.stores.azure_vault_secret import fetch_vault_secret
from core.stores.settings import StoreSettings
from tests.emulators.vault import THROTTLED, KeyVault

TEXT = "nine purple owls in a teapot"


@pytest.mark.parametrize("stored", [TEXT, TEXT + "\n", TEXT + "\r\n"])
def test_a_secret_is_read_by_its_identifier(key_vault: KeyVault, stored: str) -> None:
    assert fetch_vault_secret(key_vault.new_secret(stored), StoreSettings()) == TEXT


def test_the_newest_version_is_read_unless_another_is_named(key_vault: KeyVault) -> None:
    url = key_vault.new_secret("old")
    old = key_vault.newest(url)
    new = key_vault.rotate(url, TEXT)
    assert fetch_vault_secret(url, StoreSettings()) == TEXT
    assert fetch_vault_secret(new, StoreSettings()) == TEXT
    assert fetch_vault_secret(old, StoreSettings()) == "old"


def test_a_secret_that_is_not_there_is_the_configuration_s_fault(key_vault: KeyVault) -> None:
    url = f"https://{key_vault.host}/secrets/nobody"
    with pytest.raises(InputError, match=f"read the secret {url}: there is no such") as caught:
        fetch_vault_secret(url, StoreSettings())
    assert "az keyvault secret recover" in caught.value.hint


def test_a_disabled_secret_can_be_brought_back(key_vault: KeyVault) -> None:
    url = key_vault.new_secret(TEXT)
    key_vault.enable(url, is_enabled=False)
    with pytest.raises(StoreError, match="the secret is disabled") as caught:
        fetch_vault_secret(url, StoreSettings())
    assert f"az keyvault secret set-attributes --enabled true --id {url}" in caught.value.hint


def test_a_refusal_names_the_secret_the_permission_and_the_role(key_vault: KeyVault) -> None:
    url = key_vault.new_secret(TEXT)
    key_vault.denied = {"secrets/get"}
    with pytest.raises(StoreError, match=f"{url}: secrets/get is not allowed") as caught:
        fetch_vault_secret(url, StoreSettings())
    assert "Key Vault Secrets User" in caught.value.hint
    assert key_vault.operations == {"secrets/get": 1}


def test_a_throttled_read_is_tried_again(key_vault: KeyVault) -> None:
    url = key_vault.new_secret(TEXT)
    key_vault.fail("secrets/get", THROTTLED, THROTTLED)
    assert fetch_vault_secret(url, StoreSettings()) == TEXT
    assert key_vault.operations == {"secrets/get": 3}
