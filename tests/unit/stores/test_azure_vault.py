"""How a vault is reached: as whom, by which way, and what happens when something else answers."""

import pytest

from core.errors import InputError, StoreError
from core.stores.azure_session import open_identity
from core.stores.azure_vault_secret import fetch_vault_secret
from core.stores.settings import StoreSettings
from tests.emulators.vault import KeyVault, RefusedError

TEXT = "nine purple owls in a teapot"


def test_the_proxy_and_the_authorities_of_the_settings_are_used(
    key_vault: KeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name)
    settings = StoreSettings(http_proxy=key_vault.proxy, ca_bundle=str(key_vault.certificate))
    assert fetch_vault_secret(key_vault.new_secret(TEXT), settings) == TEXT


def test_a_certificate_that_nobody_signed_is_refused(
    key_vault: KeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(StoreError, match=r"certificate of .* is not trusted"):
        fetch_vault_secret(key_vault.new_secret(TEXT), StoreSettings())
    assert not key_vault.operations


def test_certificates_that_are_not_there_are_told_of(
    key_vault: KeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(InputError, match="certificates of authorities cannot be read") as caught:
        fetch_vault_secret(key_vault.new_secret(TEXT), StoreSettings())
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer authorization="https://evil.example/t", resource="https://evil.example"',
        'Bearer authorization="https://evil.example/t", resource="https://azure.net.evil.example"',
    ],
)
def test_who_asks_for_a_token_for_somewhere_else_gets_none(
    key_vault: KeyVault, challenge: str
) -> None:
    key_vault.challenge = challenge
    with pytest.raises(StoreError, match="is no Key Vault"):
        fetch_vault_secret(key_vault.new_secret(TEXT), StoreSettings())
    assert not key_vault.operations


def test_a_token_that_is_not_taken_is_fetched_anew_once(key_vault: KeyVault) -> None:
    url = key_vault.new_secret(TEXT)
    key_vault.fail("secrets/get", RefusedError(status=401, code="Unauthorized"))
    assert fetch_vault_secret(url, StoreSettings()) == TEXT
    refused = RefusedError(status=401, code="Unauthorized")
    key_vault.fail("secrets/get", *[refused] * 10)
    with pytest.raises(StoreError, match="does not accept these credentials") as caught:
        fetch_vault_secret(url, StoreSettings())
    assert "tenant" in caught.value.hint


def test_missing_credentials_are_told_of(
    key_vault: KeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    open_identity.cache_clear()
    with pytest.raises(StoreError, match="no usable credentials") as caught:
        fetch_vault_secret(key_vault.new_secret(TEXT), StoreSettings())
    assert "az login" in caught.value.hint
