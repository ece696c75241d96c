"""What the template grants to the functions, and what they asked of S3, KMS and Secrets Manager."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from tests.emulated.site import Ways
from tests.emulators.fault_proxy import Call
from tests.infra.template import resolve, resources

# The permission that each request needs.
_ACTIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "GetBucketLocation": "s3:GetBucketLocation",
    "GetObject": "s3:GetObject",
    "GetObjectTagging": "s3:GetObjectTagging",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "Decrypt": "kms:Decrypt",
    "GetSecretValue": "secretsmanager:GetSecretValue",
}
_POLICIES = ("SourcePolicy", "TargetPolicy", "KeysPolicy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as a policy sees it; ``prefix`` is that of a listing.

    Names that are in the body of a request, which is not looked at, are None: those of services
    and those that ``DeleteObjects`` names.
    """

    action: str
    resource: str | None
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A statement of a policy as it is deployed."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    prefixes: tuple[str, ...]

    def allows(self, asked: Asked) -> bool:
        """Say whether it allows a request."""
        if asked.action not in self.actions:
            return False
        if asked.resource is not None and not any(
            fnmatchcase(asked.resource, each) for each in self.resources
        ):
            return False
        return asked.prefix is None or any(
            fnmatchcase(asked.prefix, each) for each in self.prefixes
        )


def granted(parameters: dict[str, str]) -> dict[str, Grant]:
    """Return what a stack of these parameters grants to its functions, by policy and statement."""
    found = {}
    for policy in _POLICIES:
        properties = resolve(resources("AWS::IAM::ManagedPolicy")[policy], parameters)
        for statement in properties["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            found[f"{policy}.{statement['Sid']}"] = _grant(statement)
    return found


def _grant(statement: Mapping[str, Any]) -> Grant:
    condition = statement.get("Condition", {}).get("StringLikeIfExists", {})
    return Grant(
        actions=_texts(statement["Action"]),
        resources=_texts(statement["Resource"]),
        prefixes=_texts(condition.get("s3:prefix", "*")),
    )


def _texts(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def asked(ways: Ways, before: tuple[int, int]) -> list[Asked]:
    """Return what functions have asked for since ``ways.counts()``."""
    objects, services = ways.functions.calls[before[0] :], ways.services.calls[before[1] :]
    found = [_of_objects(call) for call in objects]
    return found + [_of_services(call) for call in services]


def _of_objects(call: Call) -> Asked:
    bucket, _, key = unquote(call.path).lstrip("/").partition("/")
    arn = f"arn:aws:s3:::{bucket}"
    action = _ACTIONS[call.operation]
    if call.operation.startswith("Put") and "x-amz-tagging" in call.headers:
        action = "s3:PutObjectTagging"
    if call.operation == "DeleteObjects":
        return Asked(action=action, resource=None)
    if key:
        return Asked(action=action, resource=f"{arn}/{key}")
    prefix = call.query.get("prefix", "") if call.operation.startswith("List") else None
    return Asked(action=action, resource=arn, prefix=prefix)


def _of_services(call: Call) -> Asked:
    return Asked(action=_ACTIONS[call.operation], resource=None)
