"""From a URL and its settings to a store. The vendors' libraries are loaded only when needed."""

from core.errors import InputError
from core.stores.bucket import WritableBucket
from core.stores.folder import FolderStore
from core.stores.folder_bucket import FolderBucket
from core.stores.settings import StoreSettings
from core.stores.store import Store


def open_store(url: str, settings: StoreSettings, *, create: bool = False) -> Store:
    """Return the store at a URL; nothing is asked of it yet.

    ``create`` lets a folder be made; buckets and containers have to be there.
    """
    if url.startswith("s3://"):
        from core.stores.s3 import S3Store

        return S3Store(url, settings)
    if url.startswith("az://"):
        from core.stores.azure import AzureStore

        return AzureStore(url, settings)
    return FolderStore.open(url, create=create)


def open_bucket(url: str, settings: StoreSettings, *, create: bool = False) -> WritableBucket:
    """Return the objects of any tool at a URL; nothing is asked of them yet.

    ``create`` lets a folder be made; buckets and containers have to be there.
    """
    if url.startswith("s3://"):
        from core.stores.s3_bucket import S3Bucket

        return S3Bucket(url, settings)
    if url.startswith("az://"):
        from core.stores.azure_bucket import AzureBucket

        return AzureBucket(url, settings)
    if "://" in url and not url.startswith("file:"):
        raise InputError(
            f"{url!r} is not the URL of a bucket",
            hint="Write s3://bucket/prefix, az://container/prefix or file:///path.",
        )
    return FolderBucket.open(url, create=create)
