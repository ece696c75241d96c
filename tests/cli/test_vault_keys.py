"""A vault is opened by a key in Azure Key Vault, or by a passphrase kept there."""

import pytest

from tests.cli.place import PASSPHRASE, Place
from tests.emulators.services import AmazonService
from tests.emulators.vault import KeyVault
from tests.support.repositories import names_in, new_store

STRANGER = "https://coldhaul-nobody.vault.azure.net/keys/copies"


def add_key(place: Place, key_vault: KeyVault) -> str:
    url = key_vault.new_key()
    place.done("key", "add", "vault", "--key-vault", url)
    return url


def open_by(place: Place, url: str) -> None:
    """Let the configuration refer to a key in the vault from now on."""
    place.open_by(f'encryption.key_vault = "{url}"')


def test_a_key_in_a_vault_does_all_that_a_passphrase_does(
    vault: Place, key_vault: KeyVault
) -> None:
    """Copy, rebuild from packs alone and restore, by permission only (I8)."""
    vault.done("repository", "create", "primary")
    (vault.tree / "letter").write_text("content")
    url = add_key(vault, key_vault)
    open_by(vault, url)
    vault.done("job", "create", "nightly")
    vault.done("backup", str(vault.tree), "--to", "primary")
    key_vault.rotate(url)
    vault.done("job", "run", "nightly")
    store = new_store(vault.root / "vault")
    store.delete([name for name in names_in(store) if not name.startswith("packs/")])
    assert len(vault.json("rebuild", "vault")["published_points"]) == 1
    vault.done("restore", "vault", "--to", str(vault.root / "back"))
    assert (vault.root / "back" / "letter").read_text() == "content"


def test_keys_of_both_clouds_are_listed_without_asking(
    vault: Place, key_vault: KeyVault, amazon: AmazonService
) -> None:
    arn = amazon.new_key()
    vault.done("key", "add", "vault", "--kms", arn)
    url = add_key(vault, key_vault)
    asked = key_vault.operations.copy()
    assert vault.json("key", "list", "vault")["keys"] == [
        {"name": "main", "kind": "passphrase", "is_usable": True, "cloud_key": None},
        {"name": "kms", "kind": "aws-kms", "is_usable": True, "cloud_key": arn},
        {
            "name": "key-vault",
            "kind": "azure-key-vault",
            "is_usable": True,
            "cloud_key": key_vault.newest(url),
        },
    ]
    assert key_vault.operations == asked


def test_a_missing_permission_is_named_with_role_and_key(vault: Place, key_vault: KeyVault) -> None:
    url = add_key(vault, key_vault)
    open_by(vault, url)
    key_vault.denied = {"keys/unwrapKey"}
    answer = vault.run("key", "rotate", "vault")
    findings = vault.run("repository", "check", "vault", "--json")
    assert answer.code == 6
    said = " ".join(answer.err.split())
    assert f"{key_vault.newest(url)}: keys/unwrapKey is not allowed" in said
    assert "Key Vault Crypto Service Encryption User" in said
    assert findings.code == 6
    (keys,) = [each for each in findings.document["findings"] if each["what"] == "keys"]
    assert "keys/unwrapKey is not allowed" in keys["detail"]


def test_a_key_that_opens_nothing_says_how_to_add_it(vault: Place, key_vault: KeyVault) -> None:
    open_by(vault, key_vault.new_key())
    answer = vault.run("key", "rotate", "vault")
    assert answer.code == 2
    assert "key add NAME --key-vault URL" in " ".join(answer.err.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--key-vault", STRANGER], 6, "nothing answers at https://coldhaul-nobody.vault"),
        (["--key-vault", "hunter2"], 2, "--key-vault: it is not the identifier of a key"),
        (["--key-vault", "https://hunter2.example/keys/x"], 2, "it is not the identifier"),
        (["--key-vault", STRANGER.replace("vault.", "managedhsm.")], 2, "managed HSM"),
        (["--key-vault", STRANGER, "--recovery"], 2, "exclude each other"),
        (["--key-vault", STRANGER, "--kms", "arn"], 2, "exclude each other"),
    ],
)
def test_a_key_that_cannot_be_added_is_refused_with_the_reason(
    vault: Place, key_vault: KeyVault, words: list[str], code: int, said: str
) -> None:
    answer = vault.run("key", "add", "vault", *words)
    assert answer.code == code
    assert said in " ".join(answer.err.split())
    assert "hunter2" not in answer.err
    assert len(vault.json("key", "list", "vault")["keys"]) == 1


def test_the_last_key_that_is_in_no_cloud_is_removed_only_when_told(
    vault: Place, key_vault: KeyVault
) -> None:
    open_by(vault, add_key(vault, key_vault))
    answer = vault.run("key", "remove", "vault", "main")
    assert answer.code == 4
    assert "--only-cloud-key" in answer.err
    vault.done("key", "remove", "vault", "main", "--only-cloud-key")
    findings = vault.json("repository", "check", "vault", code=8)["findings"]
    assert any("only keys in a cloud open it" in each["detail"] for each in findings)


def test_removing_the_key_in_use_is_done_and_warned_of(vault: Place, key_vault: KeyVault) -> None:
    open_by(vault, add_key(vault, key_vault))
    answer = vault.run("key", "remove", "vault", "key-vault")
    assert answer.code == 8
    assert "no longer opens" in answer.err


def test_create_refuses_a_key_in_a_vault_alone_unless_told(
    place: Place, key_vault: KeyVault
) -> None:
    open_by(place, key_vault.new_key())
    answer = place.run("repository", "create", "vault")
    assert answer.code == 2
    assert "--only-cloud-key" in answer.err
    assert "key add NAME --key-vault URL" in " ".join(answer.err.split())
    assert not (place.root / "vault").exists()
    out = place.done("repository", "create", "vault", "--only-cloud-key").out
    assert "Without its key in Key Vault" in out
    assert "key add vault --recovery" in out


def test_a_passphrase_in_a_vault_opens_what_it_says(vault: Place, key_vault: KeyVault) -> None:
    url = key_vault.new_secret(PASSPHRASE)
    vault.open_by(f'encryption.passphrase = "keyvault:{url}"')
    assert vault.json("key", "rotate", "vault")["epoch_count"] == 2
    other = key_vault.new_secret("tr0ub4dor and 3")
    vault.done("key", "add", "vault", "--name", "2", "--passphrase", f"keyvault:{other}")
    assert [key["name"] for key in vault.json("key", "list", "vault")["keys"]] == ["main", "2"]


def test_a_refused_secret_is_a_finding_among_others(vault: Place, key_vault: KeyVault) -> None:
    url = key_vault.new_secret(PASSPHRASE)
    vault.open_by(f'encryption.passphrase = "keyvault:{url}"')
    key_vault.denied = {"secrets/get"}
    findings = vault.json("repository", "check", "vault", code=6)["findings"]
    found = {each["what"]: each for each in findings}
    assert "secrets/get is not allowed" in found["the secret"]["detail"]
    assert found["permission to write"]["level"] == "ok"
