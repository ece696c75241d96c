"""From settings to an opened target and source."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from appliance_aws.settings import BUCKET, End, Settings
from core.engine.steps import Appliance
from core.errors import InputError
from core.model import RetentionType
from core.sources.bucket import open_bucket_source
from core.sources.repository import Repository, open_repository
from core.sources.source import Source
from core.sources.unlocking import Secret
from core.stores.address import AMAZON_S3
from core.stores.aws_kms import KmsKey
from core.stores.aws_secrets import fetch_secret
from core.stores.opening import open_bucket, open_store
from core.stores.settings import StoreSettings

RUNNER = "aws"


def open_appliance(settings: Settings) -> Appliance:
    """Open target and source; the keys of each are unwrapped here, once."""
    plain = _way(settings)
    writing = StoreSettings(
        vendor=AMAZON_S3,
        endpoint=settings.endpoint,
        region=plain.region,
        kms_key=settings.sse_kms_key,
        storage_class=settings.storage_class,
        metadata_class=settings.metadata_class,
    )
    target = _open(settings.target, writing, plain)
    source = _open_source(settings, plain)
    if source.retention_type is not target.retention_type:
        raise InputError(
            f"{target.url} is {target.retention_type.value} and {source.url} is "
            f"{source.retention_type.value}",
            hint="Source and target are of one retention type.",
        )
    return Appliance(
        target=target,
        source=source,
        runner=RUNNER,
        version=own_version(),
        root=settings.root,
        core_count=settings.core_count,
    )


def own_version() -> str:
    """Return the version of what was deployed; empty when this is run from a source tree."""
    try:
        return version("coldhaul")
    except PackageNotFoundError:
        return ""


def _way(settings: Settings) -> StoreSettings:
    """Return how stores are reached: as the role of the function, and in its region.

    In its region alone, unless others are allowed: there a bucket is asked where it is.
    """
    return StoreSettings(
        vendor=AMAZON_S3,
        endpoint=settings.endpoint,
        region="" if settings.allows_other_region else settings.region,
    )


def _open(end: End, settings: StoreSettings, way: StoreSettings) -> Repository:
    return open_repository(open_store(end.url, settings), _secret_of(end, way))


def _open_source(settings: Settings, way: StoreSettings) -> Source:
    if settings.source_kind == BUCKET:
        bucket = open_bucket(settings.source.url, way)
        return open_bucket_source(bucket, RetentionType(settings.retention_type))
    return _open(settings.source, way, way)


def _secret_of(end: End, way: StoreSettings) -> Callable[[], Secret] | None:
    if end.kms_key:
        return lambda: KmsKey(end.kms_key, way)
    if end.secret:
        return lambda: fetch_secret(end.secret, way)
    return None
