"""What a test sees of an emulator: an endpoint, settings for a store, a place of its own."""

import os
import secrets
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from core.stores.address import parse_address
from core.stores.settings import StoreSettings
from tests.emulators.fault_proxy import FaultProxy
from tests.emulators.faults import Rule
from tests.emulators.restores import Restores

if TYPE_CHECKING:
    import pytest
    from azure.storage.blob import BlobServiceClient

# The vendors' libraries take a second to import, and every test run imports this module: they are
# imported where a client is made.

ARCHIVE_CLASSES = {"GLACIER", "DEEP_ARCHIVE"}
AZURE_KEY_VARIABLE = "COLDHAUL_TEST_AZURE_KEY"
# Enough for a page of a listing, and what one request deletes.
_PAGE = 1000


@cache
def amazon_client(service: str, endpoint: str, region: str, profile: str = "") -> Any:  # noqa: ANN401  # boto3 makes its classes as it runs.
    """Return a client of Amazon's own library, always the same: one takes 100 ms to make."""
    import boto3
    from botocore.config import Config

    return boto3.Session(profile_name=profile or None).client(
        service,
        region_name=region or None,
        endpoint_url=endpoint or None,
        config=Config(s3={"addressing_style": "path" if endpoint else "auto"}),
    )


@dataclass(frozen=True, slots=True)
class KeyReference:
    """Fetches an account's key from an environment variable; can be pickled, unlike a lambda."""

    variable: str = AZURE_KEY_VARIABLE

    def __call__(self) -> str:
        """Return the key."""
        return os.environ[self.variable]


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Service:
    """An S3 endpoint. ``root`` is the bucket and prefix that was given, "" with an emulator."""

    settings: StoreSettings
    root: str = ""

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return self.settings.endpoint

    def client(self, service: str = "s3") -> Any:  # noqa: ANN401  # boto3 makes its classes as it runs.
        """Return a client of Amazon's own library, to look behind a store's back."""
        settings = self.settings
        return amazon_client(service, settings.endpoint, settings.region, settings.profile)

    def new_url(self) -> str:
        """Return the URL of a place that nobody else uses: a new bucket, or a prefix of one."""
        name = f"coldhaul-{secrets.token_hex(8)}"
        if self.root:
            return f"{self.root}/{name}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def behind(self, endpoint: str) -> "S3Service":
        """Return the same service as it is seen through a proxy at another endpoint."""
        return replace(self, settings=replace(self.settings, endpoint=endpoint))

    def fault_proxy(self, *rules: Rule, seed: int = 0, delays_restores: bool = False) -> FaultProxy:
        """Return a proxy in front of the emulator; ``behind(proxy.endpoint)`` goes through it."""
        restores = Restores("s3", self._is_archived) if delays_restores else None
        return FaultProxy(self.endpoint, "s3", rules, seed=seed, restores=restores)

    def _is_archived(self, path: str) -> bool:
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        head = self.client().head_object(Bucket=bucket, Key=key)
        return head.get("StorageClass") in ARCHIVE_CLASSES and "Restore" not in head

    def clear(self, url: str) -> None:
        """Delete everything below a URL, unfinished uploads as well."""
        address, client = parse_address(url), self.client()
        prefix = f"{address.prefix}/" if address.prefix else ""
        where = {"Bucket": address.container, "Prefix": prefix}
        for page in client.get_paginator("list_object_versions").paginate(**where):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            for start in range(0, len(found), _PAGE):
                keys = [
                    {"Key": each["Key"], "VersionId": each["VersionId"]}
                    for each in found[start : start + _PAGE]
                ]
                client.delete_objects(Bucket=address.container, Delete={"Objects": keys})
        for page in client.get_paginator("list_multipart_uploads").paginate(**where):
            for upload in page.get("Uploads", []):
                client.abort_multipart_upload(
                    Bucket=address.container, Key=upload["Key"], UploadId=upload["UploadId"]
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class AmazonService:
    """KMS and Secrets Manager of one account."""

    endpoint: str
    region: str

    def client(self, name: str) -> Any:  # noqa: ANN401  # boto3 makes its classes as it runs.
        """Return a client of Amazon's own library, by the service's name."""
        return amazon_client(name, self.endpoint, self.region)

    def reach_by(self, endpoint: str, monkeypatch: "pytest.MonkeyPatch") -> None:
        """Let boto3, in this and in every child process, find the services at an endpoint."""
        for name in ("KMS", "SECRETS_MANAGER"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", endpoint)

    def fault_proxy(self, *rules: Rule) -> FaultProxy:
        """Return a proxy in front of the emulator; ``reach_by`` its endpoint goes through it."""
        return FaultProxy(self.endpoint, "aws", rules)

    def new_key(self, **settings: object) -> str:
        """Create a KMS key and return its ARN."""
        metadata = self.client("kms").create_key(**settings)["KeyMetadata"]
        return str(metadata["Arn"])

    def new_secret(self, **value: object) -> str:
        """Create a secret with ``SecretString`` or ``SecretBinary`` and return its ARN."""
        name = f"coldhaul-{secrets.token_hex(8)}"
        return str(self.client("secretsmanager").create_secret(Name=name, **value)["ARN"])


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureService:
    """A blob endpoint with its account. ``root`` is the container and prefix that was given."""

    settings: StoreSettings
    account: str = ""
    root: str = ""

    @property
    def endpoint(self) -> str:
        """Where it answers; with an emulator the account is the first part of the path."""
        return self.settings.endpoint

    def client(self) -> "BlobServiceClient":
        """Return a client of Azure's own library, to look behind a store's back."""
        from azure.core.credentials import AzureNamedKeyCredential
        from azure.identity import DefaultAzureCredential
        from azure.storage.blob import BlobServiceClient

        key = self.settings.account_key
        named = AzureNamedKeyCredential(self.account, key()) if key else None
        return BlobServiceClient(
            self.settings.endpoint,
            credential=named or DefaultAzureCredential(),
            connection_verify=self.settings.ca_bundle or True,
        )

    def new_url(self) -> str:
        """Return the URL of a place that nobody else uses: a new container, or a prefix of one."""
        name = f"coldhaul-{secrets.token_hex(8)}"
        if self.root:
            return f"{self.root}/{name}"
        with self.client() as client:
            client.create_container(name)
        return f"az://{name}"

    def behind(self, endpoint: str) -> "AzureService":
        """Return the same service as it is seen through a proxy at another endpoint."""
        settings = replace(self.settings, endpoint=f"{endpoint}/{self.account}")
        return replace(self, settings=settings)

    def fault_proxy(self, *rules: Rule, seed: int = 0, delays_restores: bool = False) -> FaultProxy:
        """Return a proxy in front of the emulator; ``behind(proxy.endpoint)`` goes through it."""
        restores = Restores("azure", self._is_archived) if delays_restores else None
        return FaultProxy(self.endpoint, "azure", rules, seed=seed, restores=restores)

    def _is_archived(self, path: str) -> bool:
        _, container, name = unquote(path).lstrip("/").split("/", 2)
        with self.client() as client:
            return (
                client.get_blob_client(container, name).get_blob_properties().blob_tier == "Archive"
            )

    def clear(self, url: str) -> None:
        """Delete everything below a URL."""
        address = parse_address(url)
        prefix = f"{address.prefix}/" if address.prefix else ""
        with self.client() as client:
            container = client.get_container_client(address.container)
            for name in list(container.list_blob_names(name_starts_with=prefix)):
                container.delete_blob(name)
