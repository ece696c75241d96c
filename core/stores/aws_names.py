"""What keys and secrets are called in Amazon's cloud: ARNs, which say the region as well."""

import re
from dataclasses import dataclass

from core.errors import InputError

_PARTITION_REGION = r"arn:(?P<partition>aws[a-z-]*):%s:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
_KMS_KEY = re.compile(_PARTITION_REGION % "kms" + r"key/(?P<id>[A-Za-z0-9-]{1,128})")
_KMS_ALIAS = re.compile(r"(?:arn:.*:)?alias/.*")
_SECRET = re.compile(
    _PARTITION_REGION % "secretsmanager" + r"secret:(?P<id>[A-Za-z0-9/_+=.@-]{1,519})"
)
_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")

# Keys that exist in several regions as one: what one of them wrapped, all of them unwrap.
_MULTI_REGION = "mrk-"


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKeyName:
    """The ARN of a KMS key, taken apart."""

    arn: str
    partition: str
    region: str
    account: str
    id: str

    def is_same_key(self, other: "KmsKeyName") -> bool:
        """Say whether the two are one key, or replicas of one in different regions."""
        if self.arn == other.arn:
            return True
        one, two = ((each.partition, each.account, each.id) for each in (self, other))
        return self.id.startswith(_MULTI_REGION) and one == two


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretName:
    """What a secret in Secrets Manager is called; its region is empty if only a name is known."""

    id: str
    region: str


def parse_kms_key(text: str) -> KmsKeyName:
    """Read the ARN of a KMS key; anything else, aliases too, is an ``InputError``."""
    found = _KMS_KEY.fullmatch(text)
    if found is not None:
        return KmsKeyName(arn=text, **found.groupdict())
    if _KMS_ALIAS.fullmatch(text):
        raise InputError(
            "it is an alias, which can be pointed to another key, and then opens nothing",
            hint="write the key's own ARN; `aws kms describe-key --key-id ALIAS` shows it",
        )
    raise InputError(
        "it is not the ARN of a KMS key",
        hint="write it as in 'arn:aws:kms:eu-central-1:123456789012:key/ID'",
    )


def parse_secret_name(text: str) -> SecretName:
    """Read the ARN or the name of a secret in Secrets Manager, or raise ``InputError``."""
    found = _SECRET.fullmatch(text)
    if found is not None:
        return SecretName(id=text, region=found["region"])
    if _SECRET_NAME.fullmatch(text):
        return SecretName(id=text, region="")
    raise InputError(
        "what follows secretsmanager: is neither the ARN nor the name of a secret",
        hint="write it as in "
        "'secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:NAME'",
    )
