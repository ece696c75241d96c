"""Every answer of S3 leads to the error that says what to do about it."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, SSOError

from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.stores.pacing import Reaction, TransientError
from core.stores.s3_answers import Answer, answer_of
from core.stores.s3_errors import Request, judge, judge_answer

REQUEST = Request(
    doing="read",
    location="s3://vault/a/x",
    permission="s3:GetObject",
    bucket="vault",
    resource="arn:aws:s3:::vault/a/*",
)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", NotFoundError),
        (404, "", NotFoundError),
        (404, "NoSuchUpload", NotFoundError),
        (404, "NoSuchBucket", StoreError),
        (412, "PreconditionFailed", ConflictError),
        (403, "InvalidObjectState", NotReadyError),
        (400, "InvalidStorageClass", InputError),
        (403, "AccessDenied", StoreError),
        (403, "", StoreError),
        (401, "", StoreError),
        (403, "InvalidAccessKeyId", StoreError),
        (403, "RequestTimeTooSkewed", StoreError),
        (301, "PermanentRedirect", StoreError),
        (400, "AuthorizationHeaderMalformed", StoreError),
        (400, "KMS.DisabledException", StoreError),
        (501, "NotImplemented", StoreError),
        (400, "OfAnotherVendor", StoreError),
    ],
)
def test_answer_that_another_try_does_not_mend(
    status: int, code: str, kind: type[ColdhaulError]
) -> None:
    error = judge_answer(Answer(status=status, code=code), REQUEST)
    assert type(error) is kind


@pytest.mark.parametrize(
    ("status", "code", "reaction"),
    [
        (500, "InternalError", Reaction.WAIT),
        (500, "", Reaction.WAIT),
        (502, "", Reaction.WAIT),
        (504, "", Reaction.WAIT),
        (408, "", Reaction.WAIT),
        (400, "RequestTimeout", Reaction.WAIT),
        (400, "IncompleteBody", Reaction.WAIT),
        (400, "BadDigest", Reaction.WAIT),
        (409, "ConditionalRequestConflict", Reaction.WAIT),
        (409, "OperationAborted", Reaction.WAIT),
        (503, "SlowDown", Reaction.SLOW_DOWN),
        (503, "", Reaction.SLOW_DOWN),
        (429, "", Reaction.SLOW_DOWN),
        (400, "ThrottlingException", Reaction.SLOW_DOWN),
        (400, "ExpiredToken", Reaction.REFRESH),
        (403, "ExpiredTokenException", Reaction.REFRESH),
    ],
)
def test_answer_that_another_try_may_mend(status: int, code: str, reaction: Reaction) -> None:
    error = judge_answer(Answer(status=status, code=code), REQUEST)
    assert isinstance(error, TransientError)
    assert error.reaction is reaction


def test_permission_is_the_one_that_the_store_names() -> None:
    message = "User: arn:aws:iam::1:user/u is not authorized to perform: s3:GetObjectVersion on x"
    error = judge_answer(Answer(status=403, code="AccessDenied", message=message), REQUEST)
    assert error.message == "cannot read s3://vault/a/x: s3:GetObjectVersion is not allowed"


def test_unknown_answer_is_passed_on_with_its_code() -> None:
    error = judge_answer(Answer(status=400, code="Odd", message="very odd"), REQUEST)
    assert error.message == "cannot read s3://vault/a/x: the store answered 400 Odd: very odd"


def test_archived_object_is_named_with_its_class() -> None:
    answer = Answer(status=403, code="InvalidObjectState", storage_class="GLACIER")
    error = judge_answer(answer, REQUEST)
    assert "s3://vault/a/x is archived in the class GLACIER" in error.message


def test_text_of_a_credential_s_failure_is_not_passed_on() -> None:
    error = judge(SSOError(), REQUEST, "https://e")
    assert error.message.endswith("there are no usable credentials (SSOError)")
    # Signatures and the like are quoted by some stores.
    denied = {"Error": {"Code": "SignatureDoesNotMatch", "Message": "StringToSign: s3cr3t"}}
    response = {**denied, "ResponseMetadata": {"HTTPStatusCode": 403}}
    told = judge(ClientError(response, "GetObject"), REQUEST, "https://e")
    assert "s3cr3t" not in f"{told.message}{told.hint}"


def test_endpoint_is_named_without_the_url_s_path() -> None:
    error = judge(
        EndpointConnectionError(endpoint_url="https://sts.invalid/secret?X-Amz-Signature=1"),
        REQUEST,
        "https://e",
    )
    assert error.message.endswith("nothing answers at https://sts.invalid")


def test_role_that_cannot_be_assumed_is_no_missing_permission_of_s3() -> None:
    response = {
        "Error": {"Code": "AccessDenied"},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    error = judge(ClientError(response, "AssumeRole"), REQUEST, "https://e")
    assert "role_arn cannot be assumed (AccessDenied)" in error.message
    assert "sts:AssumeRole" in error.hint


def test_status_of_an_answer_without_a_body_is_no_code() -> None:
    response = {"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    answer = answer_of(ClientError(response, "HeadObject"))
    assert (answer.status, answer.code) == (403, "")
