"""Keys of AWS KMS, which wrap and unwrap inside Amazon's service and never leave it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from core.errors import ColdhaulError, InputError, IntegrityError, StoreError
from core.stores.aws_names import parse_kms_key
from core.stores.cloud_key import Wrapping
from core.stores.settings import StoreSettings

if TYPE_CHECKING:
    from core.stores.aws_service import AwsService
    from core.stores.s3_answers import Answer
    from core.stores.s3_errors import Request

_LOST_HINT = (
    "Until it is back, a passphrase or recovery key opens the repository: point the configuration "
    "to one."
)
_STATES = {
    "DisabledException": "the key is disabled",
    "KMSInvalidStateException": "the key cannot be used as it is: disabled, about to be deleted, "
    "or without its key material",
}


class KmsKey:
    """A symmetric key of KMS, used in its own region. boto3 is loaded when it is first used.

    ``settings`` say who asks and by which way; their endpoint is a store's and not asked.
    """

    kind: Literal["aws-kms"] = "aws-kms"

    def __init__(self, arn: str, settings: StoreSettings) -> None:
        """Take the ARN of a key; any other text is an ``InputError``, which does not repeat it.

        Nothing is asked yet.
        """
        self._name = parse_kms_key(arn)
        self._settings = settings
        self._service: AwsService | None = None

    def __repr__(self) -> str:
        """Say which key it is, and no more."""
        return f"KmsKey({self.key!r})"

    @property
    def key(self) -> str:
        """The ARN."""
        return self._name.arn

    def is_same(self, key: str) -> bool:
        """Say whether a stored ARN is this key's, or that of its replica in another region."""
        try:
            return self._name.is_same_key(parse_kms_key(key))
        except InputError:
            return False

    def wrap(self, plain: bytes, context: Mapping[str, str]) -> Wrapping:
        """Encrypt a few bytes; they decrypt with this key and an equal context only."""
        answer = self._open().call(
            self._request("wrap a key with", "kms:Encrypt"),
            "encrypt",
            ["CiphertextBlob"],
            KeyId=self.key,
            Plaintext=plain,
            EncryptionContext=dict(context),
        )
        return Wrapping(key=self.key, data=answer["CiphertextBlob"])

    def unwrap(self, wrapping: Wrapping, context: Mapping[str, str]) -> bytes:
        """Decrypt; what another key or context encrypted, or nobody, is an ``IntegrityError``."""
        answer = self._open().call(
            self._request("unwrap a key with", "kms:Decrypt"),
            "decrypt",
            ["Plaintext"],
            KeyId=self.key,
            CiphertextBlob=wrapping.data,
            EncryptionContext=dict(context),
        )
        plain: bytes = answer["Plaintext"]
        return plain

    def _open(self) -> "AwsService":
        if self._service is None:
            from core.stores.aws_service import AwsService

            self._service = AwsService("kms", self._name.region, self._settings, _judge)
        return self._service

    def _request(self, doing: str, permission: str) -> "Request":
        from core.stores.s3_errors import Request

        return Request(
            doing=doing, location=self.key, permission=permission, bucket="", resource=self.key
        )


def _judge(answer: "Answer", request: "Request") -> ColdhaulError | None:
    """Return what KMS's own codes mean."""
    cannot, code = f"cannot {request.doing} {request.location}", answer.code
    if code == "AccessDeniedException":
        return StoreError(
            f"{cannot}: {request.permission} is not allowed",
            hint=f"Allow {request.permission} on the key to the identity of these credentials, in "
            "its policy and, for a key of another account, in the key's policy as well. KMS says "
            "the same of a key that does not exist.",
        )
    if code == "NotFoundException":
        return InputError(
            f"{cannot}: there is no such key",
            hint="Check account, region and id. A key that was deleted never comes back: a "
            "passphrase or recovery key still opens the repository.",
        )
    if code in _STATES:
        return StoreError(
            f"{cannot}: {_STATES[code]}",
            hint="`aws kms describe-key` shows its state; `aws kms cancel-key-deletion` and "
            f"`enable-key` bring it back. {_LOST_HINT}",
        )
    if code == "InvalidKeyUsageException":
        return InputError(
            f"{cannot}: it is not a symmetric key for encryption",
            hint="Create one as with `aws kms create-key`, without any key spec.",
        )
    if code in {"InvalidCiphertextException", "IncorrectKeyException"}:
        return IntegrityError(
            "the wrapped key was changed, or wrapped by another KMS key or for another repository"
        )
    return None
