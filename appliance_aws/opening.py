"""From settings to an opened target and source."""

from functools import partial

from appliance_aws.settings import Settings
from core.appliance.opening import Ways, open_both
from core.engine.steps import Appliance
from core.stores.address import AMAZON_S3
from core.stores.aws_kms import KmsKey
from core.stores.aws_secrets import fetch_secret
from core.stores.settings import StoreSettings

RUNNER = "aws"


def open_appliance(settings: Settings) -> Appliance:
    """Open target and source; the keys of each are unwrapped here, once."""
    return open_both(settings.ends, _ways(settings), RUNNER, settings.core_count)


def _ways(settings: Settings) -> Ways:
    """Return how all is reached: as the role of the function, and in its region.

    In its region alone, unless others are allowed: there a bucket is asked where it is.
    """
    region = "" if settings.allows_other_region else settings.region
    plain = StoreSettings(vendor=AMAZON_S3, endpoint=settings.endpoint, region=region)
    writing = StoreSettings(
        vendor=AMAZON_S3,
        endpoint=settings.endpoint,
        region=region,
        kms_key=settings.sse_kms_key,
        storage_class=settings.ends.storage_class,
        metadata_class=settings.ends.metadata_class,
    )
    return Ways(
        target=writing,
        source=plain,
        key=partial(KmsKey, settings=plain),
        secret=partial(fetch_secret, settings=plain),
    )
