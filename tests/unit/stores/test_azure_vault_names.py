"""Identifiers of keys and secrets in a vault, and all that only looks like one."""

import pytest

from core.errors import InputError
from core.stores.azure_vault_names import parse_vault_key, parse_vault_secret

VERSION = "0123456789abcdef0123456789abcdef"
KEY = "https://cold-vault.vault.azure.net/keys/Copies-1"
SECRET = "https://cold-vault.vault.azure.net/secrets/passphrase"


@pytest.mark.parametrize("version", ["", VERSION])
@pytest.mark.parametrize("domain", ["vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"])
def test_an_identifier_is_taken_apart(domain: str, version: str) -> None:
    text = f"https://Cold-Vault.{domain}/keys/Copies-1" + (f"/{version}" if version else "")
    found = parse_vault_key(text)
    assert (found.vault, found.kind) == (f"https://cold-vault.{domain}", "keys")
    assert (found.name, found.version) == ("Copies-1", version)
    assert found.url == text.lower().replace("copies", "Copies")
    assert parse_vault_key(found.url) == found


def test_versions_and_cases_of_one_name_are_one_key() -> None:
    one = parse_vault_key(KEY)
    assert one.is_same_object(parse_vault_key(f"{KEY}/{VERSION}"))
    assert one.is_same_object(parse_vault_key(KEY.upper().replace("HTTPS", "https")))
    assert not one.is_same_object(parse_vault_key(KEY.replace("Copies-1", "Copies-2")))
    assert not one.is_same_object(parse_vault_key(KEY.replace("cold", "hot")))
    assert not one.is_same_object(parse_vault_key(KEY.replace("azure.net", "azure.cn")))


HOSTILE = [
    "",
    "hunter2",
    "arn:aws:kms:eu-central-1:123456789012:key/ID",
    KEY.replace("https", "http"),
    KEY.replace("vault.azure.net", "vault.azure.net.evil.example"),
    KEY.replace("vault.azure.net", "vault.azure.net:444"),
    KEY.replace("vault.azure.net", "vault_azure_net"),
    KEY.replace("cold-vault.", "user:hunter2@cold-vault."),
    KEY.replace("cold-vault.", "evil.example/cold-vault."),
    KEY.replace("cold-vault.", "evil.example\\cold-vault."),
    KEY.replace("cold-vault.", "evil.example#cold-vault."),
    KEY.replace("cold-vault.", "a.cold-vault."),
    KEY.replace("cold-vault.", ""),
    KEY.replace("cold-vault", "1vault"),
    KEY.replace("cold-vault", "cold--vault"),
    KEY.replace("Copies-1", "../secrets/x"),
    KEY.replace("Copies-1", "x%2f..%2fy"),
    KEY.replace("Copies-1", "x?api-version=1"),
    KEY.replace("Copies-1", "\u0130"),
    KEY.replace("azure.net", "a\u017fure.net"),
    f"{KEY}/",
    f"{KEY}/latest",
    f"{KEY}/{VERSION}/{VERSION}",
    f"{KEY}/{VERSION}#",
    f"{KEY}\n",
    f" {KEY}",
]


@pytest.mark.parametrize("text", [*HOSTILE, SECRET])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError, match="not the identifier of a key") as caught:
        parse_vault_key(text)
    assert "VAULT.vault.azure.net/keys/NAME" in caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("text", [*(text.replace("/keys/", "/secrets/") for text in HOSTILE), KEY])
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError, match="not the identifier of a secret") as caught:
        parse_vault_secret(text)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("domain", ["managedhsm.azure.net", "managedhsm.azure.cn"])
def test_a_managed_hsm_is_another_service(domain: str) -> None:
    with pytest.raises(InputError, match="managed HSM") as caught:
        parse_vault_key(f"https://cold.{domain}/keys/copies")
    assert "premium vault" in caught.value.hint


def test_a_secret_is_taken_apart() -> None:
    found = parse_vault_secret(f"{SECRET}/{VERSION}")
    assert (found.kind, found.name, found.version) == ("secrets", "passphrase", VERSION)
    assert found.url == f"{SECRET}/{VERSION}"
