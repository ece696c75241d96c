"""A key in KMS opens what it wrapped for the same repository, and says why when it does not."""

import base64
import logging
import secrets
from dataclasses import replace

import pytest

from core.errors import ColdhaulError, InputError, IntegrityError, StoreError
from core.stores.aws_kms import KmsKey
from core.stores.settings import StoreSettings
from tests.emulators import faults
from tests.emulators.faults import Rule, refusal
from tests.emulators.services import AmazonService

PLAIN = secrets.token_bytes(32)
CONTEXT = {"coldhaul:repository": "0" * 32}
STRANGER = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"


def key_at(arn: str) -> KmsKey:
    return KmsKey(arn, StoreSettings())


def test_a_key_opens_what_it_wrapped(amazon: AmazonService) -> None:
    key = key_at(amazon.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    assert PLAIN not in wrapped.data
    assert wrapped.key == key.key
    assert key.unwrap(wrapped, CONTEXT) == PLAIN
    # As another machine would.
    assert key_at(key.key).unwrap(wrapped, CONTEXT) == PLAIN


@pytest.mark.parametrize("context", [{}, {"coldhaul:repository": "1" * 32}])
def test_another_context_opens_nothing(amazon: AmazonService, context: dict[str, str]) -> None:
    key = key_at(amazon.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    with pytest.raises(IntegrityError, match="another repository"):
        key.unwrap(wrapped, context)


def test_another_key_opens_nothing(amazon: AmazonService) -> None:
    one, two = key_at(amazon.new_key()), key_at(amazon.new_key())
    with pytest.raises(IntegrityError, match="another KMS key"):
        two.unwrap(one.wrap(PLAIN, CONTEXT), CONTEXT)


@pytest.mark.parametrize("place", [0, 60, -1])
def test_what_was_changed_does_not_open(amazon: AmazonService, place: int) -> None:
    key = key_at(amazon.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    changed = bytearray(wrapped.data)
    changed[place] ^= 1
    with pytest.raises(IntegrityError, match="was changed"):
        key.unwrap(replace(wrapped, data=bytes(changed)), CONTEXT)


def test_a_key_that_is_not_there_is_the_configuration_s_fault(amazon: AmazonService) -> None:
    with pytest.raises(InputError, match="there is no such key") as caught:
        key_at(STRANGER).wrap(PLAIN, CONTEXT)
    assert STRANGER in caught.value.message


def test_a_disabled_key_can_be_brought_back(amazon: AmazonService) -> None:
    key = key_at(amazon.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    amazon.client("kms").disable_key(KeyId=key.key)
    with pytest.raises(StoreError, match="disabled") as caught:
        key.unwrap(wrapped, CONTEXT)
    assert "recovery key" in caught.value.hint
    amazon.client("kms").enable_key(KeyId=key.key)
    assert key.unwrap(wrapped, CONTEXT) == PLAIN


def test_a_key_about_to_be_deleted_can_be_brought_back(amazon: AmazonService) -> None:
    key = key_at(amazon.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    amazon.client("kms").schedule_key_deletion(KeyId=key.key, PendingWindowInDays=7)
    with pytest.raises(StoreError, match="about to be deleted") as caught:
        key.unwrap(wrapped, CONTEXT)
    assert "cancel-key-deletion" in caught.value.hint


def test_a_key_for_signatures_wraps_nothing(amazon: AmazonService) -> None:
    key = key_at(amazon.new_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY"))
    with pytest.raises(InputError, match="not a symmetric key"):
        key.wrap(PLAIN, CONTEXT)


@pytest.mark.parametrize(
    ("operation", "permission"), [("Encrypt", "kms:Encrypt"), ("Decrypt", "kms:Decrypt")]
)
def test_a_refusal_names_the_permission_and_the_key(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch, operation: str, permission: str
) -> None:
    key = key_at(amazon.new_key())
    wrapped = key.wrap(PLAIN, CONTEXT)
    denied = Rule(fault=refusal("aws", "AccessDeniedException"), operations=frozenset({operation}))
    with amazon.fault_proxy(denied) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        refused = key_at(key.key)
        with pytest.raises(StoreError, match=f"{key.key}: {permission} is not allowed") as caught:
            refused.unwrap(wrapped, CONTEXT) if operation == "Decrypt" else refused.wrap(
                PLAIN, CONTEXT
            )
    assert permission in caught.value.hint
    assert proxy.operations == {operation: 1}


@pytest.mark.parametrize(
    "fault",
    [
        refusal("aws", "ThrottlingException"),
        refusal("aws", "KMSInternalException"),
        refusal("aws", "ExpiredTokenException"),
        faults.RESET_BEFORE,
        faults.RESET_AFTER,
        faults.CUT_BODY,
    ],
    ids=lambda fault: fault.name,
)
def test_what_fails_for_a_moment_is_tried_again(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch, fault: faults.Fault
) -> None:
    arn = amazon.new_key()
    with amazon.fault_proxy(Rule(fault=fault, count=1)) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        key = key_at(arn)
        assert key.unwrap(key.wrap(PLAIN, CONTEXT), CONTEXT) == PLAIN
    assert proxy.operations == {"Encrypt": 2, "Decrypt": 1}


def test_credentials_that_nobody_knows_are_not_tried_again(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Rule(fault=refusal("aws", "UnrecognizedClientException"))
    with amazon.fault_proxy(unknown) as proxy:
        amazon.reach_by(proxy.endpoint, monkeypatch)
        with pytest.raises(StoreError, match="does not accept these credentials"):
            key_at(STRANGER).wrap(PLAIN, CONTEXT)
    assert proxy.operations == {"Encrypt": 1}


def test_missing_credentials_are_told_of(
    amazon: AmazonService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match=f"no credentials for {STRANGER}"):
        key_at(STRANGER).wrap(PLAIN, CONTEXT)


def test_the_profile_of_the_settings_asks(amazon: AmazonService) -> None:
    arn = amazon.new_key()
    with pytest.raises(StoreError, match="ProfileNotFound"):
        KmsKey(arn, StoreSettings(profile="nobody")).wrap(PLAIN, CONTEXT)


def test_the_endpoint_of_a_store_is_not_asked(amazon: AmazonService) -> None:
    key = KmsKey(amazon.new_key(), StoreSettings(endpoint="http://127.0.0.1:9"))
    assert key.unwrap(key.wrap(PLAIN, CONTEXT), CONTEXT) == PLAIN


def test_no_key_reaches_a_log(amazon: AmazonService, caplog: pytest.LogCaptureFixture) -> None:
    """Even of a program that logs everything (I5)."""
    caplog.set_level(logging.NOTSET, "botocore")
    caplog.set_level(logging.DEBUG)
    arn = amazon.new_key()
    assert "botocore.parsers" in {record.name for record in caplog.records}
    caplog.clear()
    key = key_at(arn)
    key.unwrap(key.wrap(PLAIN, CONTEXT), CONTEXT)
    assert base64.b64encode(PLAIN).decode() not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("botocore.parsers")]


def test_a_key_shows_its_name_alone() -> None:
    key = KmsKey(STRANGER, StoreSettings())
    assert repr(key) == f"KmsKey('{STRANGER}')"
    assert key.is_same(STRANGER)
    assert not key.is_same("anything else")


@pytest.mark.parametrize("text", ["", "alias/vault", "hunter2"])
def test_what_is_no_key_is_refused_before_anything_is_asked(text: str) -> None:
    with pytest.raises(InputError) as caught:
        KmsKey(text, StoreSettings())
    assert isinstance(caught.value, ColdhaulError)
    assert caught.value.hint
