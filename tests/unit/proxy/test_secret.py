"""Secrets are referred to, fetched when used, and never repeated."""

from pathlib import Path

import pytest

from core.errors import InputError, StoreError
from core.stores.settings import StoreSettings
from proxy.secret import SecretReference, parse_secret_reference, read_secret
from tests.emulators.services import AmazonService
from tests.emulators.vault import KeyVault

WHERE = "repositories.vault.encryption.passphrase"
ARN = "secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:vault-a1B2c3"

VAULT = "keyvault:https://cold.vault.azure.net/secrets/passphrase"


def file_reference(path: Path) -> SecretReference:
    return parse_secret_reference(f"file:{path}")


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "env:VAULT_PASSPHRASE",
        "env:_x1",
        "file:/etc/vault.secret",
        "secretsmanager:vault",
        ARN,
        VAULT,
        f"{VAULT}/{'0' * 32}",
    ],
)
def test_a_reference_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_secret_reference(text)) == text


def test_a_file_may_be_written_as_a_url() -> None:
    assert str(parse_secret_reference("file:///etc/vault.secret")) == "file:/etc/vault.secret"


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "",
        "env",
        "ENV:X",
        "env:",
        "env:hunter-2",
        "file:hunter2",
        "file:",
        "secretsmanager:",
        "secretsmanager:hunter 2",
        "secretsmanager",
        "keyvault:",
        "keyvault:hunter2",
        "keyvault:https://hunter2.example/secrets/passphrase",
        "https://cold.vault.azure.net/secrets/hunter2",
        "keyvault",
    ],
)
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_secret_reference(text)
    assert "hunter" not in caught.value.message + caught.value.hint
    assert caught.value.hint


def test_a_variable_is_read_when_the_secret_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = parse_secret_reference("env:VAULT_PASSPHRASE")
    monkeypatch.setenv("VAULT_PASSPHRASE", " two words ")
    assert read_secret(reference, WHERE) == " two words "


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_PASSPHRASE", raising=False)
    with pytest.raises(InputError, match="VAULT_PASSPHRASE, which is not set") as caught:
        read_secret(parse_secret_reference("env:VAULT_PASSPHRASE"), WHERE)
    assert WHERE in caught.value.message


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"two words\n", "two words"), (b"x\r\n", "x"), (b"x", "x"), (b" x \n\n", " x \n")],
)
def test_a_file_loses_its_last_newline_and_nothing_else(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    assert read_secret(file_reference(secret_file(tmp_path, content)), WHERE) == expected


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_a_file_that_everybody_reaches_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, b"hunter2", mode)
    with pytest.raises(InputError, match="every user") as caught:
        read_secret(file_reference(path), WHERE)
    assert "chmod 600" in caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_secret(file_reference(tmp_path / "none"), WHERE)
    assert WHERE in caught.value.message


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_secret(file_reference(tmp_path), WHERE)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"\n", "empty"), (b"\xff", "not UTF-8"), (b"x" * 5000, "longer than 4096")],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_secret(file_reference(secret_file(tmp_path, content)), WHERE)


def test_a_secret_is_shared_with_the_cloud(amazon: AmazonService) -> None:
    arn = amazon.new_secret(SecretString="two words\n")
    assert read_secret(parse_secret_reference(f"secretsmanager:{arn}"), WHERE) == "two words"


def test_settings_say_as_whom_a_cloud_is_asked(amazon: AmazonService) -> None:
    reference = parse_secret_reference(
        f"secretsmanager:{amazon.new_secret(SecretString='hunter2')}"
    )
    with pytest.raises(StoreError, match="ProfileNotFound") as caught:
        read_secret(reference, WHERE, StoreSettings(profile="nobody"))
    assert caught.value.message.startswith(f"{WHERE}: ")


def test_a_secret_of_the_cloud_that_is_not_there_is_named(amazon: AmazonService) -> None:
    with pytest.raises(InputError, match=f"{WHERE}: cannot read the secret nobody") as caught:
        read_secret(
            parse_secret_reference("secretsmanager:nobody"),
            WHERE,
            StoreSettings(region=amazon.region),
        )
    assert "list-secrets" in caught.value.hint


def test_an_empty_secret_of_the_cloud_is_refused(amazon: AmazonService) -> None:
    arn = amazon.new_secret(SecretString="\n")
    with pytest.raises(InputError, match="which is empty"):
        read_secret(parse_secret_reference(f"secretsmanager:{arn}"), WHERE)


def test_a_secret_in_a_vault_is_read_as_the_settings_say(
    key_vault: KeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = parse_secret_reference(f"keyvault:{key_vault.new_secret('two words')}")
    assert read_secret(reference, WHERE) == "two words"
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    settings = StoreSettings(ca_bundle=str(key_vault.certificate))
    assert read_secret(reference, WHERE, settings) == "two words"


def test_a_refusal_of_a_vault_says_where_the_reference_is(key_vault: KeyVault) -> None:
    reference = parse_secret_reference(f"keyvault:{key_vault.new_secret('two words')}")
    key_vault.denied = {"secrets/get"}
    with pytest.raises(StoreError, match="secrets/get is not allowed") as caught:
        read_secret(reference, WHERE)
    assert caught.value.message.startswith(WHERE)
    assert "Key Vault Secrets User" in caught.value.hint


def test_a_reference_says_whose_service_keeps_it() -> None:
    vendors = [parse_secret_reference(text).vendor for text in ("env:X", "file:/x", ARN, VAULT)]
    assert vendors == ["", "", "amazon-s3", "azure-blob"]
