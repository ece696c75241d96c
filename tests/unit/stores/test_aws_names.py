"""ARNs are read whole or refused with what to write."""

import pytest

from core.errors import InputError
from core.stores.aws_names import parse_kms_key, parse_secret_name

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
REPLICA = "arn:aws:kms:{}:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:backups/vault-a1B2c3"


def test_a_key_is_taken_apart() -> None:
    key = parse_kms_key(KEY)
    assert (key.arn, key.partition, key.region, key.account) == (
        KEY, "aws", "eu-central-1", "123456789012"
    )  # fmt: skip


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "aws-eusc"])
def test_every_partition_has_keys(partition: str) -> None:
    assert parse_kms_key(KEY.replace(":aws:", f":{partition}:")).partition == partition


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        KEY + " ",
        KEY + "\n",
        KEY.replace(":kms:", ":s3:"),
        KEY.replace("123456789012", "1234"),
        KEY.replace("key/", ""),
        KEY.replace("eu-central-1", ""),
        "hunter2",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not the ARN of a KMS key") as caught:
        parse_kms_key(text)
    assert "arn:aws:kms:" in caught.value.hint


@pytest.mark.parametrize("text", ["alias/vault", "arn:aws:kms:r:123456789012:alias/vault"])
def test_an_alias_is_refused_as_it_can_change(text: str) -> None:
    with pytest.raises(InputError, match="alias") as caught:
        parse_kms_key(text)
    assert "describe-key" in caught.value.hint


def test_a_key_is_itself_and_its_replicas() -> None:
    key, other = parse_kms_key(KEY), parse_kms_key(KEY.replace("eu-central-1", "eu-west-1"))
    assert key.is_same_key(parse_kms_key(KEY))
    # Keys of one region may have ids of another by chance alone: they are not related.
    assert not key.is_same_key(other)
    primary, replica = (parse_kms_key(REPLICA.format(r)) for r in ("eu-central-1", "us-east-1"))
    assert primary.is_same_key(replica)
    assert not primary.is_same_key(key)
    stranger = parse_kms_key(REPLICA.format("us-east-1").replace("123456789012", "210987654321"))
    assert not primary.is_same_key(stranger)


def test_a_secret_has_an_arn_or_a_name() -> None:
    assert parse_secret_name(SECRET).region == "us-east-1"
    assert parse_secret_name(SECRET.removesuffix("-a1B2c3")).region == "us-east-1"
    assert (parse_secret_name("backups/vault").id, parse_secret_name("a").region) == (
        "backups/vault", ""
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "two words", KEY, "x" * 513, SECRET + "\n", "arn:aws:x"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="neither the ARN nor the name") as caught:
        parse_secret_name(text)
    assert "secretsmanager:" in caught.value.hint
