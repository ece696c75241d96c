"""A secret comes back as it was stored, or nobody learns anything about it."""

import pytest

from core.errors import InputError, StoreError
from core.stores.aws_secrets import fetch_secret
from core.stores.settings import StoreSettings
from tests.emulators.faults import Refusal, Rule, refusal
from tests.emulators.services import AmazonService

TEXT = "nine purple owls in a teapot"


@pytest.mark.parametrize("stored", [TEXT, TEXT + "\n", TEXT + "\r\n"])
def test_a_secret_is_read_by_its_arn(amazon: AmazonService, stored: str) -> None:
    arn = amazon.new_secret(SecretString=stored)
    assert fetch_secret(arn, StoreSettings()) == TEXT


def test_a_secret_is_read_by_its_name_in_a_region(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = amazon.new_secret(SecretString=TEXT).split(":")[-1][:-7]
    assert fetch_secret(name, StoreSettings(region=amazon.region)) == TEXT
    monkeypatch.setenv("AWS_DEFAULT_REGION", amazon.region)
    assert fetch_secret(name, StoreSettings()) == TEXT
    with pytest.raises(InputError, match="there is none of this name"):
        fetch_secret(name, StoreSettings(region="eu-west-3"))


def test_a_secret_that_is_not_there_is_the_configuration_s_fault(amazon: AmazonService) -> None:
    with pytest.raises(InputError, match="read the secret nobody: there is none"):
        fetch_secret("nobody", StoreSettings(region=amazon.region))


def test_a_binary_secret_is_refused(amazon: AmazonService) -> None:
    arn = amazon.new_secret(SecretBinary=b"\x00\xff")
    with pytest.raises(InputError, match="is binary"):
        fetch_secret(arn, StoreSettings())


def test_a_deleted_secret_can_be_brought_back(amazon: AmazonService) -> None:
    arn = amazon.new_secret(SecretString=TEXT)
    amazon.client("secretsmanager").delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    with pytest.raises(StoreError, match="marked for deletion") as caught:
        fetch_secret(arn, StoreSettings())
    assert "restore-secret" in caught.value.hint


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            refusal("aws", "AccessDeniedException"),
            "secretsmanager:GetSecretValue is not allowed",
        ),
        (
            Refusal(
                name="AccessDeniedException", status=400, message="Access to KMS is not allowed"
            ),
            "its KMS key cannot be used",
        ),
        (refusal("aws", "DecryptionFailure"), "its KMS key cannot be used"),
    ],
    ids=["secret", "its key", "its key's state"],
)
def test_a_refusal_names_the_secret_and_the_permission(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch, fault: Refusal, said: str
) -> None:
    arn = amazon.new_secret(SecretString=TEXT)
    with amazon.fault_proxy(Rule(fault=fault)) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        with pytest.raises(StoreError, match=said) as caught:
            fetch_secret(arn, StoreSettings())
    assert arn in caught.value.message
    assert "Allow" in caught.value.hint
    assert proxy.operations == {"GetSecretValue": 1}


def test_a_throttled_read_is_tried_again(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = amazon.new_secret(SecretString=TEXT)
    rule = Rule(fault=refusal("aws", "ThrottlingException"), count=2)
    with amazon.fault_proxy(rule) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        assert fetch_secret(arn, StoreSettings()) == TEXT
    assert proxy.operations == {"GetSecretValue": 3}
