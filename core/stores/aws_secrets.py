"""Secrets in AWS Secrets Manager, so that a machine and a function can share one."""

from typing import TYPE_CHECKING

from core.errors import ColdhaulError, InputError, StoreError
from core.stores.aws_names import parse_secret_name
from core.stores.settings import StoreSettings

if TYPE_CHECKING:
    from core.stores.s3_answers import Answer
    from core.stores.s3_errors import Request

_PERMISSION = "secretsmanager:GetSecretValue"


def fetch_secret(place: str, settings: StoreSettings) -> str:
    """Return the text of a secret, given its ARN or its name, without a newline at its end.

    ``settings`` say who asks and by which way; a name is looked for in their region, then in that
    of boto3's configuration. boto3 is loaded here.
    """
    from core.stores.aws_service import AwsService
    from core.stores.s3_errors import Request

    name = parse_secret_name(place)
    request = Request(
        doing="read the secret",
        location=name.id,
        permission=_PERMISSION,
        bucket="",
        resource=name.id if name.region else f"the secret {name.id}",
    )
    service = AwsService("secretsmanager", name.region or settings.region, settings, _judge)
    fields = ["SecretString", "SecretBinary"]
    text = service.call(request, "get_secret_value", fields, SecretId=name.id).get(fields[0])
    if not isinstance(text, str):
        raise InputError(
            f"the secret {name.id} is binary", hint="Store it as text, the passphrase alone."
        )
    # Who fills a secret from a file fills in its last newline, which nobody means.
    return text.removesuffix("\n").removesuffix("\r")


def _judge(answer: "Answer", request: "Request") -> ColdhaulError | None:
    """Return what Secrets Manager's own codes mean."""
    cannot, code = f"cannot {request.doing} {request.location}", answer.code
    if code == "ResourceNotFoundException":
        return InputError(
            f"{cannot}: there is none of this name, or it has no value",
            hint="Check account, region and name; `aws secretsmanager list-secrets` shows them.",
        )
    if code == "InvalidRequestException":
        return StoreError(
            f"{cannot}: it is marked for deletion",
            hint="`aws secretsmanager restore-secret` brings it back.",
        )
    is_denied = code == "AccessDeniedException" and "KMS" in answer.message
    if is_denied or code == "DecryptionFailure":
        return StoreError(
            f"{cannot}: its KMS key cannot be used",
            hint="Allow kms:Decrypt on the key that encrypts the secret to the identity of these "
            "credentials, and see that the key is enabled.",
        )
    return None
