"""What a request is called by the vendor: ``PutObject``, ``UploadPart``, ``PutBlockList``.

Pure: permissions are granted by these names, so tests compare what was asked with what is granted.
"""

from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import unquote

Kind = Literal["s3", "azure", "aws"]
Words = Mapping[str, str]
# Nothing that we send may be called so.
UNKNOWN = "unknown"

_S3_BUCKET = {
    "GET": {
        "accelerate": "GetBucketAccelerateConfiguration",
        "acl": "GetBucketAcl",
        "encryption": "GetBucketEncryption",
        "lifecycle": "GetBucketLifecycleConfiguration",
        "list-type": "ListObjectsV2",
        "location": "GetBucketLocation",
        "object-lock": "GetObjectLockConfiguration",
        "policy": "GetBucketPolicy",
        "publicAccessBlock": "GetPublicAccessBlock",
        "tagging": "GetBucketTagging",
        "uploads": "ListMultipartUploads",
        "versioning": "GetBucketVersioning",
        "versions": "ListObjectVersions",
        "": "ListObjects",
    },
    "PUT": {
        "encryption": "PutBucketEncryption",
        "lifecycle": "PutBucketLifecycleConfiguration",
        "object-lock": "PutObjectLockConfiguration",
        "policy": "PutBucketPolicy",
        "tagging": "PutBucketTagging",
        "versioning": "PutBucketVersioning",
        "": "CreateBucket",
    },
    "POST": {"delete": "DeleteObjects"},
    "HEAD": {"": "HeadBucket"},
    "DELETE": {
        "lifecycle": "DeleteBucketLifecycle",
        "policy": "DeleteBucketPolicy",
        "tagging": "DeleteBucketTagging",
        "": "DeleteBucket",
    },
}
_S3_OBJECT = {
    "GET": {
        "acl": "GetObjectAcl",
        "attributes": "GetObjectAttributes",
        "legal-hold": "GetObjectLegalHold",
        "retention": "GetObjectRetention",
        "tagging": "GetObjectTagging",
        "uploadId": "ListParts",
        "": "GetObject",
    },
    "PUT": {
        "acl": "PutObjectAcl",
        "legal-hold": "PutObjectLegalHold",
        "partNumber": "UploadPart",
        "retention": "PutObjectRetention",
        "tagging": "PutObjectTagging",
        "": "PutObject",
    },
    "POST": {
        "restore": "RestoreObject",
        "select": "SelectObjectContent",
        "uploadId": "CompleteMultipartUpload",
        "uploads": "CreateMultipartUpload",
    },
    "HEAD": {"": "HeadObject"},
    "DELETE": {
        "tagging": "DeleteObjectTagging",
        "uploadId": "AbortMultipartUpload",
        "": "DeleteObject",
    },
}
_S3_COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}

_AZURE_ACCOUNT = {
    "GET": {
        "blobs": "FindBlobsByTags",
        "list": "ListContainers",
        "properties": "GetBlobServiceProperties",
    },
    "HEAD": {"properties": "GetAccountInformation"},
    "POST": {"batch": "BlobBatch", "userdelegationkey": "GetUserDelegationKey"},
    "PUT": {"properties": "SetBlobServiceProperties"},
}
_AZURE_CONTAINER = {
    "GET": {
        "acl": "GetContainerACL",
        "blobs": "FindBlobsByTags",
        "list": "ListBlobs",
        "metadata": "GetContainerMetadata",
        "": "GetContainerProperties",
    },
    "HEAD": {"metadata": "GetContainerMetadata", "": "GetContainerProperties"},
    "PUT": {
        "acl": "SetContainerACL",
        "lease": "LeaseContainer",
        "metadata": "SetContainerMetadata",
        "": "CreateContainer",
    },
    "POST": {"batch": "BlobBatch"},
    "DELETE": {"": "DeleteContainer"},
}
_AZURE_BLOB = {
    "GET": {
        "blocklist": "GetBlockList",
        "metadata": "GetBlobMetadata",
        "tags": "GetBlobTags",
        "": "GetBlob",
    },
    "HEAD": {"metadata": "GetBlobMetadata", "": "GetBlobProperties"},
    "PUT": {
        "appendblock": "AppendBlock",
        "block": "PutBlock",
        "blocklist": "PutBlockList",
        "copy": "AbortCopyBlob",
        "immutabilityPolicies": "SetBlobImmutabilityPolicy",
        "lease": "LeaseBlob",
        "legalhold": "SetBlobLegalHold",
        "metadata": "SetBlobMetadata",
        "properties": "SetBlobProperties",
        "snapshot": "SnapshotBlob",
        "tags": "SetBlobTags",
        "tier": "SetBlobTier",
        "undelete": "UndeleteBlob",
        "": "PutBlob",
    },
    "DELETE": {"immutabilityPolicies": "DeleteBlobImmutabilityPolicy", "": "DeleteBlob"},
}


def parse_query(text: str) -> dict[str, str]:
    """Return the words of a query string; one without a value has an empty one."""
    parts = (part.partition("=") for part in text.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in parts}


def s3_operation(method: str, path: str, query: Words, headers: Words) -> str:
    """Return the name of a request to S3 in path style; header names are in lower case."""
    bucket, _, key = path.lstrip("/").partition("/")
    if not bucket:
        return "ListBuckets" if method == "GET" else UNKNOWN
    operations = (_S3_OBJECT if key else _S3_BUCKET).get(method, {})
    found = next((name for word, name in operations.items() if word in query), None)
    name = found or operations.get("", UNKNOWN)
    return _S3_COPIES.get(name, name) if "x-amz-copy-source" in headers else name


def azure_operation(method: str, path: str, query: Words, headers: Words) -> str:
    """Return the name of a request to Blob Storage whose path has no account in front."""
    container, _, blob = path.lstrip("/").partition("/")
    comp = query.get("comp", "")
    if blob:
        name = _AZURE_BLOB.get(method, {}).get(comp, UNKNOWN)
        return _azure_copy(name, headers) if "x-ms-copy-source" in headers else name
    if container:
        return _AZURE_CONTAINER.get(method, {}).get(comp, UNKNOWN)
    if query.get("restype") == "account":
        return "GetAccountInformation"
    return _AZURE_ACCOUNT.get(method, {}).get(comp, UNKNOWN)


def _azure_copy(name: str, headers: Words) -> str:
    if name == "PutBlob":
        return "PutBlobFromURL" if "x-ms-blob-type" in headers else "CopyBlob"
    return "PutBlockFromURL" if name == "PutBlock" else name


def emulated_azure_operation(method: str, path: str, query: Words, headers: Words) -> str:
    """Return the name of a request to an emulator, where the path begins with the account."""
    return azure_operation(method, path.lstrip("/").partition("/")[2], query, headers)


def aws_operation(method: str, path: str, query: Words, headers: Words) -> str:
    """Return the name of a request to one of Amazon's services that speak JSON: KMS and others."""
    service, _, operation = headers.get("x-amz-target", "").rpartition(".")
    return operation if method == "POST" and path == "/" and service else UNKNOWN


OPERATIONS: dict[Kind, Callable[[str, str, Words, Words], str]] = {
    "s3": s3_operation,
    "azure": emulated_azure_operation,
    "aws": aws_operation,
}
LISTINGS = frozenset({"ListObjects", "ListObjectsV2", "ListObjectVersions", "ListBlobs"})
