"""A vault is opened by a key in AWS KMS, or by a passphrase in Secrets Manager."""

import pytest

from tests.cli.place import PASSPHRASE, Place
from tests.emulators.faults import Rule, refusal
from tests.emulators.services import AmazonService
from tests.support.repositories import names_in, new_store

STRANGER = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"


def add_key(place: Place, amazon: AmazonService) -> str:
    arn = amazon.new_key()
    place.done("key", "add", "vault", "--kms", arn)
    return arn


def open_by(place: Place, arn: str) -> None:
    """Let the configuration refer to a KMS key from now on."""
    place.open_by(f'encryption.kms = "{arn}"')


def test_a_key_in_kms_does_all_that_a_passphrase_does(vault: Place, amazon: AmazonService) -> None:
    """Copy, rebuild from packs alone and restore, by permission only (I8)."""
    vault.done("repository", "create", "primary")
    (vault.tree / "letter").write_text("content")
    arn = add_key(vault, amazon)
    open_by(vault, arn)
    vault.done("job", "create", "nightly")
    vault.done("backup", str(vault.tree), "--to", "primary")
    vault.done("job", "run", "nightly")
    store = new_store(vault.root / "vault")
    store.delete([name for name in names_in(store) if not name.startswith("packs/")])
    assert len(vault.json("rebuild", "vault")["published_points"]) == 1
    vault.done("restore", "vault", "--to", str(vault.root / "back"))
    assert (vault.root / "back" / "letter").read_text() == "content"


def test_keys_in_kms_are_listed_with_their_arns_and_without_asking(
    vault: Place, amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = add_key(vault, amazon)
    amazon.reach_by("http://127.0.0.1:9", monkeypatch)
    assert vault.json("key", "list", "vault")["keys"] == [
        {"name": "main", "kind": "passphrase", "is_usable": True, "cloud_key": None},
        {"name": "kms", "kind": "aws-kms", "is_usable": True, "cloud_key": arn},
    ]
    assert arn.split("/")[1][:8] in vault.done("key", "list", "vault").out


def test_a_missing_permission_is_named_with_the_key(
    vault: Place, amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = add_key(vault, amazon)
    open_by(vault, arn)
    with amazon.fault_proxy(Rule(fault=refusal("aws", "AccessDeniedException"))) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        answer = vault.run("key", "rotate", "vault")
        findings = vault.run("repository", "check", "vault", "--json")
    assert answer.code == 6
    assert f"{arn}: kms:Decrypt is not allowed" in " ".join(answer.err.split())
    assert findings.code == 6
    (keys,) = [each for each in findings.document["findings"] if each["what"] == "keys"]
    assert "kms:Decrypt is not allowed" in keys["detail"]


def test_a_key_that_opens_nothing_says_how_to_add_it(vault: Place, amazon: AmazonService) -> None:
    open_by(vault, amazon.new_key())
    answer = vault.run("key", "rotate", "vault")
    assert answer.code == 2
    assert "key add NAME --kms" in " ".join(answer.err.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--kms", STRANGER], 2, "there is no such key"),
        (["--kms", "alias/hunter2"], 2, "--kms: it is an alias"),
        (["--kms", "hunter2"], 2, "--kms: it is not the ARN"),
        (["--kms", STRANGER, "--recovery"], 2, "exclude each other"),
        (["--kms", STRANGER, "--passphrase", "env:X"], 2, "exclude each other"),
    ],
)
def test_a_key_that_cannot_be_added_is_refused_with_the_reason(
    vault: Place, amazon: AmazonService, words: list[str], code: int, said: str
) -> None:
    answer = vault.run("key", "add", "vault", *words)
    assert answer.code == code
    assert said in " ".join(answer.err.split())
    assert "hunter2" not in answer.err
    assert len(vault.json("key", "list", "vault")["keys"]) == 1


def test_the_last_key_that_is_in_no_cloud_is_removed_only_when_told(
    vault: Place, amazon: AmazonService
) -> None:
    arn = add_key(vault, amazon)
    open_by(vault, arn)
    answer = vault.run("key", "remove", "vault", "main")
    assert answer.code == 4
    assert "--only-cloud-key" in answer.err
    vault.done("key", "remove", "vault", "main", "--only-cloud-key")
    findings = vault.json("repository", "check", "vault", code=8)["findings"]
    assert any("only keys in a cloud open it" in each["detail"] for each in findings)
    vault.done("key", "add", "vault", "--recovery")
    vault.done("repository", "check", "vault")


def test_removing_the_cloud_key_in_use_is_done_and_warned_of(
    vault: Place, amazon: AmazonService
) -> None:
    open_by(vault, add_key(vault, amazon))
    answer = vault.run("key", "remove", "vault", "kms")
    assert answer.code == 8
    assert "no longer opens" in answer.err


def test_create_refuses_a_cloud_key_alone_unless_told(place: Place, amazon: AmazonService) -> None:
    open_by(place, amazon.new_key())
    answer = place.run("repository", "create", "vault")
    assert answer.code == 2
    assert "--only-cloud-key" in answer.err
    assert not (place.root / "vault").exists()
    out = place.done("repository", "create", "vault", "--only-cloud-key").out
    assert "Without its KMS key" in out
    assert "key add vault --recovery" in out


def test_a_passphrase_in_secrets_manager_opens_what_it_says(
    vault: Place, amazon: AmazonService
) -> None:
    arn = amazon.new_secret(SecretString=PASSPHRASE)
    vault.open_by(f'encryption.passphrase = "secretsmanager:{arn}"')
    assert vault.json("key", "rotate", "vault")["epoch_count"] == 2
    other = amazon.new_secret(SecretString="tr0ub4dor and 3")
    vault.done("key", "add", "vault", "--name", "2", "--passphrase", f"secretsmanager:{other}")
    assert [key["name"] for key in vault.json("key", "list", "vault")["keys"]] == ["main", "2"]


def test_a_refused_secret_is_a_finding_among_others(
    vault: Place, amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = amazon.new_secret(SecretString=PASSPHRASE)
    vault.open_by(f'encryption.passphrase = "secretsmanager:{arn}"')
    with amazon.fault_proxy(Rule(fault=refusal("aws", "AccessDeniedException"))) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        findings = vault.json("repository", "check", "vault", code=6)["findings"]
    found = {each["what"]: each for each in findings}
    assert "secretsmanager:GetSecretValue is not allowed" in found["the secret"]["detail"]
    assert found["permission to write"]["level"] == "ok"
