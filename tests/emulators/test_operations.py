"""Requests have the names that the vendors give them in their documents of permissions."""

import pytest

from tests.emulators.operations import (
    UNKNOWN,
    aws_operation,
    azure_operation,
    emulated_azure_operation,
    parse_query,
    s3_operation,
)

COPY_S3 = {"x-amz-copy-source": "b/k"}
COPY_AZURE = {"x-ms-copy-source": "https://account.example/c/b"}


@pytest.mark.parametrize(
    ("line", "headers", "name"),
    [
        ("GET /", {}, "ListBuckets"),
        ("HEAD /b", {}, "HeadBucket"),
        ("PUT /b/", {}, "CreateBucket"),
        ("GET /b?list-type=2&prefix=p%2F", {}, "ListObjectsV2"),
        ("GET /b?prefix=acl", {}, "ListObjects"),
        ("GET /b/?versions&prefix=p", {}, "ListObjectVersions"),
        ("GET /b?uploads", {}, "ListMultipartUploads"),
        ("GET /b?location", {}, "GetBucketLocation"),
        ("GET /b?versioning", {}, "GetBucketVersioning"),
        ("GET /b?object-lock", {}, "GetObjectLockConfiguration"),
        ("POST /b?delete", {}, "DeleteObjects"),
        ("GET /b/k", {}, "GetObject"),
        ("GET /b/k?versionId=1&partNumber=2", {}, "GetObject"),
        ("HEAD /b/k/l", {}, "HeadObject"),
        ("PUT /b/k", {}, "PutObject"),
        ("PUT /b/k", COPY_S3, "CopyObject"),
        ("DELETE /b/k", {}, "DeleteObject"),
        ("POST /b/k?uploads", {}, "CreateMultipartUpload"),
        ("PUT /b/k?partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT /b/k?partNumber=1&uploadId=u", COPY_S3, "UploadPartCopy"),
        ("POST /b/k?uploadId=u", {}, "CompleteMultipartUpload"),
        ("DELETE /b/k?uploadId=u", {}, "AbortMultipartUpload"),
        ("GET /b/k?uploadId=u", {}, "ListParts"),
        ("POST /b/k?restore", {}, "RestoreObject"),
        ("GET /b/k?tagging", {}, "GetObjectTagging"),
        ("PUT /b/k?tagging", {}, "PutObjectTagging"),
        ("PUT /b/k?retention", {}, "PutObjectRetention"),
        ("GET /b/k?attributes", {}, "GetObjectAttributes"),
        ("POST /b/k?strange", {}, UNKNOWN),
    ],
)
def test_s3(line: str, headers: dict[str, str], name: str) -> None:
    method, path, query = split(line)
    assert s3_operation(method, path, query, headers) == name


@pytest.mark.parametrize(
    ("line", "headers", "name"),
    [
        ("GET /?comp=list", {}, "ListContainers"),
        ("POST /?restype=service&comp=userdelegationkey", {}, "GetUserDelegationKey"),
        ("GET /?restype=account&comp=properties", {}, "GetAccountInformation"),
        ("PUT /c?restype=container", {}, "CreateContainer"),
        ("GET /c?restype=container", {}, "GetContainerProperties"),
        ("DELETE /c?restype=container", {}, "DeleteContainer"),
        ("GET /c?restype=container&comp=list&prefix=p", {}, "ListBlobs"),
        ("POST /c?restype=container&comp=batch", {}, "BlobBatch"),
        ("GET /c/b", {}, "GetBlob"),
        ("HEAD /c/b/d", {}, "GetBlobProperties"),
        ("PUT /c/b", {"x-ms-blob-type": "BlockBlob"}, "PutBlob"),
        ("PUT /c/b", COPY_AZURE, "CopyBlob"),
        ("PUT /c/b", {**COPY_AZURE, "x-ms-blob-type": "BlockBlob"}, "PutBlobFromURL"),
        ("PUT /c/b?comp=block&blockid=MQ%3D%3D", {}, "PutBlock"),
        ("PUT /c/b?comp=block&blockid=MQ%3D%3D", COPY_AZURE, "PutBlockFromURL"),
        ("PUT /c/b?comp=blocklist", {}, "PutBlockList"),
        ("GET /c/b?comp=blocklist", {}, "GetBlockList"),
        ("PUT /c/b?comp=tier", {}, "SetBlobTier"),
        ("PUT /c/b?comp=metadata", {}, "SetBlobMetadata"),
        ("GET /c/b?comp=tags", {}, "GetBlobTags"),
        ("DELETE /c/b?snapshot=1", {}, "DeleteBlob"),
        ("PUT /c/b?comp=strange", {}, UNKNOWN),
    ],
)
def test_azure(line: str, headers: dict[str, str], name: str) -> None:
    method, path, query = split(line)
    assert azure_operation(method, path, query, headers) == name
    assert emulated_azure_operation(method, f"/account{path}", query, headers) == name


def split(line: str) -> tuple[str, str, dict[str, str]]:
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    return method, path, parse_query(query)


@pytest.mark.parametrize(
    ("line", "target", "name"),
    [
        ("POST /", "TrentService.Decrypt", "Decrypt"),
        ("POST /", "secretsmanager.GetSecretValue", "GetSecretValue"),
        ("POST /", "Decrypt", UNKNOWN),
        ("POST /", "", UNKNOWN),
        ("GET /", "TrentService.Decrypt", UNKNOWN),
    ],
)
def test_services_that_speak_json(line: str, target: str, name: str) -> None:
    method, path, query = split(line)
    assert aws_operation(method, path, query, {"x-amz-target": target}) == name
